"""Records of schema version 1, in the names of their time, load as today's events."""

import json
from typing import get_args

import pytest

from confspec_cli.core import events as today
from confspec_cli.core.events import from_dict, to_dict
from confspec_cli.core.gate import Decision
from confspec_cli.core.legacy_events import upgrade_parameters
from confspec_cli.core.messages import ModelCard
from confspec_cli.core.trace import (
    Assessment,
    Author,
    Cause,
    DropReason,
    FinishReason,
    Likelihood,
    Origin,
    Step,
    Verdict,
    WrittenStep,
)

LIKELIHOOD = '{"mean": -0.5, "lowest": -1.5, "tokens": 4, "agreed": 3, "entropy": 0.25}'
READING = (
    f'{{"by": "target", "verdict": {{"p": 0.75, "certainty": 0.9}}, "likelihood": {LIKELIHOOD}, "seconds": 0.5, '
    '"prefill_seconds": 0.25, "tokens": 12, "prefill_tokens": 30}'
)
PROPOSAL = (
    f'{{"author": "draft", "text": "One apple.", "tokens": 4, "ended": false, "likelihood": {LIKELIHOOD}, '
    '"seconds": 1.5, "prefill_seconds": 0.5, "prefill_tokens": 7, "unsure": true, "guessed": 3, "batches": 2, '
    '"batched": 6}'
)
likelihood = Likelihood(-0.5, -1.5, 4, 3, 0.25)
assessment = Assessment(Author.TARGET, Verdict(0.75, label_mass=0.9), likelihood, 0.5, 0.25, 12, 30)
written = WrittenStep(
    Author.DRAFT,
    "One apple.",
    4,
    False,
    likelihood,
    1.5,
    0.5,
    7,
    unsure=True,
    speculation_accepted=3,
    speculation_batches=2,
    speculation_batch_tokens=6,
)

RECORDS = [
    (
        '{"event": "RunStarted", "prompt": "How many?", "system": "Count.", "mode": "confspec", "models": {"draft": '
        '{"name": "small", "file": "small.gguf", "bytes": 9, "context": 2048}}, "parameters": {"signal": "verdict", '
        '"accept": 0.9, "certainty": 0.5, "stop": 0.25, "pays": true, '
        '"controlled": true, "seed": 7}, '
        '"schema_version": 1}',
        today.RunStarted(
            "How many?",
            "Count.",
            "confspec",
            {"draft": ModelCard("small", "small.gguf", 9, 2048)},
            {
                "signal": "verdict",
                "accept": 0.9,
                "min_label_mass": 0.5,
                "min_token_prob": 0.25,
                "worth_drafting": True,
                "adaptive": True,
                "seed": 7,
            },
        ),
    ),
    (
        '{"event": "StepOpened", "n": 1, "author": "draft", "provisional": true}',
        today.StepOpened(1, Author.DRAFT, True),
    ),
    ('{"event": "TextWritten", "n": 1, "author": "draft", "text": "One "}', today.TextWritten(1, Author.DRAFT, "One ")),
    (f'{{"event": "StepWritten", "n": 1, "proposal": {PROPOSAL}}}', today.StepWritten(1, written)),
    (
        f'{{"event": "StepJudged", "n": 1, "reading": {READING}, "decision": "reject", "signal": 0.25, '
        '"threshold": 0.5, "cause": "unsure"}',
        today.StepJudged(1, assessment, Decision.REJECT, confidence=0.25, threshold=0.5, cause=Cause.UNSURE),
    ),
    *(
        (
            f'{{"event": "StepDropped", "n": 1, "proposal": {PROPOSAL}, "reason": "{reason}", "kept": "One ", '
            '"kept_tokens": 1}',
            today.StepDropped(1, written, DropReason(reason), "One ", 1),
        )
        for reason in ("rejected", "repeated", "unsure", "steered")
    ),
    *(
        (
            f'{{"event": "StepCommitted", "step": {{"n": 1, "origin": "{old}", "text": "One pear.", "tokens": 4, '
            f'"ended": true, "seconds": 2.5, "readings": [{READING}], "signal": 0.25, "threshold": 0.5, '
            '"rejected_text": "One apple.", "cause": null, "kept": "One ", "kept_tokens": 1}}',
            today.StepCommitted(
                Step(1, origin, "One pear.", 4, True, 2.5, (assessment,), 0.25, 0.5, "One apple.", None, "One ", 1)
            ),
        )
        for old, origin in (
            ("draft", Origin.DRAFT),
            ("escalated", Origin.ESCALATED),
            ("target", Origin.TARGET),
            ("shared", Origin.SALVAGED),
            ("given", Origin.INJECTED),
        )
    ),
    ('{"event": "DraftingTurned", "n": 9, "on": false, "gain": -0.5}', today.DraftingSwitched(9, False, -0.5)),
    (
        '{"event": "DraftedAhead", "n": 2, "tokens": 8, "used": 5, "waited": 0.5}',
        today.StepPrefetched(2, 8, 5, 0.5),
    ),
    ('{"event": "Warned", "message": "slow"}', today.Warned("slow")),
    *(
        (
            f'{{"event": "RunFinished", "reason": "{reason}", "reply": "42", "partial": "", "answer": "42", '
            '"seconds": 3.5, "extract": "42"}',
            today.RunFinished(FinishReason(reason), "42", "", "42", 3.5, "42"),
        )
        for reason in ("stop", "length", "context", "repetition", "interrupted")
    ),
    ('{"event": "SessionNamed", "name": "fruit"}', today.SessionNamed("fruit")),
    ('{"event": "SystemChanged", "system": "Be brief."}', today.SystemChanged("Be brief.")),
    ('{"event": "TurnsUndone", "count": 2}', today.TurnsUndone(2)),
    ('{"event": "TurnsForgotten", "count": 1, "summary": "Fruit."}', today.TurnsForgotten(1, "Fruit.")),
]


NEW = {today.GateChosen}
"""The events that version 1 did not have."""


@pytest.mark.parametrize(("line", "event"), RECORDS)
def test_a_record_of_version_1_is_the_event_of_today(line, event):
    loaded = from_dict(json.loads(line))
    assert loaded is not None and loaded == event
    assert from_dict(to_dict(loaded)) == event, "and as the record of today it is the same again"


def test_there_is_an_old_record_of_every_kind_of_event():
    assert {type(event) for _, event in RECORDS} == set(get_args(today.Event)) - NEW


def test_parameters_in_results_are_renamed_alike():
    assert upgrade_parameters({"stop": 0.25, "signal": "verdict"}) == {"min_token_prob": 0.25, "signal": "verdict"}
