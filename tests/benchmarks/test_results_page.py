"""docs/results.md is what its records say, and the records can be judged again."""

import json
from pathlib import Path

import pytest

from benchmarks.results_page import frontier_in, page, results_in
from confspec_cli.evaluate.costs import measured, seconds_at, work_of
from confspec_cli.evaluate.labels import chains_of
from confspec_cli.evaluate.rejudging import Bounds, rejudged
from confspec_cli.evaluate.results import read_results
from confspec_cli.evaluate.summary import guesses, summarise
from confspec_cli.models.registry import load
from confspec_cli.storage.jsonl_log import JsonlLog

FOLDER = Path(__file__).parents[2] / "docs" / "results"
SAVED = results_in(FOLDER)


def test_the_page_is_as_it_was_written_from_the_records():
    assert (FOLDER.parent / "results.md").read_text(encoding="utf-8") == page(FOLDER)


def test_judged_again_at_its_own_bounds_a_real_run_decides_as_it_did():
    rows = [row for path in SAVED for row in rejudged(read_results(JsonlLog(path).lines(), path.name), Bounds()).rows]
    assert rows
    assert all(row[1] == row[2] for row in rows)


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_the_cost_model_says_what_every_mode_took_within_a_tenth(path):
    for row in summarise(read_results(JsonlLog(path).lines(), path.name)).rows:
        assert guesses(row.mode) or 0.9 < row.predicted < 1.1, row.mode


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
@pytest.mark.parametrize("part", [0, 1])
def test_costs_measured_on_every_other_problem_say_how_modes_compare_on_the_rest_within_a_tenth(path, part):
    problems = list(read_results(JsonlLog(path).lines(), path.name).finished().values())
    if len(problems) < 20:
        pytest.skip("half of these problems are too few to measure costs on")
    modes = [mode for mode in problems[0] if not guesses(mode)]
    known = measured(runs[mode] for runs in problems[part::2] for mode in modes)
    rest = problems[1 - part :: 2]
    runs = {mode: [one[mode] for one in rest] for mode in modes}
    assert {(work.author, work.kind) for every in runs.values() for run in every for work in work_of(run)} <= set(known)
    predicted = {mode: sum(seconds_at(known, run) for run in every) for mode, every in runs.items()}
    took = {mode: sum(run.seconds for run in every) for mode, every in runs.items()}
    # The machine may have been busier in one half than in the other, for all modes alike.
    load = sum(took.values()) / sum(predicted.values())
    for mode in modes:
        assert 0.9 < predicted[mode] * load / took[mode] < 1.1, mode


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.labels.jsonl")), ids=lambda path: path.stem)
def test_no_problem_that_a_shipped_gate_was_calibrated_on_is_in_the_results(path):
    conditions, *records = map(json.loads, JsonlLog(path).lines())
    pair, task = load(None).pair(path.name.partition("-")[0]), conditions["fixed"]["settings"]["task"]
    gate, how = getattr(pair.gates, task), getattr(pair.calibrations, task)
    chains = chains_of(records)
    assert gate
    if not how.frontier:  # those with a frontier were measured anew, on whole replies
        assert (how.problems, how.steps) == (len(chains.solved), len(chains.steps))
    assert list(how.models) == list(conditions["fixed"]["models"].values())
    reported = {run.problem for saved in SAVED for run in read_results(JsonlLog(saved).lines(), saved.name).runs}
    assert not reported & set(chains.solved)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.calibration.jsonl")), ids=lambda path: path.stem)
def test_a_shipped_frontier_is_what_its_records_say_and_of_problems_that_are_not_in_the_results(path):
    conditions, *answers = map(json.loads, JsonlLog(path).lines())
    how = getattr(load(None).pair(path.name.partition("-")[0]).calibrations, conditions["fixed"]["settings"]["task"])
    assert how.frontier == frontier_in(path, how.confidence)
    assert how.problems == len(answers) == len({answer["problem"] for answer in answers})
    assert list(how.models) == list(conditions["fixed"]["models"].values())
    reported = {run.problem for saved in SAVED for run in read_results(JsonlLog(saved).lines(), saved.name).runs}
    assert not reported & {answer["problem"] for answer in answers}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.jsonl")), ids=lambda path: path.stem)
def test_no_record_holds_the_text_of_a_problem_or_a_reply(path):
    text = path.read_text(encoding="utf-8")
    assert '"text": "' not in text.replace('"text": ""', "")
    assert "def " not in text
