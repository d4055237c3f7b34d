"""Groups of command-line options shared by several commands, and the dataclasses they fill."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from confspec_cli.commands._completion import models, pairs, template_names
from confspec_cli.commands._templates import stand_behind
from confspec_cli.core.messages import INT32_MAX
from confspec_cli.core.run_config import Mode
from confspec_cli.errors import UsageError
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.session_saver import SessionOptions

_MODELS, _GATE, _SAMPLING = "Models", "Gate", "Sampling"
_SESSION, _HARDWARE = "Session", "Hardware"
_INPUT, _WORK, _ANSWER = "Input", "Work", "Answer"
_FROM_1: dict[str, Any] = {"min": 1, "max": INT32_MAX}


def option(panel: str, *names: str, env: str | None = None, text: str, **more: Any) -> Any:
    """An option of a group, and the variable that sets it, without its prefix."""
    return typer.Option(*names, help=text, rich_help_panel=panel, envvar=f"CONFSPEC_{env}" if env else None, **more)


def _layers(text: str) -> int | None:
    """Parse a number of layers; `auto` gives None. Raises BadParameter for anything else."""
    if text == "auto":
        return None
    if text == "-1" or (text.isdecimal() and int(text) <= INT32_MAX):
        return int(text)
    raise typer.BadParameter(f'{text} is neither "auto" nor a number of layers')


def _fits_mode(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
    """Refuse a gate or threshold typed in a mode without a gate; one from the environment is ignored there."""
    mode = Mode(context.params.get("mode", Mode.CONFSPEC))
    source = context.get_parameter_source(str(parameter.name))
    if value is None or mode is Mode.CONFSPEC or getattr(source, "name", "") != "COMMANDLINE":
        return value
    raise UsageError(
        f"--mode {mode.value} has no gate, so --gate, --accept, --reject and --min-token-prob do not apply.",
        "--mode confspec --accept 0.8",
    )


_NAMED_GATE = {
    "gate": option(
        _GATE,
        "--gate",
        env="GATE",
        text='Measured gate to use, by name, or "target" for the target alone. [default: auto, the fastest here]',
        callback=_fits_mode,
        metavar="NAME",
    ),
}
_GATES = {
    **{
        verb: option(
            _GATE,
            f"--{verb}",
            env=verb.upper(),
            text=f"{verb.capitalize()} a draft step without asking the target when its confidence is at {side} this "
            f"({edges}).",
            callback=_fits_mode,
        )
        for verb, side, edges in (
            ("accept", "least", "0 = accept all, 1 = always ask"),
            ("reject", "most", "1 = reject all"),
        )
    },
    "min_token_prob": option(
        _GATE,
        "--min-token-prob",
        env="MIN_TOKEN_PROB",
        text="Hand over to the target mid-step when the draft's next token is less likely than this (0 = never).",
        callback=_fits_mode,
    ),
    "always_draft": option(
        _GATE, "--always-draft", text="Draft every step, even when drafting is slower than the target alone."
    ),
}
_LENGTHS = {
    "max_tokens": option(
        _GATE, "-n", "--max-tokens", env="MAX_TOKENS", text="Maximum length of the reply, in tokens.", **_FROM_1
    ),
    "max_step_tokens": option(
        _GATE, "--max-step-tokens", env="MAX_STEP_TOKENS", text="Maximum length of a step, in tokens.", **_FROM_1
    ),
}
_MODELS_OF_PAIR = {
    "pair": option(
        _MODELS,
        "-p",
        "--pair",
        env="PAIR",
        text='Pair to use; "auto" picks the best one that fits this machine.',
        autocompletion=pairs,
        metavar="NAME",
    ),
    **{
        role: option(
            _MODELS,
            f"--{role}",
            env=role.upper(),
            text=f"Override the {role} model: a name, file or URL.",
            autocompletion=models,
            metavar="MODEL",
        )
        for role in ("draft", "target")
    },
}
_WORKING = {
    "task": option(
        _WORK,
        "--task",
        env="TASK",
        text="Kind of work; sets the prompt and thresholds. [default: inferred from the question]",
    ),
    "think": option(_WORK, "--think/--no-think", text="Let reasoning models think first."),
    "think_budget": option(
        _WORK,
        "--think-budget",
        text="Stop thinking after this many tokens and write the answer.",
        min=0,
        max=INT32_MAX,
    ),
}
_CHOOSING = {
    "temperature": option(
        _SAMPLING,
        "--temperature",
        env="TEMPERATURE",
        text="Sampling temperature; 0 is greedy decoding.",
        min=0.0,
        max=100.0,
    ),
    "top_k": option(_SAMPLING, "--top-k", text="Sample from the k most likely tokens.", **_FROM_1),
    "top_p": option(
        _SAMPLING, "--top-p", text="Keep the most likely tokens up to this total probability.", min=0.0, max=1.0
    ),
    "min_p": option(
        _SAMPLING, "--min-p", text="Drop tokens below this fraction of the top token's probability.", min=0.0, max=1.0
    ),
    "seed": option(
        _SAMPLING,
        "--seed",
        env="SEED",
        text="Random seed for repeatable sampling. [default: random]",
        min=0,
        max=INT32_MAX,
    ),
}
_MODE = {
    "mode": option(
        _MODELS,
        "--mode",
        env="MODE",
        text="Which models write and which judge: confspec (both), target or draft (one alone), specreason.",
        is_eager=True,
    )
}
_GUESSING = {
    "speculate": option(
        _SAMPLING,
        "--speculate",
        env="SPECULATE",
        text="Token-level speculation: off, ngram (guess from the text so far), draft (guess with the draft "
        "model), auto (guess from the prompt where the reply copies it).",
    )
}
_LAYOUT = {
    "gpu_layers": option(
        _HARDWARE,
        "--gpu-layers",
        env="GPU_LAYERS",
        text="Layers per model to offload to the GPU: auto (as many as fit) or a number; -1 = all. [default: auto]",
        parser=_layers,
        metavar="auto|N",
    ),
    "draft_gpu_layers": option(
        _HARDWARE,
        "--draft-gpu-layers",
        env="DRAFT_GPU_LAYERS",
        text="Layers of the draft to offload, if not as --gpu-layers has it.",
        metavar="N",
        min=-1,
        max=INT32_MAX,
    ),
    "gpu_only": option(_HARDWARE, "--gpu-only", env="GPU_ONLY", text="Fail unless everything fits on the GPU."),
    "context": option(
        _HARDWARE, "--context", env="CONTEXT", text="Context size of each model, in tokens.", min=256, max=INT32_MAX
    ),
    "threads": option(_HARDWARE, "--threads", env="THREADS", text="CPU threads to use.", **_FROM_1),
    "kv_type": option(_HARDWARE, "--kv-type", env="KV_TYPE", text="KV cache type: f16, q8_0 or q4_0.", metavar="TYPE"),
    "verbose": option(
        _HARDWARE,
        "-v",
        "--verbose",
        text="Show more detail; -vv adds llama.cpp's own log.",
        count=True,
        show_default=False,
    ),
}
_CONVERSATION = {
    "resume": option(_SESSION, "-c", "--continue", text="Continue the most recent session."),
    "session": option(_SESSION, "--session", text="Continue the named session, or start it.", metavar="NAME"),
    "no_log": option(_SESSION, "--no-log", env="NO_LOG", text="Don't save this run as a session."),
}

RunFlags = Annotated[
    RunOptions, _MODELS_OF_PAIR | _MODE | _WORKING | _NAMED_GATE | _GATES | _LENGTHS | _CHOOSING | _GUESSING
]
BenchFlags = Annotated[RunOptions, _MODELS_OF_PAIR | _WORKING | _NAMED_GATE | _GATES | _LENGTHS | _CHOOSING]
"""The options of a benchmark, which sets the modes itself."""
CalibrateFlags = Annotated[RunOptions, _LENGTHS | {"temperature": _CHOOSING["temperature"]}]
"""The options of a calibration, which needs no gate because it finds one."""
HardwareFlags = Annotated[HardwareOptions, _LAYOUT]
SessionFlags = Annotated[SessionOptions, _CONVERSATION]
YesFlag = Annotated[bool, option(_MODELS, "-y", "--yes", env="YES", text="Download missing models without asking.")]
ServerOption = Annotated[
    str | None,
    option(
        _MODELS,
        "--server",
        env="SERVER",
        text="Ask a running confspec serve, which has its models in memory.",
        metavar="URL",
    ),
]
JobsOption = Annotated[
    int,
    option(_MODELS, "--jobs", env="JOBS", text="Replies to reason at once, if a model is on a server.", min=1, max=256),
]


@dataclass(frozen=True, slots=True)
class InputOptions:
    """What is sent along with the question."""

    file: Annotated[
        list[Path] | None,
        option(_INPUT, "-f", "--file", text="Text file to place before the question; may be repeated."),
    ] = None
    stdin: Annotated[
        bool, option(_INPUT, "--stdin/--no-stdin", text="Read piped input (use --no-stdin inside `while read` loops).")
    ] = True
    template: Annotated[
        str | None,
        option(
            _INPUT,
            "-t",
            "--template",
            text="Use a saved template; options you give override its own.",
            callback=stand_behind,
            is_eager=True,
            autocompletion=template_names,
            metavar="NAME",
        ),
    ] = None
    save_template: Annotated[
        str | None,
        option(_INPUT, "--save-template", text="Save these options as a template and exit.", metavar="NAME"),
    ] = None


class AnswerFormat(str, Enum):
    """Answer formats that need no schema."""

    JSON = "json"


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """Which part of the reply goes to stdout, and in what format."""

    extract: Annotated[
        bool, option(_ANSWER, "-x", "--extract", text="Print only the last code block, or the final answer.")
    ] = False
    schema: Annotated[
        Path | None, option(_ANSWER, "--schema", text="JSON Schema that the answer must match.", metavar="FILE")
    ] = None
    format_answer: Annotated[
        AnswerFormat | None, option(_ANSWER, "--format-answer", text="Ask for the answer as a JSON object.")
    ] = None
