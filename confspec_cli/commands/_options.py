"""Groups of command-line options that commands share, and the dataclasses they fill."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from confspec_cli.commands._completion import models, pairs, template_names
from confspec_cli.commands._templates import stand_behind
from confspec_cli.core.run_config import Mode
from confspec_cli.errors import UsageError
from confspec_cli.render.options import Color, Format, Show, Steps
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.session_saver import SessionOptions

_MODELS, _GATE, _SAMPLING = "Models", "Gate", "Sampling"
_SESSION, _SHOW, _HARDWARE = "Session", "Output", "Hardware"
_INPUT, _WORK, _ANSWER = "Input", "Work", "Answer"
_INT32 = 2**31 - 1  # llama.cpp counts in these
_FROM_1: dict[str, Any] = {"min": 1, "max": _INT32}


def _option(panel: str, *names: str, env: str | None = None, text: str, **more: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, envvar=f"CONFSPEC_{env}" if env else None, **more)


def _layers(text: str) -> int | None:
    """A number of layers, None for auto. Raises BadParameter for anything else."""
    if text == "auto":
        return None
    if text == "-1" or (text.isdecimal() and int(text) <= _INT32):
        return int(text)
    raise typer.BadParameter(f"{text} is neither auto nor a number of layers")


def _fits_mode(context: typer.Context, parameter: typer.CallbackParam, value: float | None) -> float | None:
    """A threshold counts where there is a gate; elsewhere one typed is a mistake, and one of the environment is not."""
    mode = Mode(context.params.get("mode", Mode.CONFSPEC))
    source = context.get_parameter_source(str(parameter.name))
    if value is None or mode is Mode.CONFSPEC or getattr(source, "name", "") != "COMMANDLINE":
        return value
    raise UsageError(f"--mode {mode.value} has no thresholds to turn.", "--mode confspec --accept 0.8")


_GATES = {
    "accept": _option(
        _GATE,
        "--accept",
        env="ACCEPT",
        text="Accept a step unasked from this signal on; 0 accepts every step.",
        callback=_fits_mode,
    ),
    "reject": _option(
        _GATE,
        "--reject",
        env="REJECT",
        text="Reject a step unasked up to this signal; 1 rejects every step.",
        callback=_fits_mode,
    ),
    "min_token_prob": _option(
        _GATE,
        "--min-token-prob",
        env="MIN_TOKEN_PROB",
        text="The draft stops before a token less likely than this; 0 never does.",
        callback=_fits_mode,
    ),
    "always_draft": _option(
        _GATE, "--always-draft", text="Have every step drafted, even where it turns out not to pay."
    ),
}
_LENGTHS = {
    "max_tokens": _option(_GATE, "-n", "--max-tokens", env="MAX_TOKENS", text="Longest reply, in tokens.", **_FROM_1),
    "max_step_tokens": _option(
        _GATE, "--max-step-tokens", env="MAX_STEP_TOKENS", text="Longest step, in tokens.", **_FROM_1
    ),
}
_MODELS_OF_PAIR = {
    "pair": _option(
        _MODELS, "-p", "--pair", env="PAIR", text="A pair from models.yaml; auto: the best here.", autocompletion=pairs
    ),
    "draft": _option(
        _MODELS, "--draft", env="DRAFT", text="Another draft: a name, or a GGUF file.", autocompletion=models
    ),
    "target": _option(
        _MODELS, "--target", env="TARGET", text="Another target: a name, or a GGUF file.", autocompletion=models
    ),
}
_WORKING = {
    "task": _option(_WORK, "--task", env="TASK", text="The kind of work; else the pair's own, or math."),
    "think": _option(_WORK, "--think/--no-think", text="Think before answering, where the model can."),
    "think_budget": _option(
        _WORK,
        "--think-budget",
        text="Tokens for thinking, which is then closed and the answer written.",
        min=0,
        max=_INT32,
    ),
}
_CHOOSING = {
    "temperature": _option(_SAMPLING, "--temperature", env="TEMPERATURE", text="0 is greedy, the default.", min=0.0),
    "top_k": _option(_SAMPLING, "--top-k", text="Choose among the k likeliest tokens.", **_FROM_1),
    "top_p": _option(_SAMPLING, "--top-p", text="... that together hold this probability.", min=0.0, max=1.0),
    "min_p": _option(_SAMPLING, "--min-p", text="... and this share of the likeliest one's.", min=0.0, max=1.0),
    "seed": _option(_SAMPLING, "--seed", env="SEED", text="Repeatable choice; else it is drawn.", min=0, max=_INT32),
}
_MODE = {"mode": _option(_MODELS, "--mode", env="MODE", text="Who writes and who judges.", is_eager=True)}
_GUESSING = {
    "speculate": _option(
        _SAMPLING,
        "--speculate",
        env="SPECULATE",
        text="Who guesses tokens ahead, to be checked in one batch: the text so far, the draft; auto: "
        "what was given, where it is being copied, and the draft where that pays.",
    )
}
_LAYOUT = {
    "gpu_layers": _option(
        _HARDWARE,
        "--gpu-layers",
        env="GPU_LAYERS",
        text="Layers of each model on the GPU, -1 for all; auto, the default, plans what fits.",
        parser=_layers,
        metavar="auto|<int>",
    ),
    "gpu_only": _option(_HARDWARE, "--gpu-only", env="GPU_ONLY", text="Fail where not all of it fits on the GPU."),
    "context": _option(
        _HARDWARE, "--context", env="CONTEXT", text="Context of each model, in tokens.", min=256, max=_INT32
    ),
    "threads": _option(_HARDWARE, "--threads", env="THREADS", text="Processor threads.", **_FROM_1),
    "kv_type": _option(_HARDWARE, "--kv-type", env="KV_TYPE", text="KV cache: f16, q8_0 or q4_0."),
    "verbose": _option(
        _HARDWARE, "-v", "--verbose", text="-vv shows llama.cpp's own log.", count=True, show_default=False
    ),
}
_CONVERSATION = {
    "resume": _option(_SESSION, "-c", "--continue", text="Go on with the session last used."),
    "session": _option(_SESSION, "--session", text="Go on with the session of this name, or begin it."),
    "no_log": _option(_SESSION, "--no-log", env="NO_LOG", text="Save nothing."),
}

RunFlags = Annotated[RunOptions, _MODELS_OF_PAIR | _MODE | _WORKING | _GATES | _LENGTHS | _CHOOSING | _GUESSING]
BenchFlags = Annotated[RunOptions, _MODELS_OF_PAIR | _WORKING | _GATES | _LENGTHS | _CHOOSING]
"""Those of a benchmark, which goes through modes of its own."""
CalibrateFlags = Annotated[RunOptions, _LENGTHS]
"""Those of a calibration, which sets a gate and needs none."""
HardwareFlags = Annotated[HardwareOptions, _LAYOUT]
SessionFlags = Annotated[SessionOptions, _CONVERSATION]
YesFlag = Annotated[bool, _option(_MODELS, "-y", "--yes", env="YES", text="Pull missing models without asking.")]


@dataclass(frozen=True, slots=True)
class InputOptions:
    """What goes before the question, and the words it is put in."""

    file: Annotated[
        list[Path] | None, _option(_INPUT, "-f", "--file", text="A text file to put before the question; repeatable.")
    ] = None
    stdin: Annotated[
        bool, _option(_INPUT, "--stdin/--no-stdin", text="Read what is piped in; inside a loop, leave it to the loop.")
    ] = True
    template: Annotated[
        str | None,
        _option(
            _INPUT,
            "-t",
            "--template",
            text="A saved template: its words, and its options behind yours.",
            callback=stand_behind,
            is_eager=True,
            autocompletion=template_names,
        ),
    ] = None
    save_template: Annotated[
        str | None,
        _option(
            _INPUT, "--save-template", text="Save the options given under a name, and ask nothing.", metavar="NAME"
        ),
    ] = None


class AnswerFormat(str, Enum):
    """Forms of an answer that need no schema."""

    JSON = "json"


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """What of the reply goes to stdout, and in which form."""

    extract: Annotated[
        bool, _option(_ANSWER, "-x", "--extract", text="Only the last code block, or the final answer.")
    ] = False
    schema: Annotated[
        Path | None, _option(_ANSWER, "--schema", text="A JSON schema the answer must fit.", metavar="FILE")
    ] = None
    format_answer: Annotated[
        AnswerFormat | None, _option(_ANSWER, "--format-answer", text="The form of the answer; json is an object.")
    ] = None


@dataclass(frozen=True, slots=True)
class ShowOptions:
    """What is shown of the steps."""

    steps: Annotated[Steps, _option(_SHOW, "--steps", env="STEPS", text="How much of the steps is shown.")] = Steps.FULL
    quiet: Annotated[bool, _option(_SHOW, "-q", "--quiet", text="The reply alone, as --steps none.")] = False
    show_rejected: Annotated[bool, _option(_SHOW, "--show-rejected", text="Keep rejected steps in view.")] = False
    show_confidence: Annotated[
        bool, _option(_SHOW, "--show-confidence", text="Show what each model made of a step.")
    ] = False
    stats: Annotated[bool, _option(_SHOW, "--stats", text="Time by phase, and rates with their denominators.")] = False
    color: Annotated[Color, _option(_SHOW, "--color", env="COLOR", text="Colour the step view.")] = Color.AUTO
    format: Annotated[Format, _option(_SHOW, "--format", text="What goes to stdout.")] = Format.TEXT

    def show(self) -> Show:
        """The same, as renderers take it."""
        return Show(
            self.show_rejected,
            self.show_confidence,
            self.stats,
            self.quiet or self.steps is Steps.NONE,
            self.color,
            self.format,
            brief=self.steps is Steps.BRIEF,
        )


@dataclass(frozen=True, slots=True)
class PlotOptions:
    """Where plots go, and in which form."""

    plots: Annotated[Path | None, typer.Option("--plots", help="Draw the plots into this folder.")] = None
    png: Annotated[bool, typer.Option("--png", help="Draw them as PNG, not as SVG.")] = False

    @property
    def suffix(self) -> str:
        """What the names of the files end in."""
        return "png" if self.png else "svg"
