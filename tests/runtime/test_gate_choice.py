"""The gate of choice: the fastest on this machine among those that keep the promise, or the one that was named."""

import json
from dataclasses import replace

import pytest
from support.clocked_engine import Clock, ClockedEngine, reply
from support.small_runs import PROMPT

from confspec_cli.core.events import GateChosen, StepCommitted, from_dict, to_dict
from confspec_cli.core.frontier import ALONE, ChoiceReason, MeasuredGate
from confspec_cli.core.gate import Gate, Signal
from confspec_cli.core.policy import adaptive_drafting
from confspec_cli.core.real import Real
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Author, Origin
from confspec_cli.engines.scripted import CARD
from confspec_cli.errors import UsageError
from confspec_cli.models.calibrations import Calibration, Calibrations
from confspec_cli.models.registry import Pair, fingerprints, load
from confspec_cli.render import wording
from confspec_cli.render.document import RunRecord
from confspec_cli.runtime.configure import build_config, setting_of
from confspec_cli.runtime.device_costs import costs_here, keep_costs, learning
from confspec_cli.runtime.gate_choice import check_gate, frontiers, with_gate_of_choice
from confspec_cli.runtime.options import RunOptions

READ = Gate(Signal.LIKELIHOOD, accept=1.0, target=0.1)
TRUST = Gate(Signal.LIKELIHOOD, accept=0.2, target=0.1)


def measured(name, gate, bound, drafted, read, written):
    return MeasuredGate(name, gate, 90, 0.0, bound, *map(Real, (drafted, 0, read, written, 100)))


FRONTIER = (
    measured("read", READ, 0.02, 100, 100, 20),
    measured("trust", TRUST, 0.02, 200, 5, 5),
    measured("loose", replace(TRUST, accept=0.0), 0.6, 100, 0, 0),
)
PLAIN = Pair("p", "d", "t", gate=Gate(Signal.LIKELIHOOD, accept=0.9, target=0.3))


def pair_with(frontier=FRONTIER):
    setting = setting_of(build_config(PLAIN, RunOptions()))
    how = Calibration("2026-11-26", "some", 100, "m", ("a", "b"), 0.03, 0.95, setting=setting, frontier=frontier)
    return replace(PLAIN, calibrations=Calibrations(math=how))


def engines(ratio, price, draft_bytes=100, layers=0):
    clock = Clock()
    cards = {
        Author.DRAFT: replace(CARD, file="d", bytes=draft_bytes, gpu_layers=layers),
        Author.TARGET: replace(CARD, file="t", bytes=1000, gpu_layers=layers),
    }
    draft = ClockedEngine(reply(5), card=cards[Author.DRAFT]).costs(clock, 1 / ratio, price / ratio)
    target = ClockedEngine(reply(5), card=cards[Author.TARGET]).costs(clock, 1.0, price)
    return {Author.DRAFT: draft, Author.TARGET: target}, clock


def cards(models):
    return {author: engine.card for author, engine in models.items()}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CONFSPEC_CACHE", str(tmp_path))
    return tmp_path


def choice(models, options=RunOptions(), pair=None):  # noqa: B008 - frozen
    pair = pair or pair_with()
    config = build_config(pair, options)
    check_gate(pair, config, options)
    return with_gate_of_choice(config, pair, options, models)


def run_once(ratio, price, gate=READ):
    """One run on a machine of these costs, from which costs are learned."""
    models, clock = engines(ratio, price)
    config = replace(choice(models), gate=gate, max_tokens=1000)
    return list(learning(ReasoningRun(PROMPT, models, config, clock).events(), models, is_wanted=True)), models


def test_a_server_that_does_not_say_how_large_its_model_is_counts_as_slower_than_a_small_draft_here():
    draft = replace(CARD, file="d", bytes=100_000_000)
    far = replace(CARD, file="", bytes=0, server="vllm http://big:8000", identity="large")
    costs, is_measured = costs_here({Author.DRAFT: draft, Author.TARGET: far})
    assert not is_measured
    assert costs.drafting < costs.writing / 3
    assert costs.reading < costs.writing / 10
    keep_costs({Author.DRAFT: draft, Author.TARGET: far}, dict.fromkeys(("drafting", "reading", "writing"), (100, 1.0)))
    assert costs_here({Author.DRAFT: draft, Author.TARGET: far})[1]
    elsewhere = replace(far, server="vllm http://other:8000")
    assert not costs_here({Author.DRAFT: draft, Author.TARGET: elsewhere})[1]


