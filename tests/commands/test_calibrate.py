"""Calibration: steps are labelled by where they lead, a promise is kept, and nothing is promised on too little."""

import itertools
import json
import math
import random
from dataclasses import replace

import pytest
from support.scripted_runs import CONFIG

from confspec_cli.app import main
from confspec_cli.core.gate import Signal
from confspec_cli.core.messages import Message, Prompt
from confspec_cli.core.speed_model import AnswerWork
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Assessment, Author, Likelihood, Verdict
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.errors import Exit
from confspec_cli.evaluate.calibration import fitted, knowledge
from confspec_cli.evaluate.calibration_file import CalibrationFile
from confspec_cli.evaluate.gate_trials import USUAL_SIGNALS, candidates, digest
from confspec_cli.evaluate.labels import Chains, Labelled, Labeller, chains_of
from confspec_cli.evaluate.problems import load_problems, read_problems
from confspec_cli.models.registry import load
from confspec_cli.runtime.configure import build_config
from confspec_cli.runtime.gate_choice import frontiers
from confspec_cli.runtime.options import RunOptions
from confspec_cli.runtime.resolve import resolve_pair, user_registry
from confspec_cli.storage.jsonl_log import JsonlLog


def labelled(problem, n, right, p, lowest):
    """A step of ten tokens; both models make the same of it."""
    tokens = (-0.01,) * 5 + (math.log(lowest),) + (-0.01,) * 4
    draft, target = (
        Assessment(author, Verdict(p, 1.0), Likelihood(sum(tokens) / 10, min(tokens), 10, 9), 0.1, 0.0, 10)
        for author in (Author.DRAFT, Author.TARGET)
    )
    return Labelled(problem, n, draft, target, right, 10, tokens, tokens)


def chains(rng, problems, lowest_of=lambda rng, right: rng.betavariate(5, 2) if right else rng.betavariate(2, 5)):
    """Problems of three steps, nine in ten right; the lowest likelihood tells a little, the verdict nothing."""
    steps = []
    for n, k in itertools.product(range(problems), range(3)):
        right = rng.random() < 0.9
        steps.append(labelled(f"p{n}", k + 1, right, rng.random(), max(lowest_of(rng, right), 1e-6)))
    return Chains({f"p{n}": True for n in range(problems)}, steps)


def test_the_signal_that_knows_most_comes_first_and_one_that_knows_nothing_is_at_a_half():
    known = knowledge(chains(random.Random(4), 300))
    areas = {(one.by, one.signal): one.area for one in known}
    assert known[0].signal in ("lowest likelihood", "mean likelihood", "combined")
    assert areas[Author.DRAFT, "verdict"] == pytest.approx(0.5, abs=0.06)
    assert areas[Author.DRAFT, "combined"] > 0.8


def test_weights_are_fitted_on_what_tells():
    weights = fitted(chains(random.Random(6), 400))
    assert weights.draft.lowest > 0.3
    assert abs(weights.draft.verdict) < 0.3


FIRST, SECOND, LAST = "This is the first step of it.\n\n", "And this is the second one.\n\n", "So it is \\boxed{42}."
SLIP = "And this one goes quite wrong.\n\n"


class Finisher(ScriptedEngine):
    """A target that gets there, unless a step went wrong on the way."""

    def generate(self, prompt, sampling, max_tokens):
        self.segments = (FIRST, SECOND, "So it is \\boxed{41}." if SLIP in prompt.reply else LAST)
        return super().generate(prompt, sampling, max_tokens)


