"""confspec: a small model drafts reasoning steps, a large one is asked only when it matters."""

__version__ = "0.1.0"
