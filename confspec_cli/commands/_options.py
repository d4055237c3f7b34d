"""Groups of command-line options that commands share: a group is a frozen dataclass whose fields are Typer options."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from confspec_cli.commands._completion import models, pairs, template_names
from confspec_cli.commands._templates import stand_behind
from confspec_cli.core.messages import Speculation
from confspec_cli.core.run_config import Mode
from confspec_cli.core.tasks import TaskName
from confspec_cli.render.options import Color, Format, Show, Steps

_MODELS, _GATE, _SAMPLING = "Models", "Gate", "Sampling"
_SESSION, _SHOW, _HARDWARE = "Session", "Output", "Hardware"
_INPUT, _WORK, _ANSWER = "Input", "Work", "Answer"


def _option(panel: str, *names: str, env: str | None = None, text: str, **more: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, envvar=f"CONFSPEC_{env}" if env else None, **more)


def _layers(text: str) -> int | None:
    """A number of layers, None for auto. Raises BadParameter for anything else."""
    if text == "auto":
        return None
    if text == "-1" or text.isdecimal():
        return int(text)
    raise typer.BadParameter(f"{text} is neither auto nor a number of layers")


@dataclass(frozen=True, slots=True)
class PairOptions:
    """Which models."""

    pair: Annotated[
        str | None,
        _option(
            _MODELS,
            "-p",
            "--pair",
            env="PAIR",
            text="A pair from models.yaml; auto: the best here.",
            autocompletion=pairs,
        ),
    ] = None
    draft: Annotated[
        str | None,
        _option(_MODELS, "--draft", env="DRAFT", text="Another draft: a name, or a GGUF file.", autocompletion=models),
    ] = None
    target: Annotated[
        str | None,
        _option(
            _MODELS, "--target", env="TARGET", text="Another target: a name, or a GGUF file.", autocompletion=models
        ),
    ] = None
    yes: Annotated[bool, _option(_MODELS, "-y", "--yes", env="YES", text="Pull missing models without asking.")] = False


@dataclass(frozen=True, slots=True)
class ModelOptions(PairOptions):
    """Which models, and who writes."""

    mode: Annotated[Mode, _option(_MODELS, "--mode", env="MODE", text="Who writes and who judges.")] = Mode.CONFSPEC


@dataclass(frozen=True, slots=True)
class GateOptions:
    """The thresholds, and how long things may get."""

    accept: Annotated[
        float | None,
        _option(
            _GATE, "--accept", env="ACCEPT", text="Accept a step unasked from this signal on; 0 accepts every step."
        ),
    ] = None
    reject: Annotated[
        float | None,
        _option(_GATE, "--reject", env="REJECT", text="Reject a step unasked up to this signal; 1 rejects every step."),
    ] = None
    min_token_prob: Annotated[
        float | None,
        _option(
            _GATE,
            "--min-token-prob",
            env="MIN_TOKEN_PROB",
            text="The draft stops before a token less likely than this; 0 never does.",
        ),
    ] = None
    always_draft: Annotated[
        bool, _option(_GATE, "--always-draft", text="Have every step drafted, even where it turns out not to pay.")
    ] = False
    max_tokens: Annotated[
        int | None, _option(_GATE, "-n", "--max-tokens", env="MAX_TOKENS", text="Longest reply, in tokens.", min=1)
    ] = None
    max_step_tokens: Annotated[
        int | None,
        _option(_GATE, "--max-step-tokens", env="MAX_STEP_TOKENS", text="Longest step, in tokens.", min=1),
    ] = None


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


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """What kind of work it is, and how long it is thought about."""

    task: Annotated[
        TaskName | None,
        _option(_WORK, "--task", env="TASK", text="The kind of work; else the pair's own, or math."),
    ] = None
    think: Annotated[
        bool | None, _option(_WORK, "--think/--no-think", text="Think before answering, where the model can.")
    ] = None
    think_budget: Annotated[
        int | None,
        _option(
            _WORK,
            "--think-budget",
            text="Tokens for thinking, which is then closed and the answer written.",
            min=0,
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
class SamplingOptions:
    """How tokens are chosen; greedy unless a temperature is given."""

    temperature: Annotated[
        float, _option(_SAMPLING, "--temperature", env="TEMPERATURE", text="0 is greedy, the default.", min=0.0)
    ] = 0.0
    top_k: Annotated[int, _option(_SAMPLING, "--top-k", text="Choose among the k likeliest tokens.", min=1)] = 40
    top_p: Annotated[
        float, _option(_SAMPLING, "--top-p", text="... that together hold this probability.", min=0.0, max=1.0)
    ] = 0.95
    min_p: Annotated[
        float, _option(_SAMPLING, "--min-p", text="... and this share of the likeliest one's.", min=0.0, max=1.0)
    ] = 0.05
    seed: Annotated[
        int | None, _option(_SAMPLING, "--seed", env="SEED", text="Repeatable choice; else it is drawn.", min=0)
    ] = None
    speculate: Annotated[
        Speculation,
        _option(
            _SAMPLING,
            "--speculate",
            env="SPECULATE",
            text="Who guesses tokens ahead, to be checked in one batch: the text so far, the draft; auto: "
            "what was given, where it is being copied, and the draft where that pays.",
        ),
    ] = Speculation.AUTO


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Which conversation a run belongs to."""

    resume: Annotated[bool, _option(_SESSION, "-c", "--continue", text="Go on with the session last used.")] = False
    session: Annotated[
        str | None, _option(_SESSION, "--session", text="Go on with the session of this name, or begin it.")
    ] = None
    no_log: Annotated[bool, _option(_SESSION, "--no-log", env="NO_LOG", text="Save nothing.")] = False


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
class HardwareOptions:
    """How the models are laid out in memory."""

    gpu_layers: Annotated[
        int | None,
        _option(
            _HARDWARE,
            "--gpu-layers",
            env="GPU_LAYERS",
            text="Layers of each model on the GPU, -1 for all; auto, the default, plans what fits.",
            parser=_layers,
            metavar="auto|<int>",
        ),
    ] = None
    gpu_only: Annotated[
        bool, _option(_HARDWARE, "--gpu-only", env="GPU_ONLY", text="Fail where not all of it fits on the GPU.")
    ] = False
    context: Annotated[
        int | None,
        _option(_HARDWARE, "--context", env="CONTEXT", text="Context of each model, in tokens.", min=256),
    ] = None
    threads: Annotated[int | None, _option(_HARDWARE, "--threads", env="THREADS", text="Processor threads.", min=1)] = (
        None
    )
    kv_type: Annotated[str, _option(_HARDWARE, "--kv-type", env="KV_TYPE", text="KV cache: f16, q8_0 or q4_0.")] = "f16"
    verbose: Annotated[
        int,
        _option(_HARDWARE, "-v", "--verbose", text="-vv shows llama.cpp's own log.", count=True, show_default=False),
    ] = 0
