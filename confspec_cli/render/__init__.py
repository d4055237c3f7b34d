"""Renderers: they turn the events of a run into terminal output, plain text or JSON."""
