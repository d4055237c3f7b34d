"""A pair that is open: its models are loaded when they are first needed, and kept while they are of use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from confspec_cli.core.conversation import Turn
from confspec_cli.core.engine import Engine, Interrupt, reading
from confspec_cli.core.events import Event
from confspec_cli.core.messages import Message, Prompt
from confspec_cli.core.policy import AdaptiveDrafting
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import RunConfig, authors
from confspec_cli.core.steering import Steering
from confspec_cli.core.trace import Author, Step
from confspec_cli.errors import ConfspecError, EngineError, Interrupted
from confspec_cli.models.registry import Registry
from confspec_cli.models.remote_models import at_address, is_address
from confspec_cli.runtime.build_prompt import prompt_of
from confspec_cli.runtime.configure import build_config, for_question, thinks
from confspec_cli.runtime.device_costs import learning
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.gate_choice import check_gate, with_gate_of_choice
from confspec_cli.runtime.load import acquaint, load_engines
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.preflight import refuse_early
from confspec_cli.runtime.reporter import SILENT, Reporter
from confspec_cli.runtime.resolve import Place, ResolvedPair, resolve_pair
from confspec_cli.runtime.resume import as_before
from confspec_cli.runtime.signals import stopping

_Part = tuple[Place, int | None]
"""What an engine was made of: its file and the context asked for in tokens, or a model on a server."""

FindFiles = Callable[[ResolvedPair, Reporter], Mapping[Author, Path]]
LoadEngines = Callable[
    [ResolvedPair, Mapping[Author, Place], HardwareOptions, Interrupt, Reporter], dict[Author, Engine]
]


class ModelPool:
    """The models that options ask for, which may change while a conversation goes on.

    `find` and `load` are how a resolved pair becomes files, and files engines.
    """

    can_steer = True
    """Whether a run can be told to do otherwise while it lasts."""

    def __init__(
        self,
        registry: Registry,
        hardware: HardwareOptions,
        reporter: Reporter = SILENT,
        find: FindFiles = local_files,
        load: LoadEngines = load_engines,
    ) -> None:
        self._registry = registry
        self._hardware = hardware
        self._reporter = reporter
        self._find = find
        self._load = load
        self.interrupt = Interrupt()
        self._resolved: ResolvedPair | None = None
        self._options = RunOptions()
        self._engines: dict[Author, Engine] = {}
        self._parts: dict[Author, _Part] = {}
        self._warned: set[str] = set()

    @property
    def pair(self) -> str:
        """The name of the pair, or of what stands in its models' places."""
        name = self._resolved.pair.name if self._resolved else ""
        given = [_short(one) for one in (self._options.draft, self._options.target) if one]
        if len(given) == 2:
            return " + ".join(given)
        return f"{name} with {given[0]}" if given else name

    @property
    def engines(self) -> Mapping[Author, Engine]:
        """The engines the mode needs, the target last. Raises EngineError where one could not be loaded."""
        needed = authors(self._options.mode)
        if any(author not in self._engines for author in needed):
            raise EngineError("The models are not loaded.", "confspec doctor")
        return {author: self._engines[author] for author in needed}

    def switch(self, options: RunOptions) -> None:
        """Load what the options ask for and is not loaded; on an error the models are those of before."""
        resolved = resolve_pair(self._registry, options)
        context = self._hardware.context or resolved.pair.context
        refuse_early(resolved, options, self._hardware)
        places = resolved.places(self._find(resolved, self._reporter))
        wanted = {author: (place, context if isinstance(place, Path) else None) for author, place in places.items()}
        if _models_of(options) == _models_of(self._options):  # the mode alone: it may change back
            wanted = {**self._parts, **wanted}
        before = self._resolved, dict(self._parts)
        try:
            self._have(resolved, wanted)
            thinks(options, {author: self._engines[author] for author in authors(options.mode)})
        except (ConfspecError, Interrupted):
            if before[0]:
                self._have(before[0], before[1])
            raise
        self._resolved, self._options = resolved, options
        for warning in self.warnings(build_config(resolved.pair, options)):
            if warning not in self._warned:
                self._warned.add(warning)
                self._reporter.note(f"warning: {warning}")

    def config(self, options: RunOptions) -> RunConfig:
        """The configuration of a run with these options. Raises UsageError for what cannot be."""
        pair = resolve_pair(self._registry, options).pair
        config = build_config(pair, options)
        check_gate(pair, config, options)
        return with_gate_of_choice(config, pair, options, self._engines)

    def warnings(self, config: RunConfig) -> Sequence[str]:
        """What is to be said of the gate of such a run."""
        return self._resolved.warnings(config) if self._resolved else ()

    def prompt(
        self, question: str, system: str | None, before: tuple[Message, ...], config: RunConfig | None = None
    ) -> Prompt:
        """What the models read. Raises ContextFull where it does not fit."""
        engines, config = self.engines, config or self.config(self._options)
        return prompt_of(question, system, engines, before, config, thinks(self._options, engines))

    def run(
        self,
        prompt: Prompt,
        config: RunConfig,
        steering: Steering | None = None,
        drafting: AdaptiveDrafting | None = None,
        earlier: Sequence[Step] | None = None,
    ) -> Iterator[Event]:
        """The events of a run, which goes on from `earlier` steps; what it shows of costs is kept."""
        run = ReasoningRun(prompt, self.engines, config, time.perf_counter, steering, drafting)
        if earlier is not None:
            run.go_on_from(earlier)
        yield from learning(run.events(), self.engines, config.choice is not None)

    def reading(self) -> tuple[int, int]:
        """The largest prefill in progress."""
        return reading(self._engines.values())

    def for_question(self, options: RunOptions, question: str, wants_answer: bool = False) -> RunOptions:
        """The options with the kind of work told from a question, where it was not said."""
        return for_question(options, resolve_pair(self._registry, options).pair, question, wants_answer)

    def as_before(self, options: RunOptions, turns: Sequence[Turn]) -> RunOptions:
        """The options a conversation was had with last."""
        return as_before(self._registry, options, turns)

    @contextmanager
    def stopping(self) -> Iterator[list[int]]:
        """While this holds, Ctrl-C and TERM stop the models instead of raising. Yields the signals that came."""
        try:
            with stopping(self.interrupt) as signals:
                yield signals
        finally:
            self.interrupt.clear()

    def names(self, kind: str) -> Sequence[str]:
        """What can be asked for by name: every `pair`, every `model`."""
        return list(self._registry.pairs) if kind == "pair" else [*self._registry.models, *self._registry.remotes]

    def close(self) -> None:
        """Free the models."""
        for one in self._engines.values():
            one.close()
        self._engines, self._parts = {}, {}

    def _have(self, resolved: ResolvedPair, wanted: Mapping[Author, _Part]) -> None:
        """Have exactly the wanted engines. What is loaded already is kept, in another role too; the rest goes first."""
        spare = [(part, self._engines[author]) for author, part in self._parts.items()]
        self._engines, self._parts = {}, {}
        for author, part in wanted.items():
            found = next((one for one in spare if one[0] == part), None)
            if found:
                spare.remove(found)
                self._parts[author], self._engines[author] = found
        for _, unwanted in spare:
            unwanted.close()
        missing = {author: part for author, part in wanted.items() if author not in self._engines}
        for context in sorted({context for _, context in missing.values()}, key=bool):  # what is on a server first
            places = {author: place for author, (place, wants) in missing.items() if wants == context}
            hardware = replace(self._hardware, context=context)
            self._engines |= self._load(resolved, places, hardware, self.interrupt, self._reporter)
            self._parts |= {author: missing[author] for author in places}
        acquaint(self._engines)


def _short(name: str) -> str:
    """A model's name as it fits into a line: without the folder of a file, and the path of an address."""
    if not is_address(name):
        return Path(name).stem
    model = at_address(name)
    return f"{model.model} on {model.host}" if model.model else model.host


def _models_of(options: RunOptions) -> tuple[str | None, ...]:
    return options.pair, options.draft, options.target
