"""What is kept on disk: sessions, templates, JSONL logs, batch input."""