def test_a_run_without_drafting_in_a_busier_hour_does_not_make_the_target_look_dear():
    models = cards(engines(1, 1)[0])
    alone = {"drafting": (0.0, 0.0), "reading": (0.0, 0.0), "writing": (500.0, 2500.0)}
    keep_costs(models, {**alone, "writing": (100.0, 100.0)})
    keep_costs(models, alone)  # nothing to compare with yet: it is taken
    assert costs_here(models)[0].writing == pytest.approx(2600 / 600)
    keep_costs(models, {"drafting": (100, 50.0), "reading": (100, 20.0), "writing": (100, 100.0)})
    before, is_measured = costs_here(models)
    assert is_measured and before.writing == 1.0  # of the hour in which the others were measured
    keep_costs(models, alone)
    assert costs_here(models) == (before, True)
    keep_costs(models, {"drafting": (100, 150.0), "reading": (100, 60.0), "writing": (100, 1000.0)})
    assert costs_here(models)[0].writing > before.writing


def test_before_the_first_run_costs_are_estimated_from_the_sizes_of_the_files():
    costs, is_measured = costs_here(cards(engines(1, 1)[0]))
    assert not is_measured
    assert costs.writing / costs.drafting == pytest.approx(10)
    on_gpu, _ = costs_here(cards(engines(1, 1, layers=30)[0]))
    assert on_gpu.reading / on_gpu.writing < costs.reading / costs.writing


def test_costs_are_learned_from_runs_and_choose_the_gate():
    _, models = run_once(ratio=4.0, price=0.02)
    half = costs_here(cards(models))
    assert half[0].writing / half[0].drafting == pytest.approx(10, rel=0.5) and not half[1]
    config = replace(choice(models), gate=replace(READ, target=1.0), max_tokens=1000)
    clock = models[Author.TARGET].clock
    assert list(learning(ReasoningRun(PROMPT, models, config, clock).events(), models, is_wanted=True))
    costs, is_measured = costs_here(cards(models))
    assert is_measured
    assert (costs.writing, costs.drafting) == (pytest.approx(1.0, rel=0.1), pytest.approx(0.25, rel=0.1))
    assert costs.reading == pytest.approx(0.02, rel=0.3)
    chosen = choice(models)
    assert (chosen.choice.name, chosen.gate) == ("read", READ)
    assert chosen.choice.is_measured and chosen.choice.reason is ChoiceReason.FASTEST
    assert chosen.choice.speedup == pytest.approx(100 / (20 + 25 + 2), rel=0.1)


def test_other_machines_choose_otherwise(cache):
    assert choice(engines(1, 1, draft_bytes=50)[0]).choice.name == "trust"  # a draft that is next to free
    dear = choice(engines(1, 1, draft_bytes=900)[0])
    assert (dear.choice.name, dear.choice.gate, dear.gate.worth_drafting) == (ALONE, None, False)
    assert adaptive_drafting(dear).drafts is False
    assert dear.gate == replace(
        READ, worth_drafting=False
    )  # and it is a gate that keeps the promise that is tried later


def test_where_no_gate_keeps_the_promise_the_target_writes_alone_to_the_end_and_it_is_said_why():
    unsafe = pair_with(tuple(replace(one, bound=0.2) for one in FRONTIER))
    models, clock = engines(10, 0.01, draft_bytes=10)
    config = choice(models, pair=unsafe)
    assert (config.choice.name, config.choice.reason) == (ALONE, ChoiceReason.NONE_KEEPS)
    line = wording.choice(GateChosen(ALONE, 3, 3, ChoiceReason.NONE_KEEPS, False))
    assert line.endswith("no measured gate keeps the promised accuracy")
    for author in Author:
        models[author].segments = reply(150)
    events = list(ReasoningRun(PROMPT, models, replace(config, max_tokens=5000), clock).events())
    committed = [event for event in events if isinstance(event, StepCommitted)]
    assert len(committed) > 100 and {event.step.origin for event in committed} == {Origin.TARGET}


