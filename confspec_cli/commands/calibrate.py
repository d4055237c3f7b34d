"""`confspec calibrate`: tune a pair's thresholds on problems with known answers."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from confspec_cli.commands import _problem_set as problem_set
from confspec_cli.commands._completion import pairs
from confspec_cli.commands._option_groups import grouped
from confspec_cli.commands._options import CalibrateFlags, HardwareFlags, PlotOptions, YesFlag
from confspec_cli.core.engine import Interrupt
from confspec_cli.core.gate import Gate, Signal
from confspec_cli.core.messages import Speculation
from confspec_cli.core.run_config import RunConfig
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import FinishReason
from confspec_cli.errors import Exit, Interrupted, UsageError
from confspec_cli.evaluate.calibration import Promise, choose, knowledge
from confspec_cli.evaluate.calibration_tables import JUDGED, METHOD, curve, reliability_sheet, signals_sheet, verdict_on
from confspec_cli.evaluate.labels import Chains, Labeller, chains_of
from confspec_cli.evaluate.plots import draw_calibration
from confspec_cli.evaluate.problems import AnswerKind, Problem, load_problems
from confspec_cli.evaluate.results import Conditions
from confspec_cli.evaluate.tables import Layout, shown
from confspec_cli.models.registry import fingerprints
from confspec_cli.models.yaml_editing import put as keep
from confspec_cli.render.batch_progress import Tally, counting
from confspec_cli.render.console import is_dumb, put
from confspec_cli.render.console_reporter import ConsoleReporter
from confspec_cli.render.wording import count as count_of
from confspec_cli.runtime.configure import build_config, setting_of
from confspec_cli.runtime.fetch import verified_files
from confspec_cli.runtime.folders import own_file
from confspec_cli.runtime.load import engines
from confspec_cli.runtime.options import HardwareOptions
from confspec_cli.runtime.preflight import refuse_early
from confspec_cli.runtime.resolve import ResolvedPair, resolve_pair, user_registry
from confspec_cli.runtime.signals import exit_code, stopping
from confspec_cli.runtime.system import system_snapshot
from confspec_cli.storage.jsonl_log import JsonlLog, parsed

_SETTINGS = ("question", "temperature", "max_tokens", "max_step_tokens", "min_step_chars", "task")


@grouped
def calibrate(
    pair: Annotated[
        str, typer.Argument(metavar="PAIR", help="Pair to tune.", autocompletion=pairs, show_default=False)
    ],
    problems: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help='JSONL with "question" and "answer" (or "tests"), all of one kind of work; problems without an '
            "answer are labelled by the target's own verdict.",
            show_default=False,
        ),
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File for the labelled steps. Running the command again resumes it."),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--problems", help="Use only this many problems, from the start.", min=2, show_default=False),
    ] = None,
    bound: Annotated[
        float,
        typer.Option(
            "--bound", help="Largest acceptable loss of accuracy against the target alone.", min=0.01, max=0.9
        ),
    ] = 0.1,
    confidence: Annotated[
        float, typer.Option("--confidence", help="Confidence with which that limit must hold.", min=0.5, max=0.999)
    ] = 0.9,
    signal: Annotated[
        Signal | None,
        typer.Option("--signal", help="Signal the gate reads. [default: the pair's own]", show_default=False),
    ] = None,
    task: Annotated[
        TaskName | None,
        typer.Option("--task", help="Kind of work. [default: inferred from the answers]", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do not change models.yaml.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print only the report, warnings and errors.")] = False,
    yes: YesFlag = False,
    allow_code: problem_set.AllowCodeFlag = False,
    plots: PlotOptions,
    options: CalibrateFlags,
    hardware: HardwareFlags,
) -> None:
    """Tune a pair's thresholds on problems with known answers.

    The target solves each problem alone; then each draft step is labelled by whether the target can still reach the
    right answer from it. The fastest gate whose loss stays below the limit is written to your models.yaml.
    """
    resolved = resolve_pair(user_registry(), replace(options, pair=pair))
    chosen = load_problems(problems, graded=False)[:count]
    task = task or _task(chosen, problems)
    problem_set.check(chosen, allow_code, quiet)
    config = build_config(resolved.pair, replace(options, speculate=Speculation.OFF, task=task, seed=0))
    place = output or Path(f"{Path(problems).stem}.{pair}.labels.jsonl")
    promise = Promise(bound, confidence)
    refuse_early(resolved, options, hardware)
    job = _Job(resolved, config, hardware, yes, quiet, None if dry_run else promise)
    chains = _labelled(job, chosen, Path(problems).stem, place)
    known = knowledge(chains)
    choice = choose(chains, signal or resolved.pair.gate_for(task).signal, promise)
    tables = [signals_sheet(known, chains), *map(reliability_sheet, known[:1]), curve(choice, promise)]
    unknown = sum(problem.kind is AnswerKind.NONE for problem in chosen)
    if unknown:
        put(sys.stdout, f"{unknown} of {len(chosen)} problems have no known answer: {JUDGED}.\n\n")
    put(sys.stdout, shown(tables, Layout.TEXT) + "\n" + verdict_on(choice, promise) + "\n")
    if plots.plots:
        for path in draw_calibration(known, choice, plots.plots, plots.suffix):
            put(sys.stderr, f"wrote {path}\n")
    if choice.gate is None:
        raise typer.Exit(Exit.FAILURE)
    if not dry_run:
        account = {
            "date": datetime.now(timezone.utc).date().isoformat(),
            "data": f"{Path(problems).stem}, {chosen[0].id} to {chosen[-1].id}" + (f"; {JUDGED}" if unknown else ""),
            "problems": len(chains.solved),
            "steps": len(chains.steps),
            "method": METHOD,
            "models": fingerprints(resolved.roles.values()),
            "bound": bound,
            "confidence": confidence,
            "setting": asdict(setting_of(config)),
        }
        file = own_file()
        own = ("pairs", resolved.pair.name)
        keep(file, ((*own, "gates", task.value), _plain(choice.gate)), ((*own, "calibrations", task.value), account))
        put(sys.stderr, f"Saved to {file}; confspec ask -p {resolved.pair.name} --task {task.value} uses it.\n")


@dataclass(frozen=True, slots=True)
class _Job:
    """The models and settings used for labelling; `promise`: what the labels must be able to show, if anything."""

    resolved: ResolvedPair
    config: RunConfig
    hardware: HardwareOptions
    yes: bool
    quiet: bool
    promise: Promise | None = None

    @property
    def fixed(self) -> dict[str, Any]:
        """Conditions that must be the same for labels to be added to a file."""
        parameters = self.config.parameters()
        models = dict(zip(("draft", "target"), fingerprints(self.resolved.roles.values()), strict=True))
        settings = {key: parameters[key] for key in _SETTINGS} | {"prompts": setting_of(self.config).prompts}
        return {"models": models, "settings": settings}


def _labelled(job: _Job, problems: Sequence[Problem], name: str, place: Path) -> Chains:
    """The labelled steps of the problems; problems that are not in the file yet are labelled and added."""
    log = JsonlLog(place)
    earlier, records = _read(log)
    if earlier and earlier.get("fixed") != job.fixed:
        raise UsageError(
            f"{place} holds labels for different models or settings; nothing was added.",
            "confspec calibrate PAIR FILE -o another-file",
        )
    for problem in problems:
        if records.get(problem.id, {}).get("problem_sha256", problem.sha256) != problem.sha256:
            raise UsageError(
                f"{place} holds labels for another problem with the id {problem.id}; nothing was added.",
                "confspec calibrate PAIR FILE -o another-file",
            )
    left = [problem for problem in problems if problem.id not in records]
    if left:
        if job.promise and len(problems) < job.promise.problems_needed:
            raise UsageError(
                f"{count_of(len(problems), 'problem')} cannot show that at most {job.promise.bound:.0%} are lost: that "
                f"takes {job.promise.problems_needed} or more.",
                "--dry-run   # labels them all the same, and changes nothing",
            )
        with closing(log):
            if not earlier:
                log.append(Conditions(name, job.fixed, system_snapshot()).to_dict())
            _label(job, left, log, records)
    skipped = [problem.id for problem in problems if records[problem.id].get("skipped")]
    if skipped:
        counted = f"{count_of(len(skipped), 'problem')} did not fit into a model's context"
        put(sys.stderr, f"warning: {counted}; left out (the first: {skipped[0]})\n")
    return chains_of([records[problem.id] for problem in problems])


def _label(job: _Job, problems: Sequence[Problem], log: JsonlLog, records: dict[str, Mapping[str, Any]]) -> None:
    interrupt = Interrupt()
    reporter = ConsoleReporter(sys.stderr, os.environ, job.yes)
    tally = Tally(len(records) + len(problems), earlier=len(records), done=len(records))
    with (
        engines(job.resolved, verified_files(job.resolved, reporter), job.hardware, interrupt, reporter) as loaded,
        stopping(interrupt) as signals,
        counting(sys.stderr, tally, job.quiet, sys.stderr.isatty() and not is_dumb(os.environ)) as watch,
    ):
        labeller = Labeller(loaded, job.config, time.perf_counter)
        for problem in problems:
            try:
                record = labeller.record(problem)
            except Interrupted:
                break
            if interrupt.is_set():
                break
            log.append(record)
            records[problem.id] = record
            watch.counted(failed=False)
    if interrupt.is_set():
        if not job.quiet:
            put(sys.stderr, "Run the same command again to resume.\n")
        raise typer.Exit(exit_code(FinishReason.INTERRUPTED, signals))


def _read(log: JsonlLog) -> tuple[dict[str, Any], dict[str, Mapping[str, Any]]]:
    """The conditions of a label file, and its records by problem. Raises UsageError if it is not one."""
    conditions: dict[str, Any] = {}
    records: dict[str, Mapping[str, Any]] = {}
    for number, line in enumerate(log.lines(), 1):
        try:
            record = parsed(line)
            if record["record"] == "conditions":
                conditions = record
            else:
                chains_of([record])
                records[record["problem"]] = record
        except (ValueError, TypeError, KeyError) as problem:
            raise UsageError(
                f"Line {number} of {log.path} is not a record of labelled steps.",
                "confspec calibrate PAIR FILE -o LABELS",
            ) from problem
    return conditions, records


def _task(problems: Sequence[Problem], name: str) -> TaskName:
    """The kind of work of the problems, which must be the same for all."""
    tasks = sorted({problem.task.value for problem in problems})
    if len(tasks) > 1:
        raise UsageError(
            f"{name} holds problems of {' and '.join(tasks)}; thresholds are tuned on one kind of work at a time.",
            "confspec calibrate PAIR FILE   # a file for each",
        )
    return TaskName(tasks[0])


def _plain(gate: Gate) -> dict[str, Any]:
    """A gate as it is written to models.yaml, without defaults."""
    usual = asdict(Gate())
    always = ("signal", "accept", "reject", "target")
    plain = {key: value for key, value in asdict(gate).items() if key in always or value != usual[key]}
    return {key: value.value if isinstance(value, Enum) else value for key, value in plain.items()}
