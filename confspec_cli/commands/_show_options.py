"""What a run shows, and how: the options of every command that shows one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from confspec_cli.commands._options import option
from confspec_cli.commands._output import with_json
from confspec_cli.render.options import Color, Format, Show, Steps

_SHOW = "Output"


@dataclass(frozen=True, slots=True)
class ShowOptions:
    """What is shown, and how."""

    steps: Annotated[Steps, option(_SHOW, "--steps", env="STEPS", text="How much of each step to show.")] = Steps.FULL
    quiet: Annotated[
        bool, option(_SHOW, "-q", "--quiet", text="Print only the result, warnings and errors; like --steps none.")
    ] = False
    show_rejected: Annotated[bool, option(_SHOW, "--show-rejected", text="Keep rejected draft steps on screen.")] = (
        False
    )
    show_confidence: Annotated[
        bool, option(_SHOW, "--show-confidence", text="Show each model's confidence in every step.")
    ] = False
    stats: Annotated[bool, option(_SHOW, "--stats", text="Show timing by phase and acceptance rates.")] = False
    color: Annotated[Color, option(_SHOW, "--color", env="COLOR", text="Colour the step view.")] = Color.AUTO

    def show(self) -> Show:
        """These options in the form the renderers take."""
        return Show(
            self.show_rejected,
            self.show_confidence,
            self.stats,
            self.quiet or self.steps is Steps.NONE,
            self.color,
            brief=self.steps is Steps.BRIEF,
        )


@dataclass(frozen=True, slots=True)
class PrintOptions(ShowOptions):
    """What is shown and how, where stdout may carry something else than text."""

    format: Annotated[Format, option(_SHOW, "--format", text="Format of what goes to stdout.")] = Format.TEXT
    json: Annotated[bool, option(_SHOW, "--json", text="Short for --format json.")] = False

    def show(self) -> Show:
        """These options in the form the renderers take. Raises UsageError for two formats at once."""
        return replace(ShowOptions.show(self), format=with_json(self.format, self.json))
