"""`confspec batch`: run every prompt in a file."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from confspec_cli.commands._option_groups import grouped
from confspec_cli.commands._options import HardwareFlags, JobsOption, RunFlags, YesFlag
from confspec_cli.commands._output import QuietFlag
from confspec_cli.commands._stdin import piped_text
from confspec_cli.core.engine import Engine, Interrupt
from confspec_cli.core.policy import AdaptiveDrafting, adaptive_drafting
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import RunConfig
from confspec_cli.core.trace import Author, FinishReason
from confspec_cli.errors import EngineError, Exit, ServerError, UsageError
from confspec_cli.files import read_text
from confspec_cli.models.registry import Model
from confspec_cli.render.batch_progress import BatchProgress, Tally, counting
from confspec_cli.render.console import is_dumb, put
from confspec_cli.render.console_reporter import ConsoleReporter
from confspec_cli.render.document import RunRecord
from confspec_cli.render.wording import count
from confspec_cli.runtime.build_prompt import prompt_of
from confspec_cli.runtime.configure import build_config, for_questions, thinks
from confspec_cli.runtime.crew import Crew, check_jobs, crew
from confspec_cli.runtime.device_costs import learning
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.gate_choice import check_gate, with_gate_of_choice
from confspec_cli.runtime.preflight import refuse_early
from confspec_cli.runtime.resolve import ResolvedPair, resolve_pair, user_registry
from confspec_cli.runtime.signals import exit_code, stopping
from confspec_cli.storage.batch_input import Item, read_items, remaining
from confspec_cli.storage.jsonl_log import JsonlLog

_File = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help='One prompt per line, or JSONL with "prompt" (or "question") and optional "id" and "system". '
        "- reads stdin.",
    ),
]


@grouped
def batch(
    file: _File,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Output file. Running the command again resumes it."),
    ] = None,
    system: Annotated[
        str | None, typer.Option("-s", "--system", help="System prompt to use instead of confspec's own.")
    ] = None,
    jobs: JobsOption = 1,
    quiet: QuietFlag = False,
    *,
    options: RunFlags,
    yes: YesFlag = False,
    hardware: HardwareFlags,
) -> None:
    """Run every prompt in a file; writes one JSON record per line, in order.

    Each record is what `ask --json` prints, plus "id", "prompt" and "error" (null unless it failed). All prompts
    count as one kind of work, that of most of them unless --task says otherwise.
    """
    name = "stdin" if file == "-" else file
    items = read_items(_text_of(file, name), name)
    log = JsonlLog(output) if output else None
    records = log.lines() if log else []
    left, failed = remaining(items, records, str(output))
    tally = Tally(len(items), earlier=len(records), done=len(records), failed=failed)
    resolved = resolve_pair(user_registry(), options)
    options = for_questions(options, resolved.pair, [item.prompt for item in items])
    config = build_config(resolved.pair, options)
    check_gate(resolved.pair, config, options)
    if not left:
        if changed := _changed(_settings_of(records) or {}, resolved, config):
            put(sys.stderr, f"warning: the records in {output} were made with another {', '.join(changed)}\n")
        if not quiet:
            put(sys.stderr, f"Already complete: {count(len(items), 'record')} in {output}\n")
        raise typer.Exit(Exit.FAILURE if failed else Exit.OK)
    reporter = ConsoleReporter(sys.stderr, os.environ, yes)
    check_jobs(resolved, jobs)
    refuse_early(resolved, options, hardware)
    paths = local_files(resolved, reporter)
    interrupt = Interrupt()
    if log:
        log.open()
    with (
        closing(log) if log else nullcontext(),
        crew(resolved, paths, hardware, interrupt, reporter, jobs) as workers,
        stopping(interrupt) as signals,
        counting(sys.stderr, tally, quiet, _has_room_for_a_bar(log)) as watch,
    ):
        for doubt in resolved.warnings(config):
            watch.warned(doubt)
        tally.doing = workers.doing
        config = with_gate_of_choice(config, resolved.pair, options, workers.sets[0])
        job = Job(workers, config, system, thinks(options, workers.sets[0]))
        try:
            job.work(left, _charging(tally, _written(log)), watch, _settings_of(records))
        except ServerError:
            if log and not quiet:
                put(sys.stderr, "Run the same command again to resume.\n")
            raise
    if interrupt.is_set():
        if log and not quiet:
            put(sys.stderr, "Run the same command again to resume.\n")
        raise typer.Exit(exit_code(FinishReason.INTERRUPTED, signals))
    raise typer.Exit(Exit.FAILURE if tally.failed else Exit.OK)


@dataclass(frozen=True, slots=True)
class Job:
    """Runs the items of a batch."""

    crew: Crew
    config: RunConfig
    system: str | None
    think: bool | None = None

    def work(
        self,
        items: Iterable[Item],
        write: Callable[[dict[str, Any]], None],
        watch: BatchProgress,
        earlier: Mapping[str, Any] | None = None,
    ) -> None:
        """Run the items and write their records in order, each as soon as it may; an interrupted item is not written.

        `earlier` are the settings of records written before, to be warned of where they were others.
        """
        drafting = {id(models): adaptive_drafting(self.config) for models in self.crew.sets}
        for record in self.crew.in_order(items, lambda models, item: self.record(models, item, drafting[id(models)])):
            if record["finish_reason"] == FinishReason.INTERRUPTED:
                continue
            if earlier and (settings := _settings(record)):
                changed = [key for key in settings if settings[key] != earlier.get(key)]
                if changed:
                    watch.warned(f"earlier records in this file used a different {', '.join(changed)}")
                earlier = None
            write(record)
            watch.counted(failed=record["error"] is not None)

    def record(self, models: Mapping[Author, Engine], item: Item, drafting: AdaptiveDrafting) -> dict[str, Any]:
        """Run one item and return its record, even if it failed. `drafting` remembers what earlier items showed.

        Raises ServerError where a server is away.
        """
        run = RunRecord()
        error = None
        system = self.system if item.system is None else item.system
        try:
            prompt = prompt_of(item.prompt, system, models, (), self.config, self.think)
            events = ReasoningRun(prompt, models, self.config, time.perf_counter, drafting=drafting).events()
            for event in learning(events, models, self.config.choice is not None and not self.crew.is_shared):
                run.add(event)
        except (EngineError, UsageError) as problem:
            if isinstance(problem, ServerError) and problem.is_away:
                raise  # it would be so with every other item
            error = str(problem)
        return {"id": item.id, "error": error, **run.to_dict(), "prompt": item.prompt}


def _text_of(file: str, name: str) -> str:
    if file == "-" and sys.stdin.isatty():
        raise UsageError("- reads standard input, but nothing is piped in.", "confspec batch - < FILE")
    return piped_text(name, "confspec batch -") if file == "-" else read_text(Path(file))


def _has_room_for_a_bar(log: JsonlLog | None) -> bool:
    """Whether stderr can redraw a bar, with no records printed in between."""
    return sys.stderr.isatty() and not is_dumb(os.environ) and not (log is None and sys.stdout.isatty())


def _written(log: JsonlLog | None) -> Callable[[dict[str, Any]], None]:
    if log:
        return log.append
    return lambda record: put(sys.stdout, json.dumps(record) + "\n")


def _charging(tally: Tally, write: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def written(record: dict[str, Any]) -> None:
        write(record)
        tally.charge((record["stats"]["cost"] or {}).get("total", {}))

    return written


def _settings_of(records: list[str]) -> dict[str, Any] | None:
    """The settings of the last record that has any."""
    return next((settings for line in reversed(records) if (settings := _settings(json.loads(line)))), None)


def _changed(earlier: Mapping[str, Any], resolved: ResolvedPair, config: RunConfig) -> list[str]:
    """The settings that records would be made with now and were not, as far as no model need be loaded to know."""
    names = {f"{author.value} model": role.name for author, role in resolved.roles.items() if isinstance(role, Model)}
    now = {"mode": config.mode.value, **names, **config.parameters()}
    chosen = asdict(config.gate) if "gate" in earlier else ()  # by what tokens cost, which only loaded models tell
    return [name for name, value in now.items() if name in earlier and name not in chosen and earlier[name] != value]


def _settings(record: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a record, without the seed; empty for an item that failed before it started."""
    models, parameters = record.get("models"), record.get("parameters")
    if not models or not parameters:
        return {}
    names = {f"{author} model": card["name"] for author, card in models.items()}
    return {"mode": record["mode"], **names, **{key: value for key, value in parameters.items() if key != "seed"}}
