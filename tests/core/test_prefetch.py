"""The draft writes on while the target judges: when that is done, what becomes of it, and that no word changes."""

import threading
import time
from dataclasses import replace
from itertools import pairwise

import pytest

from confspec_cli.core.engine import ALL_POWERS, Interrupt, Power
from confspec_cli.core.events import RunFinished, StepCommitted, StepJudged, StepPrefetched, StepWritten
from confspec_cli.core.gate import Decision, Gate, Signal
from confspec_cli.core.messages import Message, Prompt, Sampling, Token
from confspec_cli.core.prefetch import Prefetch, PrefetchPolicy
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.stats import fold
from confspec_cli.core.steering import Steering
from confspec_cli.core.trace import Assessment, Author, Origin, WrittenStep
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.errors import EngineError, Interrupted

PROMPT = Prompt((Message("user", "How many eggs?"),))
CONFIG = RunConfig(Mode.CONFSPEC, Gate(), QUESTIONS["correct"], Sampling(), 2000, 100, 8, experimental=True)
DRAFT = tuple(f"This is the step number {n} of it.\n\n" for n in range(12))
TARGET = tuple(f"Here is step {n} the other way.\n\n" for n in range(12))
WORD, JUDGING = 0.004, 0.04  # seconds
DRAFT_TOKEN = 0.02


def verification(overlap, seconds, tokens=10, stands=True, ahead=0, waited=0.0):
    """An escalated step of ten tokens; `ahead` tokens are written meanwhile if the overlap says so: whether it does."""
    begins = overlap.begins()
    decision = Decision.ACCEPT if stands else Decision.REJECT
    overlap.add(
        StepJudged(1, Assessment(Author.TARGET, None, None, seconds(begins), tokens=tokens), decision, None, None)
    )
    used = ahead if begins and stands else 0
    if begins:
        overlap.add(StepPrefetched(2, ahead, used, waited))
    written = 10 - used
    overlap.add(StepWritten(2, WrittenStep(Author.DRAFT, "", 10, False, None, written * DRAFT_TOKEN + 0.5, 0.5)))
    return begins


def test_judging_is_done_alone_and_overlapped_by_turns_twice_and_then_the_better_way():
    free, busy = PrefetchPolicy(), PrefetchPolicy()
    turns = [False, True, False, True]
    assert [verification(free, lambda _: 0.2, ahead=8) for _ in range(10)] == [*turns, *[True] * 6]
    slower = [verification(busy, lambda begins: 0.5 if begins else 0.2, ahead=8) for _ in range(10)]
    assert slower == [*turns, *[False] * 6]


def test_the_worse_way_is_tried_once_in_sixteen_and_taken_when_it_has_become_the_better_one():
    overlap = PrefetchPolicy()
    done = [verification(overlap, lambda begins: 0.5 if begins else 0.2, ahead=8) for _ in range(100)]
    tried = [turn for turn, begins in enumerate(done) if begins]
    assert [later - sooner for sooner, later in pairwise(tried[2:])] == [16] * 5
    done = [verification(overlap, lambda begins: 0.05 if begins else 0.6, ahead=8) for _ in range(60)]
    assert sum(done[30:]) > 25


def test_what_is_written_ahead_counts_only_as_far_as_steps_stand():
    """It makes judging take 0.1 s longer and saves 8 tokens of 0.02 s: that pays where more than 5 in 8 stand."""
    seconds = lambda begins: 0.3 if begins else 0.2  # noqa: E731
    often, seldom = PrefetchPolicy(), PrefetchPolicy()
    assert sum(verification(often, seconds, stands=n % 5 > 0, ahead=8) for n in range(60)) > 50
    assert sum(verification(seldom, seconds, stands=n % 5 == 0, ahead=8) for n in range(60)) < 10


def test_the_time_until_the_draft_has_stopped_counts_too():
    overlap = PrefetchPolicy()
    assert sum(verification(overlap, lambda _: 0.2, ahead=1, waited=0.1) for _ in range(15)) == 2


def test_reading_the_prompt_at_the_first_judging_is_held_against_nobody():
    overlap = PrefetchPolicy()
    overlap.begins()
    assessment = Assessment(Author.TARGET, None, None, 0.2, prefill_seconds=60.0, tokens=10, prefill_tokens=300)
    overlap.add(StepJudged(1, assessment, Decision.REJECT, None, None))
    assert overlap.begins()
    overlap.add(
        StepJudged(
            1, replace(assessment, seconds=0.3, prefill_seconds=0.0, prefill_tokens=0), Decision.REJECT, None, None
        )
    )
    assert not overlap.begins()


def test_an_inactive_one_never_begins():
    overlap = PrefetchPolicy(active=False)
    assert not any(verification(overlap, lambda _: 0.2, ahead=8) for _ in range(20))


