"""A benchmark on scripted models: the same table however often it was interrupted, and figures that add up."""

import csv
import io
import itertools
import json
import random
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from support.frontiers import calibration
from support.scripted_runs import CONFIG, STEPS

from confspec_cli.app import main
from confspec_cli.core.engine import Interrupt
from confspec_cli.core.events import Event, GateChosen, RunFinished, StepJudged, StepWritten
from confspec_cli.core.gate import Decision
from confspec_cli.core.messages import Speculation
from confspec_cli.core.run_config import Mode
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Assessment, Author, FinishReason, Likelihood, WrittenStep
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.errors import EngineError, Exit, UsageError
from confspec_cli.evaluate import costs
from confspec_cli.evaluate.costs import Cost, WorkKind, measured, seconds_at, work_of
from confspec_cli.evaluate.plan import arms_of, config_by_arm, widest
from confspec_cli.evaluate.problems import read_problems
from confspec_cli.evaluate.projection import projection
from confspec_cli.evaluate.results import Conditions, Run, read_results, without_text
from confspec_cli.evaluate.runner import Bench
from confspec_cli.evaluate.summary import percentile, summarise
from confspec_cli.evaluate.tables import Layout, difference, summary_text, tables
from confspec_cli.models.registry import fingerprints, load
from confspec_cli.runtime.device_costs import keep_costs
from confspec_cli.runtime.options import RunOptions
from confspec_cli.runtime.resolve import resolve_pair
from confspec_cli.storage.jsonl_log import JsonlLog

LINES = "".join(json.dumps({"id": f"p{n}", "question": f"What is {n}?", "answer": "42"}) + "\n" for n in range(20))
PROBLEMS = read_problems(LINES, "some.jsonl")
MODES = {mode.value: {TaskName.MATH: replace(CONFIG, mode=mode)} for mode in Mode}

RATES = (("always", 1.0), ("never", 0.0), ("half", 0.5))


def engines(interrupt=None):
    """A draft that doubts its second step, and a target that says the same at greater length."""
    interrupt = interrupt or Interrupt()
    longer = (STEPS[0], "Long is the second, and long it stays.\n\n", STEPS[2])

    def labels(text):
        return {"Yes": 0.5, "No": 0.4} if "second" in text else {"Yes": 0.98, "No": 0.01}

    return {
        Author.DRAFT: ScriptedEngine(STEPS, labels, interrupt=interrupt),
        Author.TARGET: ScriptedEngine(longer, interrupt=interrupt),
    }


def bench(interrupt=None, models=None, until=None):
    """A benchmark whose clock ticks at every look, and interrupts it at the tick `until`."""
    interrupt, ticks = interrupt or Interrupt(), itertools.count()

    def clock():
        tick = next(ticks)
        if tick == until:
            interrupt.set()
        return float(tick)

    return Bench(models or engines(interrupt), MODES, interrupt, clock)


def results_of(runs):
    """The results, read back from the lines they are written as."""
    lines = [json.dumps(Conditions("some", {}, {}).to_dict()), *(json.dumps(run.to_dict()) for run in runs)]
    return read_results(lines, "results.jsonl")


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


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"schema_version": 1, "record": "run"}', '{"record": "run"}'])
def test_a_line_that_is_no_result_is_named(line):
    with pytest.raises(UsageError, match=r"Line 1 of some\.jsonl is not a benchmark result"):
        read_results([line], "some.jsonl")


def run(mode, seconds, correct=True, work=(), problem="p"):
    """A run made up of work: author, kind, tokens, seconds."""
    events: list[Event] = []
    for author, kind, tokens, took in work:
        if kind is WorkKind.DECODE:
            events.append(StepWritten(1, WrittenStep(author, "", tokens, False, None, took, 0.0)))
        else:
            assessment = Assessment(author, None, Likelihood(-1, -2, 1, 1), took, 0.0, tokens)
            events.append(StepJudged(1, assessment, Decision.ACCEPT, 0.9, 0.8))
    return Run(problem, mode, correct, "test", (*events, RunFinished(FinishReason.STOP, "", "", None, seconds)))


