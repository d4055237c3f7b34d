"""The options of commands that draw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer


@dataclass(frozen=True, slots=True)
class PlotOptions:
    """Where to write plots, and in which format."""

    plots: Annotated[
        Path | None, typer.Option("--plots", help="Write plots to this folder.", metavar="FOLDER", file_okay=False)
    ] = None
    png: Annotated[bool, typer.Option("--png", help="Write PNG instead of SVG.")] = False

    @property
    def suffix(self) -> str:
        """The extension of the files."""
        return "png" if self.png else "svg"