def test_a_step_is_right_when_the_target_still_gets_there_and_the_rest_is_met_behind_right_ones():
    models = {Author.DRAFT: ScriptedEngine((FIRST, SLIP, LAST)), Author.TARGET: Finisher(())}
    labeller = Labeller(models, CONFIG)
    solved, failed = read_problems(
        '{"id": "a", "question": "?", "answer": "42"}\n{"id": "b", "question": "?", "answer": "7"}', "some"
    )
    record = json.loads(json.dumps(labeller.record(solved)))
    assert [step["right"] for step in record["steps"]] == [True, False, True]
    again = chains_of([record, labeller.record(failed)])
    assert again.solved == {"a": True, "b": False}
    assert [step.is_right for step in again.steps] == [True, False, True]
    assert all(step.draft.verdict and step.target.likelihood for step in again.steps)
    assert [len(step.drafted) for step in again.steps] == [7, 6, 5]


def test_a_problem_that_does_not_fit_into_the_context_is_skipped_and_tells_nothing():
    models = {Author.DRAFT: ScriptedEngine((FIRST, SLIP, LAST)), Author.TARGET: Finisher(())}
    room = replace(models[Author.TARGET].card, context=120)
    models[Author.TARGET].card = room
    labeller = Labeller(models, CONFIG)
    short, long = ({"id": name, "question": "? " * words, "answer": "42"} for name, words in (("a", 1), ("b", 200)))
    problems = read_problems(f"{json.dumps(short)}\n{json.dumps(long)}", "some")
    records = [labeller.record(problem) for problem in problems]
    assert [record.get("skipped", False) for record in records] == [False, True]
    assert chains_of(records).solved == {"a": True}


def long_chain(count):
    return (*(f"This is step number {n} of a long chain.\n\n" for n in range(count)), LAST)


def record_of(steps, config=CONFIG):
    models = {author: ScriptedEngine(steps) for author in Author}
    (problem,) = read_problems('{"id": "a", "question": "?", "answer": "42"}', "some")
    return Labeller(models, config).record(problem)


def test_every_step_of_a_long_chain_is_labelled():
    record = record_of(long_chain(30))
    assert [step["right"] for step in record["steps"]] == [True] * 31


def test_a_problem_has_one_budget_of_tokens_from_its_first_step_to_the_answer():
    whole = sum(len(step.split()) for step in long_chain(30))
    assert len(record_of(long_chain(30), replace(CONFIG, max_tokens=whole))["steps"]) == 31
    short = record_of(long_chain(30), replace(CONFIG, max_tokens=whole - 2))
    assert (short["solved"], short["steps"]) == (False, [])

    class Rambling(ScriptedEngine):
        def generate(self, prompt, sampling, max_tokens):
            self.segments = ("word " * 40 + "goes on.\n\n", *long_chain(2))
            return super().generate(prompt, sampling, max_tokens)

    models = {Author.DRAFT: Rambling(()), Author.TARGET: ScriptedEngine(long_chain(2))}
    (problem,) = read_problems('{"id": "a", "question": "?", "answer": "42"}', "some")
    rambled = Labeller(models, replace(CONFIG, max_tokens=50)).record(problem)
    assert [step["right"] for step in rambled["steps"]][:1] == [False]  # nothing is left for the answer
    assert sum(step["tokens"] for step in rambled["steps"]) <= 50 + 42


def test_a_thought_that_the_chain_has_closed_is_known_as_closed():
    steps = ("So I think about it a bit.\n\n", "That is enough of it.\n</think>\n", "And so it goes on.\n\n", LAST)
    card = replace(ScriptedEngine(()).card, thinks=True)
    models = {author: ScriptedEngine(steps, card=card) for author in Author}
    prompt = Prompt((Message("user", "?"),), steps[:2], think=True)
    labeller = Labeller(models, replace(CONFIG, think_budget=4))
    assert labeller._finish(prompt, 100) == "".join(steps[2:])
    (problem,) = read_problems('{"id": "a", "question": "?", "answer": "42"}', "some")
    boxed = ("I first think of \\boxed{42}.\n\n", "That was it.\n</think>\n", "It is \\boxed{41}.")
    models = {author: ScriptedEngine(boxed, card=card) for author in Author}
    assert not Labeller(models, CONFIG).record(problem)["solved"]


