"""Every mode on every problem, on scripted models: the same table however often it was interrupted."""

import itertools
import json
from contextlib import closing
from dataclasses import replace

import pytest
from support.scripted_bench import PROBLEMS, bench, engines, results_of
from support.scripted_runs import CONFIG, STEPS

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.events import StepWritten
from confspec_cli.core.messages import Speculation
from confspec_cli.core.run_config import Mode
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.errors import EngineError, UsageError
from confspec_cli.evaluate.costs import Cost, WorkKind, seconds_at, work_of
from confspec_cli.evaluate.plan import arms_of, config_by_arm, widest
from confspec_cli.evaluate.projection import projection
from confspec_cli.evaluate.results import Conditions, read_results, without_text
from confspec_cli.evaluate.runner import Bench
from confspec_cli.evaluate.summary import percentile, summarise
from confspec_cli.evaluate.tables import Layout, difference, summary_text, tables
from confspec_cli.models.registry import load
from confspec_cli.runtime.crew import Crew
from confspec_cli.runtime.options import RunOptions
from confspec_cli.runtime.resolve import resolve_pair
from confspec_cli.storage.jsonl_log import JsonlLog

RATES = (("always", 1.0), ("never", 0.0), ("half", 0.5))


def test_every_problem_is_solved_in_every_mode_each_taking_its_turn_at_going_first():
    runs = list(bench().runs(PROBLEMS[:4], set()))
    assert [run.problem for run in runs[::4]] == ["p0", "p1", "p2", "p3"]
    assert [run.mode for run in runs[::4]] == [mode.value for mode in (*Mode,)]
    assert all(run.correct for run in runs)
    assert {run.reply_sha256 for run in runs if run.mode == "draft"} != {
        run.reply_sha256 for run in runs if run.mode == "target"
    }


def test_every_run_begins_with_an_empty_cache():
    runs = list(bench().runs(PROBLEMS[:3], set()))
    for run in runs:
        first = next(event.written_step for event in run.events if isinstance(event, StepWritten))
        assert first.prefill_tokens > 3  # the whole prompt


def test_a_bench_interrupted_five_times_gives_the_table_of_one_that_was_not(tmp_path):
    whole = list(bench().runs(PROBLEMS, set()))
    place, counts = tmp_path / "results.jsonl", []
    for until in (0, 1, 50, 123, 200, None):  # in the middle of a run
        log = JsonlLog(place)
        kept = read_results(log.lines(), place.name)
        counts.append(len(kept.runs))
        with closing(log):
            log.append(Conditions("some", {}, {}).to_dict())
            for run in bench(until=until).runs(PROBLEMS, {(run.problem, run.mode) for run in kept.runs}):
                log.append(run.to_dict())
        with place.open("a") as file:
            file.write('{"schema_version": 1, "reco')  # as a killed one leaves it
    assert counts[:3] == [0, 0, 0] and 0 < counts[3] < counts[4] < counts[5] < 70
    resumed = read_results(JsonlLog(place).lines(), place.name)
    for layout in Layout:
        assert summary_text(summarise(resumed), layout) == summary_text(summarise(results_of(whole)), layout)


def test_an_interrupted_run_is_none():
    stopping = Interrupt()

    class Stopping(ScriptedEngine):
        def generate(self, prompt, sampling, max_tokens):
            if "What is 1?" in prompt.messages[-1].content:
                stopping.set()
            return super().generate(prompt, sampling, max_tokens)

    models = {author: Stopping(STEPS, interrupt=stopping) for author in Author}
    assert {run.problem for run in bench(stopping, models).runs(PROBLEMS, set())} == {"p0"}


def test_a_run_that_fails_is_on_record_and_the_rest_goes_on():
    class Breaking(ScriptedEngine):
        def generate(self, prompt, sampling, max_tokens):
            if "What is 1?" in prompt.messages[-1].content:
                raise EngineError("It broke.")
            return super().generate(prompt, sampling, max_tokens)

    models = {author: Breaking(STEPS) for author in Author}
    runs = list(bench(models=models).runs(PROBLEMS[:3], set()))
    assert [run.error for run in runs[4:8]] == ["It broke."] * 4
    assert all(run.error is None for run in (*runs[:4], *runs[8:]))
    assert "2 problems (1 more left out" in summary_text(summarise(results_of(runs)), Layout.TEXT)


