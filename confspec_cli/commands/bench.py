"""`confspec bench`: compare the modes on problems with known answers."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from confspec_cli.commands import _problem_set as problem_set
from confspec_cli.commands._bench_project import project, read_file
from confspec_cli.commands._option_groups import grouped
from confspec_cli.commands._options import BenchFlags, HardwareFlags, JobsOption, YesFlag
from confspec_cli.commands._output import QuietFlag, ShortJsonFlag, with_json
from confspec_cli.commands._plot_options import PlotOptions
from confspec_cli.core.engine import Interrupt
from confspec_cli.core.events import GateChosen
from confspec_cli.core.trace import FinishReason
from confspec_cli.errors import Exit
from confspec_cli.evaluate.plan import (
    ConfigByMode,
    arms_of,
    begin,
    conditions,
    config_by_arm,
    warnings,
    widest,
    with_gates,
)
from confspec_cli.evaluate.plots import draw, draw_sweep
from confspec_cli.evaluate.problems import load_problems
from confspec_cli.evaluate.rejudging import Bounds, rejudged, swept
from confspec_cli.evaluate.results import Results, read_results
from confspec_cli.evaluate.runner import Bench
from confspec_cli.evaluate.summary import summarise
from confspec_cli.evaluate.tables import Layout, difference, shown, summary_text, turned
from confspec_cli.render.batch_progress import Tally, counting
from confspec_cli.render.console import is_dumb, put
from confspec_cli.render.console_reporter import ConsoleReporter
from confspec_cli.render.wording import choice as choice_line
from confspec_cli.runtime.crew import check_jobs, crew
from confspec_cli.runtime.fetch import verified_files
from confspec_cli.runtime.preflight import refuse_early
from confspec_cli.runtime.resolve import resolve_pair, user_registry
from confspec_cli.runtime.signals import exit_code, stopping
from confspec_cli.storage.jsonl_log import JsonlLog


class _Group(TyperGroup):
    """A command group in which `run` is implied."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert `run` when no command of the group is named."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    help="Benchmark every mode on problems with known answers (`bench FILE` is short for `bench run FILE`).",
)

_Results = Annotated[Path, typer.Argument(metavar="RESULTS", help="Results file of a benchmark.", show_default=False)]
_Format = Annotated[Layout, typer.Option("--format", help="Format of what goes to stdout.")]


@app.command()
@grouped
def run(
    problems: Annotated[
        str,
        typer.Argument(
            metavar="FILE|NAME",
            help='JSONL with "question" and "answer" (or "tests"), or a data set from the hub: gsm8k, math-500, '
            "humaneval, gpqa.",
            show_default=False,
        ),
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Results file. Running the command again resumes it."),
    ] = None,
    modes: Annotated[
        str,
        typer.Option(
            "--modes",
            help="Comma-separated modes; add +ngram, +draft or +auto for token speculation: confspec+auto is what ask "
            "does. The mode random accepts drafted steps by chance, as a control.",
        ),
    ] = "target,target+auto,draft,confspec+auto,specreason",
    count: Annotated[
        int | None,
        typer.Option("--problems", help="Use only this many problems, from the start.", min=1, show_default=False),
    ] = None,
    random_rate: Annotated[
        float | None,
        typer.Option(
            "--random-rate",
            help="Share of drafted steps that the mode random accepts.",
            min=0,
            max=1,
            show_default=False,
        ),
    ] = None,
    jobs: JobsOption = 1,
    layout: _Format = Layout.TEXT,
    as_json: ShortJsonFlag = False,
    quiet: QuietFlag = False,
    allow_code: problem_set.AllowCodeFlag = False,
    plots: PlotOptions,
    options: BenchFlags,
    yes: YesFlag = False,
    hardware: HardwareFlags,
) -> None:
    """Solve every problem in every mode, and compare accuracy and time.

    All modes run back to back on each problem, so a machine that slows down affects them equally. Where the pair has
    measured gates, the mode confspec uses the one that is fastest here; resumed results keep theirs.
    """
    layout, wanted = with_json(layout, as_json), arms_of(modes)
    resolved = resolve_pair(user_registry(), replace(options, mode=widest(wanted)))
    every = load_problems(problems)
    chosen = every[:count]
    problem_set.check(chosen, allow_code, quiet)
    config = config_by_arm(resolved, wanted, options, chosen, random_rate)
    place = output or Path(f"{Path(problems).stem}.{resolved.pair.name}.results.jsonl")
    log = JsonlLog(place)
    results = read_results(log.lines(), str(place))
    reporter = ConsoleReporter(sys.stderr, os.environ, yes)
    check_jobs(resolved, jobs)
    refuse_early(resolved, options, hardware)
    paths = verified_files(resolved, reporter)
    interrupt = Interrupt()
    with (
        closing(log),
        crew(resolved, paths, hardware, interrupt, reporter, jobs) as workers,
        stopping(interrupt) as signals,
    ):
        loaded = workers.sets[0]
        config = with_gates(resolved.pair, config, options, loaded, results)
        begin(log, results, conditions(problems, chosen, loaded, config, jobs), every)
        done = {(result.problem, result.mode) for result in results.runs if result.error is None}
        total = len(chosen) * len(wanted)
        known = sum((problem.id, mode) in done for problem in chosen for mode in config)
        tally = Tally(total, earlier=known, done=known, doing=workers.doing)
        bench = Bench(workers, config)
        for line in [] if quiet else _choices(config):
            put(sys.stderr, f"{line}\n")
        with counting(sys.stderr, tally, quiet, sys.stderr.isatty() and not is_dumb(os.environ)) as watch:
            for doubt in warnings(resolved, config):
                watch.warned(doubt)
            for result in bench.runs(chosen, done):
                log.append(result.to_dict())
                results.runs.append(result)
                tally.charge(result.stats.costs)
                watch.counted(failed=result.error is not None)
    if interrupt.is_set():
        if not quiet:
            put(sys.stderr, "Run the same command again to resume.\n")
        raise typer.Exit(exit_code(FinishReason.INTERRUPTED, signals))
    _show(results, layout, plots, quiet)
    raise typer.Exit(Exit.FAILURE if tally.failed else Exit.OK)


