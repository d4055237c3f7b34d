"""A run that fails says so and keeps its steps; another one goes on from them, to the same reply."""

import pytest
from support.small_runs import DRAFT, PROMPT, TARGET, config, says, steps

from confspec_cli.core.conversation import Conversation
from confspec_cli.core.events import RunFinished, RunStarted, from_dict, to_dict
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode
from confspec_cli.core.stats import fold
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.errors import ServerError


class Failing(ScriptedEngine):
    """Fails at the call of a number, from 1 on."""

    fails_at = 0

    def _check(self, prompt, call):
        super()._check(prompt, call)
        if len(self.calls) == self.fails_at:
            raise ServerError("http://host:8000 broke off in the middle of its answer.")


def models(fails_at=0):
    target = Failing(TARGET, labels=says("five", "No"))
    target.fails_at = fails_at
    return {Author.DRAFT: ScriptedEngine(DRAFT, labels=says("five")), Author.TARGET: target}


def failed(fails_at, **changes):
    """The events of a run whose target fails at a call."""
    events = []
    with pytest.raises(ServerError, match="broke off"):
        for event in ReasoningRun(PROMPT, models(fails_at), config(**changes), lambda: 0.0).events():
            events.append(event)
    return events


def gone_on(before, **changes):
    run = ReasoningRun(PROMPT, models(), config(**changes), lambda: 0.0)
    run.go_on_from(before)
    return list(run.events())


def test_a_run_whose_model_fails_ends_with_what_there_is():
    last = failed(2)[-1]
    assert isinstance(last, RunFinished)
    assert (last.reason, last.reply) == ("failed", DRAFT[0])


@pytest.mark.parametrize("mode", [Mode.CONFSPEC, Mode.TARGET])
@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_going_on_from_the_steps_that_stood_gives_the_reply_that_would_have_been(mode, fails_at):
    whole = steps(list(ReasoningRun(PROMPT, models(), config(mode), lambda: 0.0).events()))
    before = steps(failed(fails_at, mode=mode)) if fails_at <= 2 or mode is Mode.TARGET else whole[:2]
    events = gone_on(before, mode=mode)
    assert [step.text for step in steps(events)] == [step.text for step in whole]
    assert steps(events)[: len(before)] == before
    assert events[-1].reason == "stop"


def test_the_steps_gone_on_from_are_not_counted_again():
    first = failed(2)
    second = gone_on(steps(first))
    both, whole = fold(first), fold(list(ReasoningRun(PROMPT, models(), config(), lambda: 0.0).events()))
    assert sum(both.tokens.values()) + sum(fold(second).tokens.values()) == sum(whole.tokens.values())
    assert sum(fold(second).steps.values()) == 2


def test_in_a_conversation_the_run_that_goes_on_takes_the_place_of_the_one_that_failed():
    first = failed(2)
    second = [event for one in gone_on(steps(first)) if (event := from_dict(to_dict(one)))]
    begun = Conversation(first)
    assert begun.turns[0].is_unfinished
    assert [message.role for message in begun.messages(besides=1)] == ["system"]
    (turn,) = Conversation([*first, *second]).turns
    assert not turn.is_unfinished
    assert turn.reply == second[-1].reply
    assert isinstance(second[0], RunStarted)
    assert second[0].continues == 1