def test_whoever_wants_every_step_drafted_gets_the_fastest_gate_that_keeps_the_promise():
    models, _ = engines(1, 1, draft_bytes=900)
    config = choice(models, RunOptions(always_draft=True))
    assert (config.choice.name, config.gate, config.choice.speedup < 1) == ("read", READ, True)
    unsafe = pair_with(tuple(replace(one, bound=0.2) for one in FRONTIER))
    assert choice(models, RunOptions(always_draft=True), unsafe).choice is None


def test_a_gate_that_breaks_the_promise_is_used_only_if_it_is_asked_for():
    models, _ = engines(1, 1)
    assert choice(models).choice.name != "loose"
    asked = choice(models, RunOptions(gate="loose"))
    assert (asked.choice.name, asked.gate, asked.choice.reason) == ("loose", FRONTIER[2].gate, ChoiceReason.ASKED_FOR)
    alone = choice(models, RunOptions(gate=ALONE))
    assert (alone.choice.name, alone.gate.worth_drafting) == (ALONE, False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (RunOptions(gate="raed"), 'There is no gate "raed".*read.*auto, target, read, trust, loose'),
        (RunOptions(gate="read", accept=0.5), "brings its own thresholds"),
        (RunOptions(gate="read", task=TaskName.CODE), 'p has no measured gates for task "code"'),
        (RunOptions(gate="read", temperature=0.5), "p has no measured gates"),
    ],
)
def test_a_gate_that_cannot_be_had_is_refused_in_a_sentence(options, said):
    with pytest.raises(UsageError, match=said):
        choice(engines(1, 1)[0], options)


def test_pairs_without_measured_gates_and_thresholds_of_one_s_own_are_left_as_they_are():
    models, _ = engines(1, 1)
    plain = build_config(PLAIN, RunOptions())
    assert choice(models, pair=PLAIN) == plain and plain.choice is None
    own = choice(models, RunOptions(accept=0.7))
    assert own.choice is None and own.gate.accept == 0.7
    assert choice(models, RunOptions(mode=Mode.TARGET)).choice is None


def test_every_measured_gate_that_ships_is_one_that_a_plain_ask_chooses_from():
    registry = load(None)
    for pair in registry.pairs.values():
        shipped = {task: getattr(pair.calibrations, task.value) for task in TaskName}
        measured = {task for task, one in shipped.items() if one and one.frontier}
        trusted = pair.trusting(fingerprints((registry.role(pair.draft), registry.role(pair.target))))
        assert set(frontiers(trusted)) == measured, pair.name
        assert all(shipped[task].bound and shipped[task].confidence for task in measured), pair.name


def test_the_choice_is_an_event_a_line_and_a_part_of_the_document():
    events, _ = run_once(4.0, 0.02)
    chosen = events[1]
    assert isinstance(chosen, GateChosen) and from_dict(json.loads(json.dumps(to_dict(chosen)))) == chosen
    line = wording.choice(GateChosen("read", 2.0, 3.0, ChoiceReason.FASTEST, True))
    assert line == "gate: read, about 2.0 s an answer, 1.50x the target alone (measured here); the fastest here"
    assert "no gate that keeps the promised accuracy is faster here" in wording.choice(
        GateChosen(ALONE, 3, 3, ChoiceReason.FASTEST, False)
    )
    record = RunRecord()
    for event in events:
        record.add(event)
    assert record.to_dict()["gate"]["gate"] == chosen.gate


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"writing": 3}', '{"writing": ["x", 1]}'])
def test_a_damaged_cache_is_as_good_as_none(cache, text):
    models, _ = engines(1, 1)
    before = costs_here(cards(models))
    run_once(4.0, 0.02)
    (file,) = (cache / "costs").iterdir()
    file.write_text(text)
    assert costs_here(cards(models)) == before
    run_once(4.0, 0.02)
    assert costs_here(cards(models)) != before


def test_a_cache_that_cannot_be_written_stops_nothing(cache):
    (cache / "costs").write_text("in the way")
    assert run_once(4.0, 0.02)[0]