@app.command()
@grouped
def show(
    results: _Results,
    *,
    problems: Annotated[
        bool, typer.Option("--problems", help="Print which problems each mode won and lost instead.")
    ] = False,
    layout: _Format = Layout.TEXT,
    as_json: ShortJsonFlag = False,
    plots: PlotOptions,
) -> None:
    """Print the tables of an earlier benchmark, without loading a model."""
    layout, read = with_json(layout, as_json), read_file(results)
    if problems:
        put(sys.stdout, shown([turned(summarise(read))], layout))
    else:
        _show(read, layout, plots)


@app.command()
def diff(first: _Results, second: _Results, layout: _Format = Layout.TEXT, as_json: ShortJsonFlag = False) -> None:
    """Compare two benchmark files on the problems and modes they share."""
    layout = with_json(layout, as_json)
    put(sys.stdout, shown([difference(read_file(first), read_file(second))], layout))


@app.command()
def rejudge(
    results: _Results,
    accept: Annotated[float | None, typer.Option("--accept", help="Accept threshold to apply.", min=0, max=1)] = None,
    reject: Annotated[float | None, typer.Option("--reject", help="Reject threshold to apply.", min=0, max=1)] = None,
    target: Annotated[
        float | None, typer.Option("--target-accept", help="Threshold for the target's confidence.", min=0, max=1)
    ] = None,
    layout: _Format = Layout.TEXT,
    as_json: ShortJsonFlag = False,
) -> None:
    """Re-score recorded steps with other thresholds, without loading a model."""
    layout = with_json(layout, as_json)
    put(sys.stdout, shown([rejudged(read_file(results), Bounds(accept, reject, target))], layout))


app.command()(project)


def _choices(config: ConfigByMode) -> list[str]:
    """Which gates were chosen and why, each thing once."""
    chosen = [(task, one.choice) for by_task in config.values() for task, one in by_task.items() if one.choice]
    events = [(task, GateChosen(one.name, one.seconds, one.alone, one.reason, one.is_measured)) for task, one in chosen]
    return list(dict.fromkeys(f"{task.value}: {choice_line(event)}" for task, event in events))


def _show(results: Results, layout: Layout, plots: PlotOptions, quiet: bool = False) -> None:
    summary = summarise(results)
    put(sys.stdout, summary_text(summary, layout))
    if plots.plots:
        drawn = draw([summary], plots.plots, plots.suffix)
        for path in [*drawn, *draw_sweep(swept(results), plots.plots, plots.suffix)]:
            put(sys.stderr, "" if quiet else f"wrote {path}\n")