def play(stands, steps=12, always=True, **changes):
    """Events of a run in which every step escalates and, where `always`, is overlapped; `stands` tells of each text."""

    def write(_):
        time.sleep(WORD)
        return -0.1

    def judge(text):
        time.sleep(JUDGING)
        return {"Yes": 1.0} if stands(text) else {"No": 1.0}

    draft = ScriptedEngine((*DRAFT[:steps], "So \\boxed{8}."), lambda _: {"Yes": 0.5, "No": 0.5}, write)
    target = ScriptedEngine((*TARGET[:steps], "So \\boxed{9}."), judge)
    models = {Author.DRAFT: draft, Author.TARGET: target}
    run = ReasoningRun(PROMPT, models, replace(CONFIG, **changes), time.perf_counter)
    if always:
        run._prefetch_policy.begins = lambda: run._prefetch_policy._active
    return list(run.events())


def steps(events):
    return [(event.step.text, event.step.origin) for event in events if isinstance(event, StepCommitted)]


def ahead(events):
    return [event for event in events if isinstance(event, StepPrefetched)]


def test_what_was_written_while_the_target_judged_is_taken_up_and_the_run_says_the_same():
    alone, both = play(lambda _: True, experimental=False), play(lambda _: True)
    assert steps(both) == steps(alone)
    assert not ahead(alone)
    assert [event.n for event in ahead(both)] == list(range(2, 14))
    assert all(event.used == event.tokens for event in ahead(both))
    assert fold(both).prefetched > 0


def test_a_run_tries_both_ways_by_itself():
    assert [event.n for event in ahead(play(lambda _: True, steps=4, always=False))][:2] == [3, 5]


def test_what_was_written_ahead_of_a_rejected_step_is_thrown_away_and_counted():
    wrong = lambda text: "number 3" not in text and "number 4" not in text  # noqa: E731
    alone, both = play(wrong, experimental=False), play(wrong)
    assert steps(both) == steps(alone)
    assert {origin for _, origin in steps(both)} == {Origin.ESCALATED, Origin.TARGET}
    stats, thrown = fold(both), [event for event in ahead(both) if event.n in (5, 6)]
    assert [event.used for event in thrown] == [0, 0]
    assert stats.prefetch_unused == sum(event.tokens for event in thrown) > 0
    assert stats.prefetched == sum(event.tokens for event in ahead(both))
    assert stats.to_dict()["tokens"]["prefetch_unused"] == stats.prefetch_unused
    assert stats.wasted_tokens == fold(alone).wasted_tokens


@pytest.mark.parametrize(
    "changes", [{"mode": Mode.SPECREASON}, {"gate": Gate(accept=0.0)}, {"gate": Gate(accept=1.0, reject=1.0)}]
)
def test_it_is_not_done_where_the_gate_does_not_leave_it_to_the_target(changes):
    assert not ahead(play(lambda _: True, **changes))


def test_a_step_that_ends_the_turn_is_followed_by_none():
    assert not ahead(play(lambda _: True, steps=0))


def test_a_draft_that_would_have_to_read_all_again_is_left_alone():
    draft = ScriptedEngine(DRAFT, lambda _: {"Yes": 0.5, "No": 0.5}, powers=ALL_POWERS - {Power.ROLLBACK})
    models = {Author.DRAFT: draft, Author.TARGET: ScriptedEngine(TARGET)}
    assert not ahead(ReasoningRun(PROMPT, models, CONFIG, time.perf_counter).events())


def test_a_step_a_person_wanted_judged_is_judged_alone():
    steering = Steering()
    draft = ScriptedEngine(DRAFT, lambda _: {"Yes": 0.5, "No": 0.5})
    run = ReasoningRun(
        PROMPT, {Author.DRAFT: draft, Author.TARGET: ScriptedEngine(TARGET)}, CONFIG, time.perf_counter, steering
    )
    for event in run.events():
        assert not isinstance(event, StepPrefetched)
        if isinstance(event, StepWritten):
            steering.escalate_step()


def test_before_a_token_too_unlikely_the_draft_stops_ahead_as_it_would_have():
    config = replace(CONFIG, gate=Gate(Signal.LIKELIHOOD, accept=1.0, target=0.5, min_token_prob=0.3), asks=False)

    def write(text):
        time.sleep(0.001)
        return -3.0 if text.startswith("5") else -0.1

    def run(overlaps):
        target = ScriptedEngine(TARGET, likelihood=lambda _: (time.sleep(0.01), -0.1)[1])
        models = {Author.DRAFT: ScriptedEngine(DRAFT, likelihood=write), Author.TARGET: target}
        run = ReasoningRun(PROMPT, models, replace(config, experimental=overlaps), time.perf_counter)
        run._prefetch_policy.begins = lambda: overlaps
        return list(run.events())

    both, alone = run(True), run(False)
    assert steps(both) == steps(alone)
    assert Origin.SALVAGED in {origin for _, origin in steps(both)}
    cut = next(event for event in both if isinstance(event, StepWritten) and event.written_step.unsure)
    (used,) = (event.used for event in ahead(both) if event.n == cut.n)
    assert 0 < used <= cut.written_step.tokens