def test_without_its_texts_a_record_gives_the_same_figures():
    runs = list(bench().runs(PROBLEMS[:3], set()))
    bare = [without_text(run.to_dict()) for run in runs]
    assert not any(word in json.dumps(bare) for word in ("the first", "the second", "boxed", '"42"'))
    lines = [json.dumps(Conditions("some", {}, {}).to_dict()), *map(json.dumps, bare)]
    again = read_results(lines, "results.jsonl")
    assert summary_text(summarise(again), Layout.JSON) == summary_text(summarise(results_of(runs)), Layout.JSON)


def test_what_the_target_writes_without_a_draft_of_it_is_undrafted_in_every_mode():
    rows = {row.mode: row for row in summarise(results_of(list(bench().runs(PROBLEMS[:3], set())))).rows}
    alone, drafted = rows["target"], rows["draft"]
    assert alone.undrafted.part == alone.undrafted.whole > 0
    assert alone.stood.whole == alone.regenerated.part == drafted.undrafted.part == 0
    assert drafted.stood.part == drafted.stood.whole > 0


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        '{"schema_version": 1, "record": "run"}',
        '{"record": "run"}',
        '{"schema_version": 1, "record": "conditions", "name": "", "fixed": {"settings": {"task": "math"}}}',
    ],
)
def test_a_line_that_is_no_result_is_named(line):
    with pytest.raises(UsageError, match=r"Line 1 of some\.jsonl is not a benchmark result"):
        read_results([line], "some.jsonl")


def test_percentiles_lie_between_the_values():
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2.0
    assert percentile([1.0, 3.0], 0.95) == pytest.approx(2.9)
    assert percentile([7.0], 0.95) == 7.0


def test_the_difference_of_two_results_counts_replies_that_changed():
    before = results_of(list(bench().runs(PROBLEMS[:3], set())))
    after = results_of(list(bench().runs(PROBLEMS[:2], set())))
    rows = {row["mode"]: row for row in difference(before, after).records()}
    assert all(row["problems"] == row["same reply"] == "2" for row in rows.values())
    assert all(row["turned"] == "0" for row in rows.values())


def test_the_mode_random_draws_in_place_of_the_gate_and_its_rate_is_kept():
    resolved, arms = resolve_pair(load(None), RunOptions(pair="starter")), arms_of("confspec,random,random+auto")
    config = config_by_arm(resolved, arms, RunOptions(task=TaskName.MATH), PROBLEMS, random_rate=0.6)
    assert {name: by_task[TaskName.MATH].random_rate for name, by_task in config.items()} == {
        "confspec": None,
        "random": 0.6,
        "random+auto": 0.6,
    }
    assert config["random"][TaskName.MATH].parameters()["random_rate"] == 0.6
    assert "random_rate" not in config["confspec"][TaskName.MATH].parameters(), "older results could not be resumed"
    assert widest(arms_of("random")) is Mode.CONFSPEC


def test_the_share_of_drafted_steps_that_stood_is_that_of_the_random_gate():
    ticks = itertools.count()
    by_chance = {name: {TaskName.MATH: replace(CONFIG, mode=Mode.CONFSPEC, random_rate=rate)} for name, rate in RATES}
    runs = Bench(Crew([engines()], {}, Interrupt()), by_chance, lambda: float(next(ticks))).runs(PROBLEMS, set())
    rows = {row.mode: row.stood for row in summarise(results_of(list(runs))).rows}
    assert rows["always"].part == rows["always"].whole > 0
    assert rows["never"].part == 0
    assert 0.3 < rows["half"].part / rows["half"].whole < 0.7


