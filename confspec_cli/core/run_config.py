"""Everything that shapes a run: who writes, who verifies, by which thresholds, and how long it may get."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum

from confspec_cli.core.frontier import GateChoice
from confspec_cli.core.gate import Gate, Signal
from confspec_cli.core.messages import Sampling
from confspec_cli.core.prompts import Question
from confspec_cli.core.tasks import TASKS, Task, TaskName
from confspec_cli.core.trace import Author


class Mode(str, Enum):
    """Who writes and who verifies."""

    CONFSPEC = "confspec"  # the draft writes and verifies, the target is asked where that is uncertain
    TARGET = "target"  # the target alone
    DRAFT = "draft"  # the draft alone
    SPECREASON = "specreason"  # the draft writes, the target rates every step (arXiv:2504.07891)


SOLE_AUTHOR = {Mode.TARGET: Author.TARGET, Mode.DRAFT: Author.DRAFT}


def authors(mode: Mode) -> tuple[Author, ...]:
    """The models a mode needs."""
    sole = SOLE_AUTHOR.get(mode)
    return (sole,) if sole else (Author.DRAFT, Author.TARGET)


@dataclass(frozen=True, slots=True)
class Form:
    """A form the answer must have, once it has been reasoned out: `grammar` is GBNF, `request` asks for the answer."""

    name: str
    grammar: str
    request: str


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that shapes a run. Lengths are in tokens of the writing model, `min_step_chars` in characters.

    At `think_budget` tokens the thinking is closed. `form` shapes the answer alone, never the reasoning. Without `asks`
    no model is asked for a verdict that the gate does not look at. If `adaptive`, drafting is turned off where it
    takes longer than it saves.
    `pair` is what the two models are called together, for the record.
    `choice` says how the gate was chosen, where it was.
    `random_rate` puts a draw in place of the gate: a drafted step stands with that probability.
    """

    mode: Mode
    gate: Gate
    question: Question
    sampling: Sampling
    max_tokens: int
    max_step_tokens: int
    min_step_chars: int
    task: Task = TASKS[TaskName.MATH]
    think_budget: int | None = None
    form: Form | None = None
    asks: bool = True
    adaptive: bool = False
    pair: str = ""
    choice: GateChoice | None = None
    random_rate: float | None = None

    @property
    def is_gated(self) -> bool:
        """Whether a drafted step is decided by how it is assessed, and not by the mode, the gate or a draw alone."""
        return self.mode is Mode.CONFSPEC and self.gate.is_open and self.random_rate is None

    @property
    def needs_verdict(self) -> bool:
        """Whether the models are asked for verdicts on drafted steps."""
        return self.asks or self.gate.signal.is_asked_for

    def parameters(self) -> dict[str, str | int | float | bool | None]:
        """The same as a flat record."""
        gate = {key: value.value if isinstance(value, Enum) else value for key, value in asdict(self.gate).items()}
        del gate["weights"]
        if self.gate.signal is Signal.COMBINED:
            weights = asdict(self.gate.weights)
            gate |= {f"{author}_{name}": value for author, named in weights.items() for name, value in named.items()}
        sampling = asdict(self.sampling) | {"speculation": self.sampling.speculation.value}
        del sampling["grammar"]
        return {
            **gate,
            **sampling,
            "question": self.question.text,
            "max_tokens": self.max_tokens,
            "max_step_tokens": self.max_step_tokens,
            "min_step_chars": self.min_step_chars,
            "task": self.task.name.value,
            "think_budget": self.think_budget,
            "form": self.form.name if self.form else None,
            "asks": self.asks,
            "adaptive": self.adaptive,
            **({} if self.random_rate is None else {"random_rate": self.random_rate}),
            **({"gate": self.choice.name, "gate_reason": self.choice.reason.value} if self.choice else {}),
        }