def test_costs_are_found_again_in_the_work_they_were_made_with():
    rng = random.Random(1)
    work = [(Author.DRAFT, WorkKind.DECODE, n, 0.03 * n) for n in (5, 50, 20)]
    work += [(Author.TARGET, WorkKind.JUDGE, n, 0.2 + 0.004 * n) for n in rng.sample(range(10, 200), 30)]
    one = run("confspec", 1.0, work=work)
    found = measured([one])
    assert found[Author.DRAFT, WorkKind.DECODE].per_token == pytest.approx(0.03)
    assert found[Author.TARGET, WorkKind.JUDGE].fixed == pytest.approx(0.2)
    assert found[Author.TARGET, WorkKind.JUDGE].per_token == pytest.approx(0.004)
    assert seconds_at(found, one) == pytest.approx(sum(piece.seconds or 0.0 for piece in work_of(one)))
    assert costs.from_dict(costs.to_dict(found), "it") == found


def test_a_projection_is_labelled_and_follows_the_costs():
    runs = [
        run("target", 10.0, work=[(Author.TARGET, WorkKind.DECODE, 100, 10.0)]),
        run("draft", 2.0, work=[(Author.DRAFT, WorkKind.DECODE, 100, 2.0)]),
    ]
    results = results_of(runs)
    dear = {(Author.TARGET, WorkKind.DECODE): Cost(0, 1.0), (Author.DRAFT, WorkKind.DECODE): Cost(0, 0.1)}
    told = json.loads(projection(summarise(results), results, dear, Layout.JSON))
    assert [row["projected s/problem"] for row in told["projection"]] == ["100.00", "10.00"]
    assert [row["projected speed-up"] for row in told["projection"]] == ["1.00", "10.00"]
    assert "projection, not a measurement" in projection(summarise(results), results, None, Layout.TEXT)
    with pytest.raises(UsageError, match=r"lack draft\.decode"):
        projection(summarise(results), results, {(Author.TARGET, WorkKind.DECODE): Cost(0, 1.0)}, Layout.TEXT)


def test_a_projection_tells_from_which_costs_on_steps_pay():
    work = [
        (Author.DRAFT, WorkKind.DECODE, 200, 20.0),
        (Author.TARGET, WorkKind.JUDGE, 200, 12.0),
        (Author.TARGET, WorkKind.DECODE, 50, 15.0),
    ]
    alone = run("target", 30.0, work=[(Author.TARGET, WorkKind.DECODE, 100, 30.0)])
    results = results_of([alone, run("confspec", 47.0, work=work)])
    told = projection(summarise(results), results, None, Layout.TEXT)
    assert "the cost ratio is 3.00, the reading price 0.200" in told
    rows = {
        row["steps"]: row for row in json.loads(projection(summarise(results), results, None, Layout.JSON))["crossing"]
    }
    assert list(rows) == ["confspec", "draft right 60%", "draft right 80%", "draft right 95%"]
    assert [rows["confspec"][name] for name in ("drafted", "read", "written", "alone")] == ["200", "200", "50", "100"]
    assert rows["confspec"]["speed-up"] == f"{100 / (50 + 200 / 3 + 200 * 0.2):.2f}"
    assert (rows["confspec"]["pay above ratio"], rows["confspec"]["pay below price"]) == ("20.00", "never")
    assert rows["draft right 80%"]["pay above ratio"] == f"{1 / (1 - 0.2 - 0.2):.2f}"
    slow = costs.from_dict(
        {
            "draft": {"decode": {"fixed": 0, "per_token": 0.01}},
            "target": {"decode": {"fixed": 0, "per_token": 1}, "judge": {"fixed": 0, "per_token": 0.01}},
        },
        "it",
    )
    assert "the cost ratio is 100.00, the reading price 0.010" in projection(
        summarise(results), results, slow, Layout.TEXT
    )


def test_without_steps_or_without_the_target_alone_a_projection_tells_no_crossing():
    alone = run("target", 30.0, work=[(Author.TARGET, WorkKind.DECODE, 100, 30.0)])
    draft = run("draft", 10.0, work=[(Author.DRAFT, WorkKind.DECODE, 100, 10.0)])
    for runs in ([alone], [alone, draft], [draft]):
        results = results_of(runs)
        assert json.loads(projection(summarise(results), results, None, Layout.JSON))["crossing"] == []


