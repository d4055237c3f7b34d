"""Several replies at once: as many as there are engines for, in order, a model that runs here in turns."""

import threading
import time

import pytest
from support.scripted_runs import CONFIG, models

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.messages import Message, Prompt
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.trace import Author
from confspec_cli.errors import ServerError
from confspec_cli.runtime.crew import Crew, InTurns, Turns

PROMPT = Prompt((Message("user", "What is 6 * 7?"),))


def crew(jobs, interrupt=None):
    return Crew([models() for _ in range(jobs)], {}, interrupt or Interrupt())


def test_what_is_being_done_is_told_in_words():
    draft, target = Turns(1), Turns(4)
    together = Crew([models(), models()], {Author.DRAFT: draft, Author.TARGET: target}, Interrupt())
    with draft.turn(), target.turn(), target.turn():
        draft.waiting = 3
        assert together.doing() == "at work: draft 1, target 2; 3 wait for the draft"
    assert crew(1).doing() == ""


def test_as_many_run_at_once_as_there_are_engines_for_and_come_out_in_order():
    together = threading.Barrier(4)
    used = []

    def run(models, item):
        together.wait(10)  # which breaks unless four are here
        time.sleep(0.01 * (4 - item % 4))  # the first is the slowest
        used.append(id(models))
        return item

    assert list(crew(4).in_order(range(12), run)) == list(range(12))
    assert len(set(used)) == 4


def test_only_some_are_begun_ahead_of_the_first_that_is_not_finished():
    goes_on, begun = threading.Event(), []

    def run(_, item):
        begun.append(item)
        if item == 0:
            goes_on.wait(10)
        return item

    results = crew(2).in_order(range(100), run)
    threading.Timer(0.2, goes_on.set).start()
    assert next(results) == 0
    assert len(begun) <= 8
    assert list(results) == list(range(1, 100))


def test_what_was_finished_is_handed_out_before_a_failure_is_raised_and_nothing_more_is_begun():
    failed, begun = threading.Event(), []
    together = crew(2)

    def run(_, item):
        begun.append(item)
        if item == 0:
            failed.set()
            raise ServerError("It is away.", "", True)
        failed.wait(10)
        return item

    seen = []
    with pytest.raises(ServerError, match="It is away"):
        seen.extend(together.in_order(range(100), run))
    assert 1 in begun
    assert len(begun) <= 8
    assert not together.interrupt.is_set()


def test_after_an_interrupt_nothing_more_is_begun():
    for jobs in (1, 3):
        interrupt = Interrupt()

        def run(_, item, interrupt=interrupt):
            interrupt.set()
            return item

        results = list(crew(jobs, interrupt).in_order(range(100), run))
        assert results == list(range(len(results)))
        assert len(results) <= 4 * jobs


def test_leaving_half_way_stops_the_runs():
    together = crew(2)
    results = together.in_order(range(100), lambda _, item: item)
    assert next(results) == 0
    results.close()
    assert together.interrupt.is_set()


def test_a_model_that_runs_here_serves_one_reply_at_a_time_and_says_who_waits():
    turns, told, inside = Turns(1), [], threading.Semaphore(1)

    class Watched:
        """An engine that notes whether it is used by two at once."""

        def __init__(self, engine):
            self.engine = engine

        def __getattr__(self, name):
            return getattr(self.engine, name)

        def generate(self, prompt, sampling, max_tokens):
            assert inside.acquire(blocking=False)
            try:
                time.sleep(0.01)
                told.append((turns.working, turns.waiting))
                yield from self.engine.generate(prompt, sampling, max_tokens)
            finally:
                inside.release()

    free = Turns(4)
    together = Crew(
        [
            {Author.DRAFT: InTurns(Watched(one[Author.DRAFT]), turns), Author.TARGET: InTurns(one[Author.TARGET], free)}
            for one in (models() for _ in range(4))
        ],
        {Author.DRAFT: turns, Author.TARGET: free},
        Interrupt(),
    )

    def run(models, _):
        return list(ReasoningRun(PROMPT, models, CONFIG, lambda: 0.0).events())

    alone = list(ReasoningRun(PROMPT, models(), CONFIG, lambda: 0.0).events())
    for events in together.in_order(range(8), run):
        assert [type(event) for event in events] == [type(event) for event in alone]
        assert events[-1].reply == alone[-1].reply
    assert (1, 3) in told
    assert {working for working, _ in told} == {1}
    assert together.doing() == "at work: draft 0, target 0"


def test_a_busy_server_is_asked_by_no_more_than_it_serves_and_later_by_one_more():
    turns, begun, goes_on = Turns(5), threading.Barrier(6), threading.Event()
    ended = []

    def served():
        with turns.turn():
            begun.wait(10)
            goes_on.wait(10)
        ended.append("served")

    def refused():
        with turns.turn():
            begun.wait(10)
            with turns.pause():
                pass
            ended.append("refused")

    threads = [threading.Thread(target=one) for one in [served] * 2 + [refused] * 3]
    for thread in threads:
        thread.start()
    begun.wait(10)
    deadline = time.monotonic() + 10
    while turns.limit != 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert turns.limit == 2
    assert not ended  # those it has refused wait for those it serves
    goes_on.set()
    for thread in threads:
        thread.join(10)
    assert sorted(ended) == ["refused"] * 3 + ["served"] * 2
    for _ in range(100):
        with turns.turn():
            pass
    assert turns.limit == 5


def test_where_all_are_refused_they_ask_again_one_after_the_other():
    turns, together, most = Turns(4), threading.Barrier(4), []

    def refused():
        with turns.turn():
            together.wait(10)
            with turns.pause():
                together.wait(10)
            most.append(turns.working)
            time.sleep(0.01)

    threads = [threading.Thread(target=refused) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(most) == [1, 2, 3, 4]
