"""`confspec calibrate`: tune a pair's thresholds on problems with known answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from confspec_cli.commands import _problem_set as problem_set
from confspec_cli.commands._completion import pairs
from confspec_cli.commands._option_groups import grouped
from confspec_cli.commands._options import CalibrateFlags, HardwareFlags, YesFlag
from confspec_cli.commands._output import JsonFlag, QuietFlag, put_json
from confspec_cli.commands._plot_options import PlotOptions
from confspec_cli.core.engine import Engine, Interrupt
from confspec_cli.core.frontier import fastest
from confspec_cli.core.gate import Gate, Signal
from confspec_cli.core.messages import Speculation
from confspec_cli.core.run_config import RunConfig
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Author, FinishReason
from confspec_cli.errors import Exit, Interrupted, UsageError
from confspec_cli.evaluate.calibration import Promise, knowledge
from confspec_cli.evaluate.calibration_file import CalibrationFile
from confspec_cli.evaluate.calibration_tables import (
    JUDGED,
    METHOD,
    frontier_sheet,
    reliability_sheet,
    signals_sheet,
    stacking_sheet,
    tells,
    verdict_on,
)
from confspec_cli.evaluate.gate_trials import USUAL_SIGNALS, GateTrials, candidates, costs_of
from confspec_cli.evaluate.labels import Labeller
from confspec_cli.evaluate.plots import draw_calibration
from confspec_cli.evaluate.problems import AnswerKind, Problem, load_problems
from confspec_cli.evaluate.results import Conditions
from confspec_cli.evaluate.stacking import stacked
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
from confspec_cli.storage.jsonl_log import JsonlLog

_SETTINGS = ("question", "temperature", "max_tokens", "max_step_tokens", "min_step_chars", "task")


@grouped
def calibrate(
    pair: Annotated[
        str, typer.Argument(metavar="PAIR", help="Pair to tune.", autocompletion=pairs, show_default=False)
    ],
    problems: Annotated[
        str,
        typer.Argument(
            metavar="FILE|NAME",
            help='JSONL with "question" and "answer" (or "tests"), all of one kind of work, or a data set from the '
            "hub: gsm8k, math-500, humaneval, gpqa. Problems without an answer are graded by the target's own.",
            show_default=False,
        ),
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File for the records. Running the command again resumes it."),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--problems", help="Use only this many problems, from the start.", min=2, show_default=False),
    ] = None,
    bound: Annotated[
        float,
        typer.Option(
            "--bound", help="Largest acceptable share of the target's right answers that is lost.", min=0.01, max=0.9
        ),
    ] = 0.1,
    confidence: Annotated[
        float, typer.Option("--confidence", help="Confidence with which that limit must hold.", min=0.5, max=0.999)
    ] = 0.9,
    signal: Annotated[
        list[Signal] | None,
        typer.Option(
            "--signal",
            help="Signal the gates read; several with the option repeated. [default: all but combined]",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        TaskName | None,
        typer.Option("--task", help="Kind of work. [default: inferred from the answers]", show_default=False),
    ] = None,
    label: Annotated[
        int,
        typer.Option(
            "--label",
            help="Label the draft's steps of this many problems as well, to see what each signal knows: by whether the "
            "target still reaches the right answer from each step, which takes long.",
            min=0,
        ),
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do not change models.yaml.")] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    yes: YesFlag = False,
    allow_code: problem_set.AllowCodeFlag = False,
    plots: PlotOptions,
    options: CalibrateFlags,
    hardware: HardwareFlags,
) -> None:
    """Tune a pair's thresholds on problems with known answers.

    A few gates are tried on every problem. What each loses of the target's right answers, and what it takes, is saved
    to your models.yaml; from then on the fastest whose loss stays below the limit is used, or else the target alone.
    """
    resolved = resolve_pair(user_registry(), replace(options, pair=pair))
    chosen = load_problems(problems, graded=False)[:count]
    task = task or _task(chosen, problems)
    problem_set.check(chosen, allow_code, quiet)
    config = build_config(resolved.pair, replace(options, speculate=Speculation.OFF, task=task, seed=0))
    place = output or Path(f"{Path(problems).stem}.{pair}.calibration.jsonl")
    promise, wanted = Promise(bound, confidence), signal or list(USUAL_SIGNALS)
    refuse_early(resolved, options, hardware)
    label = len(chosen) if Signal.COMBINED in wanted else label  # whose weights are fitted on labelled steps
    job = _Job(resolved, config, hardware, yes, quiet, None if dry_run else promise, label)
    file = _completed(job, chosen, wanted, Path(problems).stem, place)
    chains, frontier, costs = file.chains(), file.frontier(wanted, confidence), costs_of(file.answers(wanted))
    known = knowledge(chains) if chains.steps else []
    tables = [signals_sheet(known, chains), *map(reliability_sheet, known[:1])] if known else []
    tables += [stacking_sheet(rows)] if known and (rows := stacked(chains)) else []
    tables += [frontier_sheet(frontier, promise, costs)] if frontier else []
    unknown = sum(problem.kind is AnswerKind.NONE for problem in chosen)
    kept = [one for one in frontier if one.bound <= bound]
    best = fastest(kept, costs) if costs else min(kept, key=lambda one: one.written, default=None)
    account = {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "data": f"{Path(problems).stem}, {chosen[0].id} to {chosen[-1].id}" + (f"; {JUDGED}" if unknown else ""),
        "problems": len(file.answers(wanted)),
        "method": METHOD,
        "models": fingerprints(resolved.roles.values()),
        "bound": bound,
        "confidence": confidence,
        "setting": asdict(setting_of(config)),
        "frontier": [{**asdict(one), "gate": _plain(one.gate)} for one in frontier],
    }
    verdict = verdict_on(frontier, best, promise, costs)
    if as_json:
        put_json({"schema_version": 1, "pair": pair, "task": task, **account, "verdict": verdict})
    else:
        heading = f"{unknown} of {len(chosen)} problems have no known answer: {JUDGED}.\n\n" if unknown else ""
        put(sys.stdout, f"{heading}{shown(tables, Layout.TEXT)}\n{verdict}\n")
    if plots.plots:
        for path in draw_calibration(known, frontier, costs, plots.plots, plots.suffix):
            put(sys.stderr, "" if quiet else f"wrote {path}\n")
    if not tells(frontier, promise):
        raise typer.Exit(Exit.FAILURE)
    if not dry_run:
        gate = best.gate if best else resolved.pair.gate_for(task)
        gate = replace(gate, worth_drafting=best is not None and (costs is None or costs.speedup(best.work) > 1))
        own = ("pairs", resolved.pair.name)
        keep(own_file(), ((*own, "gates", task.value), _plain(gate)), ((*own, "calibrations", task.value), account))
        said = f"Saved to {own_file()}; confspec ask -p {resolved.pair.name} --task {task.value} uses it.\n"
        put(sys.stderr, "" if quiet else said)


@dataclass(frozen=True, slots=True)
class _Job:
    """The models and settings of a calibration; `promise`: what it must be able to show, if anything."""

    resolved: ResolvedPair
    config: RunConfig
    hardware: HardwareOptions
    yes: bool
    quiet: bool
    promise: Promise | None = None
    label: int = 0

    @property
    def fixed(self) -> dict[str, Any]:
        """Conditions that must be the same for records to be added to a file."""
        parameters = self.config.parameters()
        models = dict(zip(("draft", "target"), fingerprints(self.resolved.roles.values()), strict=True))
        settings = {key: parameters[key] for key in _SETTINGS} | {"prompts": setting_of(self.config).prompts}
        return {"models": models, "settings": settings}


def _completed(
    job: _Job, problems: Sequence[Problem], wanted: Sequence[Signal], name: str, place: Path
) -> CalibrationFile:
    """The records of the problems; what is missing in the file is computed and added."""
    with closing(JsonlLog(place)) as log:
        file = CalibrationFile(log, Conditions(name, job.fixed, system_snapshot()).to_dict(), problems, job.label)
        if file.unlabelled() or file.unanswered(wanted):
            _check_count(job, len(problems), wanted)
            _complete(job, file, wanted, len(problems) + min(job.label, len(problems)))
    if skipped := file.skipped():
        counted = f"{count_of(len(skipped), 'problem')} did not fit into a model's context"
        put(sys.stderr, f"warning: {counted}; left out (the first: {skipped[0]})\n")
    return file


def _check_count(job: _Job, problems: int, wanted: Sequence[Signal]) -> None:
    """Raise UsageError for fewer problems than it takes to show anything, were the target to solve them all."""
    needed = job.promise.solved_needed(len(candidates(wanted))) if job.promise else 0
    if problems < needed:
        assert job.promise
        raise UsageError(
            f"{count_of(problems, 'problem')} cannot show that at most {job.promise.bound:.0%} are lost: that "
            f"takes {needed} or more.",
            "--dry-run   # tries them all the same, and changes nothing",
        )


def _complete(job: _Job, file: CalibrationFile, wanted: Sequence[Signal], total: int) -> None:
    interrupt = Interrupt()
    reporter = ConsoleReporter(sys.stderr, os.environ, job.yes)
    tally = Tally(total, earlier=file.done, done=file.done)
    with (
        engines(job.resolved, verified_files(job.resolved, reporter), job.hardware, interrupt, reporter) as loaded,
        stopping(interrupt) as signals,
        counting(sys.stderr, tally, job.quiet, sys.stderr.isatty() and not is_dumb(os.environ)) as watch,
        suppress(Interrupted),
    ):
        for record in _records(job, file, wanted, loaded):
            if interrupt.is_set():
                break
            file.add(record)
            watch.counted(failed=False)
    if interrupt.is_set():
        if not job.quiet:
            put(sys.stderr, "Run the same command again to resume.\n")
        raise typer.Exit(exit_code(FinishReason.INTERRUPTED, signals))


def _records(
    job: _Job, file: CalibrationFile, wanted: Sequence[Signal], loaded: Mapping[Author, Engine]
) -> Iterator[dict[str, Any]]:
    """The records that are missing: labelled steps first, as the gates to try may depend on them."""
    labeller = Labeller(loaded, job.config)
    for problem in file.unlabelled():
        yield labeller.record(problem)
    trials = GateTrials(loaded, job.config, file.gates(wanted))
    for problem in file.unanswered(wanted):
        yield trials.record(problem)


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
