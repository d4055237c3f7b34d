import math

import pytest

from confspec_cli.gate import Decision, Gate, Signal, judge_draft, judge_target
from confspec_cli.trace import Author, Likelihood, Reading, Verdict


def reading(p=0.9, certainty=0.98, lowest=0.4):
    return Reading(Author.DRAFT, Verdict(p, certainty), Likelihood(-0.2, math.log(lowest), 20, 18), 0.1)


BAND = Gate(accept=0.8, reject=0.2)


@pytest.mark.parametrize(
    ("p", "decision"),
    [
        (0.81, Decision.ACCEPT),
        (0.8, Decision.ACCEPT),
        (0.5, Decision.ESCALATE),
        (0.2, Decision.REJECT),
        (0.1, Decision.REJECT),
    ],
)
def test_a_confident_verdict_is_final_and_an_uncertain_one_escalates(p, decision):
    assert judge_draft(reading(p), BAND) is decision


@pytest.mark.parametrize("p", [0.01, 0.99])
def test_a_verdict_without_mass_on_its_labels_escalates(p):
    assert judge_draft(reading(p, certainty=0.03), BAND) is Decision.ESCALATE


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0, math.nan])
def test_accept_0_accepts_and_reject_1_rejects_every_step(p):
    for certainty in (0.0, 1.0):
        assert judge_draft(reading(p, certainty), Gate(accept=0, reject=0)) is Decision.ACCEPT
        assert judge_draft(reading(p, certainty), Gate(accept=1, reject=1)) is Decision.REJECT


def test_the_likelihood_gate_reads_the_least_likely_token_and_no_verdict():
    gate = Gate(Signal.LIKELIHOOD, accept=0.5, reject=0.05)
    assert judge_draft(reading(p=0, certainty=0, lowest=0.6), gate) is Decision.ACCEPT
    assert judge_draft(reading(p=1, lowest=0.3), gate) is Decision.ESCALATE
    assert judge_draft(reading(p=1, lowest=0.01), gate) is Decision.REJECT


def test_a_missing_reading_decides_nothing():
    empty = Reading(Author.DRAFT, None, None, 0.0)
    assert judge_draft(empty, BAND) is Decision.ESCALATE
    assert judge_target(empty, BAND) is Decision.REJECT


def test_the_target_never_escalates_and_its_doubt_rejects():
    assert judge_target(reading(0.6), Gate(target=0.5)) is Decision.ACCEPT
    assert judge_target(reading(0.4), Gate(target=0.5)) is Decision.REJECT
    assert judge_target(reading(0.9, certainty=0.1), Gate(target=0.5)) is Decision.REJECT
