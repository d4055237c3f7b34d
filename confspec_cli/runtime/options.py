"""What a person asks for, before anything is looked up: one class for the command line, the REPL and the library."""

from __future__ import annotations

from dataclasses import dataclass

from confspec_cli.core.messages import Speculation
from confspec_cli.core.run_config import Mode
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Author
from confspec_cli.errors import UsageError

KV_TYPES = ("f16", "q8_0", "q4_0")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Which models, and how they are to reason; None is the pair's own setting, or else the built-in one.

    Lengths are in tokens. Thresholds are 0..1, and count only in the mode that has a gate.
    """

    pair: str | None = None
    draft: str | None = None
    target: str | None = None
    mode: Mode = Mode.CONFSPEC
    gate: str | None = None
    accept: float | None = None
    reject: float | None = None
    min_token_prob: float | None = None
    always_draft: bool = False
    max_tokens: int | None = None
    max_step_tokens: int | None = None
    temperature: float = 0.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    seed: int | None = None
    speculate: Speculation = Speculation.AUTO
    task: TaskName | None = None
    think: bool | None = None
    think_budget: int | None = None

    @property
    def has_thresholds(self) -> bool:
        """Whether a threshold is given in place of the pair's own."""
        return any(one is not None for one in (self.accept, self.reject, self.min_token_prob))


@dataclass(frozen=True, slots=True)
class HardwareOptions:
    """How the models are laid out in memory; None is planned for the machine, or the pair's own setting."""

    gpu_layers: int | None = None
    draft_gpu_layers: int | None = None
    gpu_only: bool = False
    context: int | None = None
    threads: int | None = None
    kv_type: str = "f16"
    verbose: int = 0

    def layers_of(self, author: Author) -> int | None:
        """The layers of this model that were asked for, None to plan them."""
        own = self.draft_gpu_layers if author is Author.DRAFT else None
        return self.gpu_layers if own is None else own


def check_kv_type(name: str) -> None:
    """Raise UsageError for a KV cache type that there is not."""
    if name not in KV_TYPES:
        known = f"--kv-type {KV_TYPES[0]}   # or {', '.join(KV_TYPES[1:])}"
        raise UsageError(f'Unknown KV cache type "{name}".', known)