def test_an_interrupt_while_both_are_at_work_ends_the_run_at_once_and_no_thread_is_left():
    interrupt, began = Interrupt(), []

    def write(_):
        time.sleep(0.01)
        return -0.1

    def judge(_):
        if len(began) == 1:
            threading.Timer(0.03, interrupt.set).start()
        began.append(time.perf_counter())
        while len(began) == 2 and not interrupt.is_set():
            time.sleep(0.001)
        if interrupt.is_set():
            raise Interrupted("Stopped.")
        return {"Yes": 1.0}

    draft = ScriptedEngine(DRAFT, lambda _: {"Yes": 0.5, "No": 0.5}, write, interrupt=interrupt)
    models = {Author.DRAFT: draft, Author.TARGET: ScriptedEngine(TARGET, judge)}
    *events, last = ReasoningRun(PROMPT, models, CONFIG, time.perf_counter).events()
    assert time.perf_counter() - began[1] < 0.5
    assert isinstance(last, RunFinished)
    assert (last.reason, last.reply) == ("interrupted", DRAFT[0])
    assert [event.used for event in ahead(events)] == [0]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


def tokens(texts, problem=None):
    for text in texts:
        yield Token(text, -0.1)
    if problem:
        raise problem


def begun(problem=None):
    """What was written ahead of a text of four words, all of it by the thread."""
    begun = Prefetch(2, PROMPT, tokens(("a ", "b ", "c ", "d "), problem), time.perf_counter)
    with begun.writing(lambda _: False):
        time.sleep(0.02)
    return begun


def test_what_goes_wrong_ahead_is_told_to_who_takes_it_up_and_to_nobody_else():
    taken = begun(EngineError("broken")).tokens(9)
    assert [next(taken).text for _ in range(4)] == ["a ", "b ", "c ", "d "]
    with pytest.raises(EngineError, match="broken"):
        next(taken)
    begun(EngineError("broken")).close()


def test_no_more_is_taken_than_is_wanted_and_the_rest_counts_as_thrown_away():
    one = begun()
    assert [token.text for token in one.tokens(3)] == ["a ", "b ", "c "]
    assert (one.event(3).tokens, one.event(3).used) == (4, 3)


def test_it_is_written_up_to_the_token_that_is_enough_and_the_model_writes_on_from_there():
    one = Prefetch(2, PROMPT, tokens(("a ", "b ", "c ", "d ")), time.perf_counter)
    with one.writing(lambda token: token.text == "b "):
        time.sleep(0.02)
    assert one.event().tokens == 2
    assert [token.text for token in one.tokens(9)] == ["a ", "b ", "c ", "d "]


def test_an_error_in_the_judging_waits_for_the_token_being_written():
    done = []

    def slow():
        time.sleep(0.05)
        done.append(True)
        yield Token("a ", -0.1)

    with pytest.raises(KeyboardInterrupt), Prefetch(2, PROMPT, slow(), time.perf_counter).writing(lambda _: False):
        raise KeyboardInterrupt
    assert done


def real(kinds, tiny, load, min_token_prob=0.0, interrupt=None):
    """Runs of two tiny models that overlap whether or not it pays, or never."""
    paths = [tiny(kind, seed=seed, bias={"<|im_end|>": -3}) for kind, seed in zip(kinds, (0, 2), strict=True)]
    models = {author: load(path, interrupt, threads=1) for author, path in zip(Author, paths, strict=True)}
    gate = Gate(Signal.LIKELIHOOD, accept=0.9, target=0.00001, min_token_prob=min_token_prob)
    config = replace(CONFIG, gate=gate, max_tokens=300, max_step_tokens=24, min_step_chars=24, asks=False)

    def run(overlaps):
        for engine in models.values():
            engine.reset()
        run = ReasoningRun(PROMPT, models, replace(config, experimental=overlaps), time.perf_counter)
        run._prefetch_policy.begins = lambda: overlaps and Power.ROLLBACK in models[Author.DRAFT].powers
        return run.events()

    return run


@pytest.mark.parametrize("stop", [0.0, 0.02])
@pytest.mark.parametrize("kinds", [("llama", "llama"), ("llama", "mamba"), ("mamba", "llama"), ("qwen2", "gemma3")])
def test_on_real_engines_greedy_text_is_the_same_with_and_without(tiny, load, kinds, stop):
    run = real(kinds, tiny, load, stop)
    alone, both = list(run(False)), list(run(True))
    assert steps(both) == steps(alone)
    assert {origin for _, origin in steps(both)} >= {Origin.ESCALATED, Origin.SALVAGED if stop else Origin.TARGET}
    assert bool(ahead(both)) is (kinds[0] != "mamba")


@pytest.mark.parametrize("delay", [0.0, 0.0005, 0.001, 0.002])
def test_real_engines_stop_while_both_are_at_work_and_are_as_good_as_new_afterwards(tiny, load, delay):
    interrupt = Interrupt()
    run = real(("llama", "qwen2"), tiny, load, interrupt=interrupt)
    whole, cut = list(run(True)), []
    for event in run(True):
        cut.append(event)
        if isinstance(event, StepJudged) and event.n == 3:
            timer = threading.Timer(delay, interrupt.set)
            timer.start()
    timer.join()
    assert cut[-1].reason == "interrupted"
    assert steps(whole)[: len(steps(cut))] == steps(cut)
    interrupt.clear()
    assert steps(list(run(True))) == steps(whole)