def test_arms_are_modes_and_who_guesses_in_them():
    arms = arms_of("target, target+ngram,confspec+auto,target")
    assert [(arm.name, arm.mode, arm.speculation) for arm in arms] == [
        ("target", Mode.TARGET, Speculation.OFF),
        ("target+ngram", Mode.TARGET, Speculation.NGRAM),
        ("confspec+auto", Mode.CONFSPEC, Speculation.AUTO),
    ]
    assert [widest(arms_of(text)) for text in ("target,target+ngram", "target+draft", "target,draft")] == [
        Mode.TARGET,
        Mode.CONFSPEC,
        Mode.CONFSPEC,
    ]


def test_what_checking_guesses_costs_is_what_decoding_leaves_and_other_replies_are_counted():
    runs = list(bench().runs(PROBLEMS[:3], set()))
    before = summarise(results_of(runs)).costs
    plain = [run for run in runs if run.mode == "target"]
    sizes = itertools.cycle([4, 8, 31, 16])
    guessing = [
        replace(
            run,
            mode="target+ngram",
            reply_sha256=run.reply_sha256 if n else "another",
            events=tuple(speculated(event, before, next(sizes)) for event in run.events),
        )
        for n, run in enumerate(plain)
    ]
    results = results_of([*runs, *guessing])
    summary = summarise(results)
    assert {key: cost for key, cost in summary.costs.items() if key[1] is not WorkKind.CHECK} == before
    check = summary.costs[Author.TARGET, WorkKind.CHECK]
    assert (check.fixed, check.per_token) == pytest.approx((0.5, 0.1))
    row = next(row for row in summary.rows if row.mode == "target+ngram")
    assert row.other_texts == (PROBLEMS[0].id,)
    assert row.held.whole == sum(one.tokens - one.batches for run in guessing for one in checks(run))
    assert (
        row.held.part
        == row.speculated.part
        == 2 * sum(isinstance(event, StepWritten) for run in plain for event in run.events)
    )
    assert f"1/3: {PROBLEMS[0].id}" in summary_text(summary, Layout.TEXT)
    seconds = sum(seconds_at(summary.costs, run) for run in guessing)
    unchecked = {**summary.costs, (Author.TARGET, WorkKind.CHECK): Cost(0.0, 0.0)}
    checking = sum(0.5 + 0.1 * one.tokens for run in guessing for one in checks(run))
    assert seconds - sum(seconds_at(unchecked, run) for run in guessing) == pytest.approx(checking)
    assert "target+ngram" in projection(summary, results, None, Layout.TEXT)


def checks(run):
    """The checking of guesses in a run."""
    return [work for work in work_of(run) if work.kind is WorkKind.CHECK]


def speculated(event, costs, size):
    """The event, had two tokens of its step been guessed, in one batch of that size that took 0.5 + 0.1 a token."""
    if not isinstance(event, StepWritten):
        return event
    one = event.written_step
    alone = one.tokens + one.ended - 3 - bool(one.prefill_tokens)
    prefill = one.prefill_seconds if one.prefill_tokens else 0.0
    seconds = prefill + costs[Author.TARGET, WorkKind.DECODE].of(alone) + 0.5 + 0.1 * size
    guesses = {"speculation_accepted": 2, "speculation_batches": 1, "speculation_batch_tokens": size}
    return replace(event, written_step=replace(one, seconds=seconds, **guesses))


def test_steps_and_guesses_together_are_held_against_the_product_of_both():
    runs = list(bench().runs(PROBLEMS[:3], set()))
    every = [run for run in runs if run.mode in ("target", "confspec")]
    guessing = [replace(run, mode=f"{run.mode}+auto") for run in every]
    products = [sheet for sheet in tables(summarise(results_of([*runs, *guessing]))) if "product" in sheet.header]
    rows = [sheet.records() for sheet in products]
    assert len(rows) == len(rows[0]) == 1
    row = rows[0][0]
    assert (row["guesses by"], row["neither"]) == ("auto", "1")
    assert row["guesses alone"].startswith("1.00")
    assert row["steps alone"] == row["both"]
    assert row["both / product"] == "1.00"
    assert not [sheet for sheet in tables(summarise(results_of(runs))) if "product" in sheet.header]
