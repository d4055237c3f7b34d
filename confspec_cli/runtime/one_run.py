"""One question, one reply: by models that are loaded for it here, or by those of a server that runs already."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from confspec_cli.core.engine import Interrupt, reading
from confspec_cli.core.events import Event
from confspec_cli.core.messages import Message
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.trace import Step
from confspec_cli.errors import UsageError
from confspec_cli.models.registry import Registry
from confspec_cli.runtime.answer_form import Wanted
from confspec_cli.runtime.build_prompt import prompt_of
from confspec_cli.runtime.configure import build_config, for_question, thinks
from confspec_cli.runtime.device_costs import learning
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.gate_choice import check_gate, with_gate_of_choice
from confspec_cli.runtime.load import engines
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.preflight import refuse_early
from confspec_cli.runtime.reporter import Reporter
from confspec_cli.runtime.resolve import resolve_pair
from confspec_cli.runtime.served import Served


@dataclass(frozen=True, slots=True)
class Asked:
    """A question after what was said before it, how it is to be answered, and what asks for a stop."""

    text: str
    system: str | None
    before: tuple[Message, ...]
    wanted: Wanted
    options: RunOptions
    hardware: HardwareOptions
    interrupt: Interrupt
    earlier: tuple[Step, ...] | None = None  # those to go on from, of a reply that was cut off


@dataclass(frozen=True, slots=True)
class OneRun:
    """The events of a reply, what is to be said beforehand, and how far a prefill in progress has come."""

    events: Iterator[Event]
    warnings: tuple[str, ...] = ()
    reading: Callable[[], tuple[int, int]] = lambda: (0, 0)


@contextmanager
def run_here(asked: Asked, registry: Registry, reporter: Reporter) -> Iterator[OneRun]:
    """A run of models that are loaded for it."""
    options, hardware = asked.options, asked.hardware
    resolved = resolve_pair(registry, options)
    options = for_question(options, resolved.pair, asked.text, asked.wanted.extract or asked.wanted.form is not None)
    config = build_config(resolved.pair, options, asked.wanted.form)
    refuse_early(resolved, options, hardware)
    paths = local_files(resolved, reporter)
    check_gate(resolved.pair, config, options)
    with engines(resolved, paths, hardware, asked.interrupt, reporter) as loaded:
        config = with_gate_of_choice(config, resolved.pair, options, loaded)
        prompt = prompt_of(asked.text, asked.system, loaded, asked.before, config, thinks(options, loaded))
        run = ReasoningRun(prompt, loaded, config, time.perf_counter)
        if asked.earlier is not None:
            run.go_on_from(asked.earlier)
        events = learning(run.events(), loaded, config.choice is not None)
        yield OneRun(events, resolved.warnings(config), lambda: reading(loaded.values()))


@contextmanager
def run_there(asked: Asked, url: str) -> Iterator[OneRun]:
    """A run of the models of a server; what is to be said beforehand, it says itself."""
    if asked.earlier is not None:
        raise UsageError("A server starts every reply from scratch, so it cannot resume one.", "confspec ask -c")
    with closing(Served(url, asked.options, asked.hardware, asked.interrupt)) as served:
        messages = served.messages(asked.text, asked.system, asked.before)
        yield OneRun(served.reason(asked.options, messages, asked.wanted))