def test_where_no_answer_is_known_a_step_is_right_when_the_target_says_so():
    def labels(text):
        return {"Yes": 0.1, "No": 0.8} if text == SLIP else {"Yes": 0.8, "No": 0.1}

    target = ScriptedEngine((FIRST, SECOND, LAST), labels)
    models = {Author.DRAFT: ScriptedEngine((FIRST, SLIP, LAST)), Author.TARGET: target}
    (problem,) = read_problems('{"id": "a", "question": "?"}', "some", graded=False)
    record = Labeller(models, CONFIG).record(problem)
    assert record["solved"]
    assert [step["right"] for step in record["steps"]] == [True, False, True]
    assert target.calls.count("generate") == 4  # its own three steps, and one in place of the slip


PROBLEMS = 60


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A configuration folder, a file of problems, and its labels in full for the pair starter."""
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"id": f"p{n}", "question": "?", "answer": "1"}) for n in range(PROBLEMS)]
    (tmp_path / "some.jsonl").write_text("\n".join(lines))
    return tmp_path


def answers(problem, lost=(), known=None):
    """The record of a problem that the target solves, as do all gates but for those that lose it."""
    gates = candidates(USUAL_SIGNALS)
    outcome = {"right": True, "drafted": 20, "wasted": 4, "read": 20, "written": 4}
    tried = {name: {**outcome, "right": name not in lost} for name in gates}
    return {
        "record": "answers", "problem": problem, **(known or {}), "tried": digest(gates),
        "alone": {**outcome, "drafted": 0, "wasted": 0, "read": 0, "written": 24}, "gates": tried,
        "costs": {"drafting": (10, 1.0), "reading": (10, 1.0), "writing": (10, 9.0)},
    }  # fmt: skip


def labels(own, problems=PROBLEMS, settings=None, known=None, lost=()):
    """A file of labels and answers as a run of calibrate writes it; some gates may lose the first ten problems."""
    from confspec_cli.commands.calibrate import _Job
    from confspec_cli.runtime.configure import build_config
    from confspec_cli.runtime.options import HardwareOptions

    resolved = resolve_pair(user_registry(), RunOptions("starter"))
    config = build_config(resolved.pair, RunOptions(task=TaskName.MATH))
    fixed = _Job(resolved, config, HardwareOptions(), False, True).fixed
    fixed["settings"] |= settings or {}
    step = {
        "n": 1, "right": True, "tokens": 4,
        "drafted": [-0.01] * 4, "read": [-0.01] * 4,
        "judged": [judged("draft"), judged("target")],
    }  # fmt: skip
    records = [
        {"record": "problem", "problem": f"p{n}", **(known or {}), "solved": True, "steps": [step]}
        for n in range(problems)
    ]
    records += [answers(f"p{n}", lost if n < 10 else (), known) for n in range(problems)]
    header = {"schema_version": 1, "record": "conditions", "name": "some", "fixed": fixed, "circumstances": {}}
    (own / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in (header, *records)))


def judged(by):
    assessment = {
        "by": by, "verdict": {"p": 0.9, "certainty": 0.9}, "seconds": 0.1,
        "likelihood": {"mean": -0.01, "lowest": -0.01, "tokens": 4, "agreed": 4},
    }  # fmt: skip
    return {
        "event": "StepJudged",
        "n": 1,
        "reading": assessment,
        "decision": "escalate",
        "signal": None,
        "threshold": None,
    }


RUN = ["calibrate", "starter", "some.jsonl", "-o", "records.jsonl"]


def test_the_gate_found_goes_into_the_users_models_yaml_and_is_gone_by_until_the_models_change(own, capsys):
    labels(own)
    assert main(RUN) == Exit.OK
    said = capsys.readouterr()
    assert "AUROC" in said.out and "loses at most 10% of the target's right answers" in said.out
    pair = load(own / "config" / "models.yaml").pair("starter")
    assert pair.gates.math.signal is Signal.LIKELIHOOD and pair.gates.math.worth_drafting
    assert (pair.calibrations.math.problems, pair.calibrations.math.bound) == (PROBLEMS, 0.1)
    resolved = resolve_pair(user_registry(), RunOptions("starter"))
    assert resolved.pair.gate_for(TaskName.MATH) == pair.gates.math
    here = build_config(resolved.pair, RunOptions("starter"))
    assert resolved.warnings(here) == ()
    file = own / "config" / "models.yaml"
    file.write_text(file.read_text().replace(pair.calibrations.math.models[0], "f" * 64))
    (said,) = resolve_pair(user_registry(), RunOptions("starter")).warnings(here)
    assert said == (
        'starter\'s thresholds for task "math" were tuned on other versions of its models; '
        "to tune them: confspec calibrate starter FILE"
    )
    assert resolve_pair(user_registry(), RunOptions("starter")).pair.gate_for(TaskName.MATH) == pair.gate


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"temperature": 0.7}, "temperature"), ({"max_step_tokens": 64}, "maximum step length")],
)
def test_a_gate_is_not_gone_by_in_a_setting_that_it_was_not_measured_in(own, changed, said):
    labels(own)
    assert main(RUN) == Exit.OK
    resolved = resolve_pair(user_registry(), RunOptions("starter", task=TaskName.MATH))
    here = build_config(resolved.pair, RunOptions(task=TaskName.MATH))
    assert here.gate == resolved.pair.gates.math and resolved.warnings(here) == ()
    elsewhere = build_config(resolved.pair, RunOptions(task=TaskName.MATH, **changed))
    assert elsewhere.gate == resolved.pair.gate and elsewhere.asks
    (warning,) = resolved.warnings(elsewhere)
    assert warning == (
        f'starter\'s thresholds for task "math" were tuned with another {said}; to tune them: '
        "confspec calibrate starter FILE"
    )


def test_every_gate_goes_into_models_yaml_with_what_it_loses_and_takes_and_the_fastest_that_keeps_the_promise(
    own, capsys
):
    safe = "read-0.1-kept"
    labels(own, lost=candidates(USUAL_SIGNALS).keys() - {safe})
    assert main(RUN) == Exit.OK
    assert f"Gate {safe} loses at most 10%" in (said := capsys.readouterr().out)
    assert "1 of 8 gates keep that promise" in said
    pair = load(own / "config" / "models.yaml").pair("starter")
    frontier = {one.name: one for one in pair.calibrations.math.frontier}
    assert {name: one.gate for name, one in frontier.items()} == candidates(USUAL_SIGNALS)
    assert pair.gates.math == frontier[safe].gate
    lost = frontier["read-0.3-kept"]
    assert (lost.solved, lost.lost, frontier[safe].lost) == (PROBLEMS, round(10 / 60, 4), 0)
    assert frontier[safe].bound < 0.1 < lost.lost < lost.bound
    assert lost.work == AnswerWork(drafted=20, wasted=4, read=20, written=4, alone=24)


def test_where_all_gates_lose_too_much_that_is_kept_and_the_target_writes_alone(own, capsys):
    labels(own, lost=candidates(USUAL_SIGNALS))
    assert main([*RUN, "--dry-run"]) == Exit.OK
    assert not (own / "config").exists()
    assert main(RUN) == Exit.OK
    assert "No gate is sure to lose at most 10% of the target's right answers" in capsys.readouterr().out
    pair = load(own / "config" / "models.yaml").pair("starter")
    assert not pair.gates.math.worth_drafting
    (frontier,) = [one for task, one in frontiers(pair).items() if task is TaskName.MATH]
    assert frontier.gates and not frontier.keeping


def test_answers_under_other_gates_are_not_taken_for_these(own, tmp_path):
    labels(own)
    log = JsonlLog(own / "records.jsonl")
    (problem, *_) = load_problems(str(own / "some.jsonl"))
    fixed = json.loads(next(iter(log.lines())))
    file = CalibrationFile(log, fixed, [problem])
    assert file.unanswered(USUAL_SIGNALS) == [] and file.unanswered([Signal.VERDICT]) == [problem]


def test_a_dry_run_leaves_everything_as_it_is(own, capsys):
    labels(own)
    assert main([*RUN, "--dry-run"]) == Exit.OK
    assert not (own / "config").exists()


def test_too_few_problems_are_told_and_nothing_is_kept(own, capsys):
    labels(own)
    assert main([*RUN, "--problems", "20"]) == Exit.FAILURE
    assert "takes at least 42, of which none is lost. Nothing was changed." in capsys.readouterr().out
    assert not (own / "config").exists()


def test_too_few_problems_are_refused_before_any_is_labelled(own, capsys):
    assert main([*RUN, "--problems", "20"]) == Exit.USAGE
    said = capsys.readouterr().err
    assert "20 problems cannot show that at most 10% are lost: that takes 42 or more." in said
    assert not (own / "records.jsonl").exists()


def test_how_many_problems_were_skipped_is_told(own, capsys):
    labels(own)
    skipped = {"record": "problem", "problem": "p3", "solved": False, "skipped": True, "steps": []}
    with (own / "records.jsonl").open("a") as file:
        file.write(json.dumps(skipped) + "\n")
    assert main([*RUN, "--dry-run"]) == Exit.OK
    assert "1 problem did not fit into a model's context; left out (the first: p3)" in capsys.readouterr().err


def test_labels_of_other_settings_are_not_mixed_with_these(own, capsys):
    labels(own, settings={"max_tokens": 7})
    assert main(RUN) == Exit.USAGE
    assert "nothing was added" in capsys.readouterr().err


def test_labels_of_other_problems_with_the_same_ids_are_not_taken_for_these(own, capsys):
    labels(own, known={"problem_sha256": "f" * 64})
    assert main(RUN) == Exit.USAGE
    assert (
        "records.jsonl holds records of another problem with the id p0; nothing was added." in capsys.readouterr().err
    )


def test_labels_by_the_target_s_own_word_are_said_to_be_that(own, capsys):
    text = "\n".join(json.dumps({"id": f"p{n}", "question": "?"}) for n in range(PROBLEMS))
    (own / "some.jsonl").write_text(text)
    labels(own)
    assert main(RUN) == Exit.OK
    assert "60 of 60 problems have no known answer: there steps are right where the target says so" in (
        capsys.readouterr().out
    )
    assert "where the target says so" in load(own / "config" / "models.yaml").pair("starter").calibrations.math.data
    assert main(["bench", "some.jsonl"]) == Exit.USAGE
    assert "Line 1 of some.jsonl has neither an answer nor tests" in capsys.readouterr().err
    assert main([*RUN, "--task", "qa"]) == Exit.USAGE
    assert "records.jsonl holds records of different models or settings" in capsys.readouterr().err


def test_problems_of_two_kinds_are_refused(own, capsys):
    with (own / "some.jsonl").open("a") as file:
        file.write('\n{"question": "def f():", "tests": "def check(f): pass", "entry_point": "f"}')
    assert main(RUN) == Exit.USAGE
    assert "holds problems of code and math" in capsys.readouterr().err


def test_a_line_that_is_no_label_is_named(own, capsys):
    (own / "records.jsonl").write_text("{}\n")
    assert main(RUN) == Exit.USAGE
    assert "Line 1 of records.jsonl" in capsys.readouterr().err


def test_a_pair_that_was_never_measured_says_so(own):
    (said,) = resolve_pair(user_registry(), RunOptions("qwen3-8b")).warnings(CONFIG)
    assert (
        said == 'qwen3-8b has no tuned thresholds for task "math"; using cautious defaults. '
        "To tune them: confspec calibrate qwen3-8b FILE"
    )