def test_a_summary_counts_only_problems_every_mode_was_tried_on():
    runs = [
        *(run("target", 10.0, problem=f"p{n}", correct=n != 0) for n in range(4)),
        *(run("draft", 4.0, problem=f"p{n}", correct=n < 2) for n in range(3)),
    ]
    summary = summarise(results_of(runs))
    target, draft = summary.rows
    assert summary.problems == 3
    assert (target.correct.part, target.correct.whole, draft.correct.part) == (2, 3, 2)
    assert draft.speedup.value == pytest.approx(2.5)
    assert target.speedup is None
    assert draft.median == 4.0


def test_what_failed_is_left_out_of_differences_and_projections():
    work = [(Author.TARGET, WorkKind.DECODE, 100, 10.0)]
    good = [run("target", 10.0, work=work, problem=f"p{n}") for n in range(3)]
    failed = replace(good[2], correct=None, events=(), error="It broke.")
    broken = results_of([*good[:2], failed])
    assert [row["problems"] for row in difference(results_of(good), broken).records()] == ["2"]
    assert not difference(results_of([failed]), results_of([failed])).rows
    (row,) = json.loads(projection(summarise(broken), broken, None, Layout.JSON))["projection"]
    assert (row["projected s/problem"], row["measured s/problem"]) == ("10.00", "10.00")
    assert "0 problems (1 more left out" in summary_text(summarise(results_of([failed])), Layout.TEXT)


def test_how_far_a_mode_is_from_its_limits_stands_in_every_layout_though_nothing_was_drafted():
    runs = [
        run("target", 10.0, work=[(Author.TARGET, WorkKind.DECODE, 100, 10.0)]),
        run("draft", 4.0, work=[(Author.DRAFT, WorkKind.DECODE, 100, 4.0)]),
        run("confspec", 10.0, work=[(Author.TARGET, WorkKind.DECODE, 100, 10.0)]),
    ]
    summary = summarise(results_of(runs))
    assert (summary.limits["confspec"].accepted, summary.limits["confspec"].reached) == (2.5, 0.4)
    assert "40 %" in summary_text(summary, Layout.TEXT)
    rows = {row["mode"]: row for row in csv.DictReader(io.StringIO(summary_text(summary, Layout.CSV)))}
    assert (rows["confspec"]["limits_accepted"], rows["target"]["limits_accepted"]) == ("2.5", "")


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


def test_an_unknown_mode_is_named(capsys, tmp_path):
    (tmp_path / "some.jsonl").write_text(LINES)
    assert main(["bench", str(tmp_path / "some.jsonl"), "--modes", "target,fast"]) == Exit.USAGE
    assert 'Unknown mode "fast"' in capsys.readouterr().err


def test_the_mode_random_needs_its_rate(capsys, tmp_path):
    (tmp_path / "some.jsonl").write_text(LINES)
    assert main(["bench", str(tmp_path / "some.jsonl"), "--modes", "target,random"]) == Exit.USAGE
    assert "--random-rate 0.7" in capsys.readouterr().err


def test_the_mode_random_is_run_beside_the_others_and_shown(scripted, capsys, tmp_path):
    command = [*RUN, "--modes", "target,draft,confspec,random", "--random-rate", "1"]
    assert main(command) == Exit.OK
    out = capsys.readouterr().out
    assert "controls that were not run: target+auto;" in out
    assert main(["bench", "show", "--problems", str(tmp_path / "results.jsonl")]) == Exit.OK
    assert "random" in capsys.readouterr().out
    (conditions,) = read_results(JsonlLog(tmp_path / "results.jsonl").lines(), "it").conditions
    assert conditions.fixed["settings"]["random"]["math"]["random_rate"] == 1


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
    runs = Bench(engines(), by_chance, Interrupt(), lambda: float(next(ticks))).runs(PROBLEMS, set())
    rows = {row.mode: row.stood for row in summarise(results_of(list(runs))).rows}
    assert rows["always"].part == rows["always"].whole > 0
    assert rows["never"].part == 0
    assert 0.3 < rows["half"].part / rows["half"].whole < 0.7


