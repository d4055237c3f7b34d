"""One event a line, as it happens: the record that `confspec replay` draws again."""

from __future__ import annotations

import json
from typing import TextIO

from confspec_cli.core.events import Event, to_dict
from confspec_cli.render.console import put


class JsonLines:
    """Writes each event as a line of ASCII JSON, so that no terminal and no encoding can mistake it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def handle(self, event: Event) -> None:
        """Write it."""
        put(self._stream, json.dumps(to_dict(event)) + "\n")

    def close(self) -> None:
        """Every line is out already."""
