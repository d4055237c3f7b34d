import math
from dataclasses import replace

import pytest

from confspec_cli.core.gate import Decision, Gate, Signal, confidence_of, gate_draft, gate_target
from confspec_cli.core.trace import Assessment, Author, Likelihood, Verdict


def assessment(p=0.9, label_mass=0.98, lowest=0.4):
    return Assessment(Author.DRAFT, Verdict(p, label_mass), Likelihood(-0.2, math.log(lowest), 20, 18), 0.1)


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
    assert gate_draft(assessment(p), BAND) is decision


@pytest.mark.parametrize("p", [0.01, 0.99])
def test_a_verdict_without_mass_on_its_labels_escalates(p):
    assert gate_draft(assessment(p, label_mass=0.03), BAND) is Decision.ESCALATE


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0, math.nan])
def test_accept_0_accepts_and_reject_1_rejects_every_step(p):
    for label_mass in (0.0, 1.0):
        assert gate_draft(assessment(p, label_mass), Gate(accept=0, reject=0)) is Decision.ACCEPT
        assert gate_draft(assessment(p, label_mass), Gate(accept=1, reject=1)) is Decision.REJECT


def test_with_accept_1_the_target_is_asked_however_sure_the_draft_is():
    assert gate_draft(assessment(1.0), Gate(accept=1)) is Decision.ESCALATE
    assert gate_draft(assessment(lowest=1.0), Gate(Signal.LIKELIHOOD, accept=1)) is Decision.ESCALATE


def test_the_likelihood_gate_reads_the_least_likely_token_and_no_verdict():
    gate = Gate(Signal.LIKELIHOOD, accept=0.5, reject=0.05)
    assert gate_draft(assessment(p=0, label_mass=0, lowest=0.6), gate) is Decision.ACCEPT
    assert gate_draft(assessment(p=1, lowest=0.3), gate) is Decision.ESCALATE
    assert gate_draft(assessment(p=1, lowest=0.01), gate) is Decision.REJECT


def test_the_mean_likelihood_gate_reads_the_mean_of_the_tokens_and_not_the_least_likely():
    gate = Gate(Signal.MEAN_LIKELIHOOD, accept=0.9, target=0.8)
    unlikely = assessment(p=0, label_mass=0, lowest=0.01)  # of mean exp(-0.2), 0.82
    assert confidence_of(unlikely, gate) == pytest.approx(math.exp(-0.2))
    assert gate_draft(unlikely, gate) is Decision.ESCALATE
    assert gate_target(unlikely, gate) is Decision.ACCEPT
    assert gate_target(unlikely, replace(gate, target=0.83)) is Decision.REJECT


def test_a_missing_reading_decides_nothing():
    empty = Assessment(Author.DRAFT, None, None, 0.0)
    assert gate_draft(empty, BAND) is Decision.ESCALATE
    assert gate_target(empty, BAND) is Decision.REJECT


def test_the_target_never_escalates_and_its_doubt_rejects():
    assert gate_target(assessment(0.6), Gate(target=0.5)) is Decision.ACCEPT
    assert gate_target(assessment(0.4), Gate(target=0.5)) is Decision.REJECT
    assert gate_target(assessment(0.9, label_mass=0.1), Gate(target=0.5)) is Decision.REJECT
