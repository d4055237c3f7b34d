"""Runs of scripted models over a small problem, for tests of the algorithm."""

import itertools
import math
from dataclasses import replace

from confspec_cli.core.events import StepCommitted
from confspec_cli.core.gate import Gate
from confspec_cli.core.messages import Message, Prompt, Sampling
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.trace import Author

PROMPT = Prompt((Message("system", "Reason."), Message("user", "How many eggs?")))
DRAFT = ("She has sixteen eggs at first.\n\n", "She uses three and five of them.\n\n", "So \\boxed{8} are left.")
TARGET = ("There are 16 eggs to begin.\n\n", "Three and four are used up.\n\n", "So \\boxed{9} are left.")


def config(mode=Mode.CONFSPEC, **changes):
    gate = Gate(
        **{
            name: changes.pop(name)
            for name in ("signal", "accept", "reject", "target", "min_token_prob", "target_first")
            if name in changes
        }
    )
    values = RunConfig(mode, gate, QUESTIONS["correct"], Sampling(), 400, 100, 20)
    return replace(values, **changes)


def play(draft_engine, target_engine, **changes):
    ticks = itertools.count()
    run = ReasoningRun(
        PROMPT,
        {Author.DRAFT: draft_engine, Author.TARGET: target_engine},
        config(**changes),
        lambda: float(next(ticks)),
    )
    return list(run.events())


def says(doubtful, sure="Yes"):
    """Labels: sure about everything but texts holding `doubtful`, which get one half."""
    other = {"Yes": "No", "No": "Yes"}[sure]
    return lambda text: {"Yes": 0.5, "No": 0.5} if doubtful in text else {sure: 0.98, other: 0.01}


def steps(events):
    return [event.step for event in events if isinstance(event, StepCommitted)]


def unsure_at(word):
    """Likelihoods: certain of every word but one."""
    return lambda text: math.log(0.1 if word in text else 0.9)
