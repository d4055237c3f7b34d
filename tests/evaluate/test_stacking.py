"""Signals together: what they add is found where there is something to add, and not where there is nothing."""

import random

import pytest

from confspec_cli.core.trace import Assessment, Author, Likelihood, Verdict
from confspec_cli.evaluate.labels import Chains, Labelled, repetition
from confspec_cli.evaluate.stacking import stacked


def chains(knows, problems=60, seed=1):
    """Steps whose two models each see something of their own of whether a step is right, as far as they `know` it."""
    rng = random.Random(seed)
    steps = []
    for n in range(problems):
        for k in range(5):
            right = rng.random() < 0.7
            seen = {author: rng.gauss(knows if right else -knows, 1.0) for author in Author}
            draft, target = (
                Assessment(author, Verdict(0.5, 1.0), Likelihood(seen[author], -1.0, 9, 9, 1.0, 1.0), 0.1)
                for author in Author
            )
            steps.append(Labelled(f"p{n}", k + 1, draft, target, right, 9, (), (), 0.1))
    return Chains({f"p{n}": True for n in range(problems)}, steps)


def test_two_models_that_each_see_something_know_more_together():
    single, *stacks = stacked(chains(0.7))
    rows = {one.name: one for one in stacks}
    assert single.name == "best single signal" and single.gain == 0.0
    assert 0.75 < single.area < 0.9
    assert rows["both: all"].gain_interval[0] > 0.01
    assert rows["draft: likelihoods"].gain_interval[0] <= 0


def test_signals_that_know_nothing_are_not_flattered_by_being_many():
    for one in stacked(chains(0.0)):
        assert one.area == pytest.approx(0.5, abs=0.09)
        assert one.gain_interval[0] < 0 < one.gain_interval[1] or one.gain == 0


def test_of_too_few_problems_nothing_is_said_and_a_signal_that_some_steps_lack_is_left_out():
    assert stacked(chains(0.7, problems=4)) == []
    assert stacked(Chains({}, [])) == []
    made = chains(0.7)
    bare = [one for one in made.steps if one.is_right]
    assert stacked(Chains(made.solved, bare)) == []


def test_repetition_is_the_share_of_runs_of_words_that_were_there_before():
    assert repetition("one two three four", "") == 0.0
    assert repetition("one two three four", "so one two three") == 0.5
    assert repetition("a b c a b c", "") == pytest.approx(1 / 4)
    assert repetition("too short", "too short") == 0.0