def test_who_guesses_ahead_is_told_by_mode(capsys, tmp_path):
    (tmp_path / "some.jsonl").write_text(LINES)
    assert main(["bench", str(tmp_path / "some.jsonl"), "--speculate", "ngram"]) == Exit.USAGE
    assert "--speculate" in capsys.readouterr().err


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


def test_results_are_shown_again_without_a_model(capsys, tmp_path):
    runs = list(bench().runs(PROBLEMS[:3], set()))
    lines = [Conditions("some", {}, {}).to_dict(), *(run.to_dict() for run in runs)]
    place = tmp_path / "results.jsonl"
    place.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["bench", "show", str(place)]) == Exit.OK
    assert "some: 3 problems" in capsys.readouterr().out
    assert main(["bench", "diff", str(place), str(place), "--format", "json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)[0][0]["same reply"] == "3"
    assert main(["bench", "project", str(place), "--format", "json"]) == Exit.OK
    printed = capsys.readouterr().out
    for form in (printed, json.dumps(json.loads(printed)["costs"])):
        (tmp_path / "costs.json").write_text(form)
        assert main(["bench", "project", str(place), "--costs", str(tmp_path / "costs.json")]) == Exit.OK
        assert "the costs given" in capsys.readouterr().out
    (tmp_path / "costs.json").write_text('{"draft": {"decode": {"fixed": -1, "per_token": 1}}}')
    assert main(["bench", "project", str(place), "--costs", str(tmp_path / "costs.json")]) == Exit.USAGE
    assert main(["bench", "rejudge", str(place)]) == Exit.USAGE
    assert "do not record which gate each run used" in capsys.readouterr().err
    assert main(["bench", "show", str(tmp_path / "none.jsonl")]) == Exit.USAGE


@pytest.fixture
def scripted(monkeypatch, tmp_path):
    """`confspec bench` on scripted models, in a folder with some.jsonl; what is put here stands in their place."""
    models = {}

    @contextmanager
    def loaded(resolved, paths, hardware, interrupt, reporter):
        yield models or engines(interrupt)

    monkeypatch.setattr("confspec_cli.commands.bench.engines", loaded)
    monkeypatch.setattr("confspec_cli.commands.bench.verified_files", lambda resolved, reporter: {})
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some.jsonl").write_text(LINES)
    return models


RUN = ["bench", "some.jsonl", "-p", "starter", "-o", "results.jsonl", "--problems", "3"]


def test_results_hold_what_they_were_had_with_and_are_gone_on_with(scripted, capsys, tmp_path):
    assert main([*RUN, "--temperature", "0.5"]) == Exit.OK
    place = tmp_path / "results.jsonl"
    (conditions,) = read_results(JsonlLog(place).lines(), "it").conditions
    assert {"date", "processor", "cores", "memory", "python", "confspec", "llama-cpp-python"} <= set(
        conditions.system_snapshot
    )
    assert set(conditions.fixed["models"]) == {"draft", "target"}
    assert conditions.fixed["settings"]["confspec"]["math"]["temperature"] == 0.5
    assert main([*RUN[:-1], "4", "--temperature", "0.5"]) == Exit.OK
    assert len(read_results(JsonlLog(place).lines(), "it").runs) == 20
    assert "4 problems, every mode on each" in capsys.readouterr().out
    assert main(RUN) == Exit.USAGE
    assert "holds results for different settings; nothing was added" in capsys.readouterr().err


def test_results_of_other_problems_with_the_same_ids_are_not_mixed_with_these(scripted, capsys, tmp_path):
    assert main(RUN) == Exit.OK
    (tmp_path / "some.jsonl").write_text(LINES.replace("What is 2?", "What was 2?"))
    assert main(RUN) == Exit.USAGE
    assert (
        "results.jsonl holds results for another problem with the id p2; nothing was added." in capsys.readouterr().err
    )


def test_what_failed_is_tried_again_when_the_benchmark_goes_on(scripted, capsys, tmp_path):
    class Breaking(ScriptedEngine):
        def generate(self, prompt, sampling, max_tokens):
            if "What is 1?" in prompt.messages[-1].content:
                raise EngineError("It broke.")
            return super().generate(prompt, sampling, max_tokens)

    scripted.update({author: Breaking(STEPS) for author in Author})
    assert main(RUN) == Exit.FAILURE
    scripted.clear()
    assert main(RUN) == Exit.OK
    assert len(read_results(JsonlLog(tmp_path / "results.jsonl").lines(), "it").runs) == 20
    assert "3 problems, every mode on each" in capsys.readouterr().out


def test_a_gate_that_was_not_measured_is_told_of_once(scripted, capsys):
    assert main([*RUN, "--task", "qa"]) == Exit.OK
    assert capsys.readouterr().err.count('has no tuned thresholds for task "qa"') == 1
    assert main(RUN[:-4]) == Exit.OK
    assert "was not measured" not in capsys.readouterr().err


@pytest.fixture
def measured_gates(tmp_path, monkeypatch):
    """Starter with measured gates for mathematics, and scripted models whose sizes make drafting next to free."""
    registry = load(None)
    pair = registry.pairs["starter"]
    how = calibration(fingerprints((registry.role(pair.draft), registry.role(pair.target))))
    (tmp_path / "config").mkdir()
    own = {"schema": 2, "pairs": {"starter": {"calibrations": {"math": how}}}}
    (tmp_path / "config" / "models.yaml").write_text(json.dumps(own))
    monkeypatch.setenv("CONFSPEC_CACHE", str(tmp_path / "cache"))
    sizes = {Author.DRAFT: 10, Author.TARGET: 1000}
    return {
        author: replace(engine, card=replace(engine.card, bytes=sizes[author])) for author, engine in engines().items()
    }


def gates_used(tmp_path):
    results = read_results(JsonlLog(tmp_path / "results.jsonl").lines(), "it")
    return [event.gate for one in results.runs for event in one.events if isinstance(event, GateChosen)]


def test_the_gate_that_is_fastest_here_is_benched_and_kept_when_the_benchmark_goes_on(
    scripted, measured_gates, capsys, tmp_path
):
    scripted.update(measured_gates)
    assert main([*RUN, "--modes", "target,confspec,confspec+auto"]) == Exit.OK
    assert capsys.readouterr().err.count("math: gate: careful, about ") == 1
    assert gates_used(tmp_path) == ["careful"] * 6
    cards = {author: engine.card for author, engine in measured_gates.items()}
    keep_costs(cards, {"drafting": (100, 900.0), "reading": (100, 100.0), "writing": (100, 100.0)})
    assert main([*RUN[:-1], "4", "--modes", "target,confspec,confspec+auto"]) == Exit.OK
    assert gates_used(tmp_path) == ["careful"] * 8
    assert main([*RUN, "-o", "other", "--modes", "target,confspec"]) == Exit.OK
    assert "math: gate: the target alone, " in capsys.readouterr().err


def test_a_gate_is_benched_by_its_name(scripted, measured_gates, capsys, tmp_path):
    scripted.update(measured_gates)
    assert main([*RUN, "--modes", "target,confspec", "--gate", "loose"]) == Exit.OK
    assert set(gates_used(tmp_path)) == {"loose"}
    assert main([*RUN, "--modes", "target,confspec", "--gate", "lose"]) == Exit.USAGE
    assert 'There is no gate "lose"' in capsys.readouterr().err
    assert main([*RUN, "--modes", "target,confspec", "--gate", "careful"]) == Exit.USAGE
    assert "holds results for different settings" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_plots_are_drawn_in_the_form_asked_for(scripted, capsys, tmp_path, suffix):
    pytest.importorskip("matplotlib", reason="needs the extra: pip install 'confspec-cli[bench]'")
    assert (
        main([*RUN, "--task", "qa", "--always-draft", "--plots", "plots", *(["--png"] if suffix == "png" else [])])
        == Exit.OK
    )
    drawn = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert drawn == [f"accuracy.{suffix}", f"phases.{suffix}", f"sweep.{suffix}"]
    start = {"png": b"\x89PNG", "svg": b"<?xml"}[suffix]
    assert all(path.read_bytes().startswith(start) for path in (tmp_path / "plots").iterdir())
