"""A run that asks of a model what it cannot do is refused by name, before anything is written."""

from dataclasses import replace

import pytest

from confspec_cli.core.engine import ALL_POWERS, Power
from confspec_cli.core.events import RunFinished, StepJudged
from confspec_cli.core.gate import Gate, Signal
from confspec_cli.core.messages import Message, Prompt, Sampling, Token
from confspec_cli.core.needs import needed_powers
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Form, Mode, RunConfig
from confspec_cli.core.trace import Author, Likelihood
from confspec_cli.engines.scripted import CARD, ScriptedEngine
from confspec_cli.errors import UsageError

STEPS = ["Two and two.\n\n", "That is four.\n\n"]
PROMPT = Prompt((Message("user", "How much?"),))
DOUBTS = {"Yes": 0.5, "No": 0.3}


def configured(gate=Gate(), mode=Mode.CONFSPEC, **more):  # noqa: B008
    return RunConfig(mode, gate, QUESTIONS["correct"], Sampling(), 90, 30, 10, **more)


def models(draft=frozenset(), target=frozenset()):
    """A pair that lacks these powers."""
    lacks = {Author.DRAFT: draft, Author.TARGET: target}
    return {
        author: ScriptedEngine(
            STEPS, lambda _: DOUBTS, card=replace(CARD, name=f"the-{author.value}"), powers=ALL_POWERS - missing
        )
        for author, missing in lacks.items()
    }


@pytest.mark.parametrize(
    ("config", "author", "missing", "word"),
    [
        (configured(Gate(Signal.LIKELIHOOD)), "target", Power.SCORE, "score"),
        (configured(Gate(Signal.COMBINED)), "target", Power.SCORE, "score"),
        (configured(Gate(Signal.LIKELIHOOD)), "draft", Power.LOGPROBS, "likely"),
        (configured(Gate(min_token_prob=0.1)), "draft", Power.LOGPROBS, "likely"),
        (configured(), "draft", Power.LABELS, "verdict"),
        (configured(), "target", Power.LABELS, "verdict"),
        (configured(mode=Mode.SPECREASON), "target", Power.LABELS, "verdict"),
        (configured(form=Form("json", 'root ::= "1"', "Answer.")), "target", Power.GRAMMAR, "grammar"),
        (configured(mode=Mode.DRAFT, form=Form("json", 'root ::= "1"', "Answer.")), "draft", Power.GRAMMAR, "grammar"),
    ],
)
def test_a_missing_power_is_refused_with_the_model_s_name_before_it_is_called(config, author, missing, word):
    pair = models(**{author: {missing}})
    if config.mode is Mode.DRAFT:
        del pair[Author.TARGET]
    with pytest.raises(UsageError) as refused:
        ReasoningRun(PROMPT, pair, config, lambda: 0.0)
    assert f"{author} the-{author}" in str(refused.value)
    assert word in str(refused.value)
    assert refused.value.hint
    assert not any(engine.calls for engine in pair.values())


def test_a_mode_needs_no_more_than_it_uses():
    nothing = {author: frozenset() for author in Author}
    assert needed_powers(configured(mode=Mode.TARGET)) == nothing
    assert needed_powers(configured(Gate(accept=0))) == nothing
    assert needed_powers(configured(Gate(accept=1, reject=1))) == nothing
    assert needed_powers(configured())[Author.TARGET] == {Power.LABELS}


def test_a_target_that_cannot_score_is_asked_for_its_verdict_alone():
    pair = models(target={Power.SCORE, Power.LOGPROBS})
    *events, last = ReasoningRun(PROMPT, pair, configured(), lambda: 0.0).events()
    assert isinstance(last, RunFinished)
    by_target = [e.assessment for e in events if isinstance(e, StepJudged) and e.assessment.by is Author.TARGET]
    assert by_target
    assert all(one.likelihood is None and one.verdict.p == pytest.approx(0.625) for one in by_target)
    assert not {"judge", "score"} & set(pair[Author.TARGET].calls)


def test_where_the_gate_looks_at_likelihoods_models_without_labels_give_no_verdicts():
    pair = models(draft={Power.LABELS}, target={Power.LABELS})
    events = list(ReasoningRun(PROMPT, pair, configured(Gate(Signal.LIKELIHOOD)), lambda: 0.0).events())
    judged = [event.assessment for event in events if isinstance(event, StepJudged)]
    assert judged
    assert all(one.verdict is None for one in judged)


def test_what_is_unknown_of_one_token_is_unknown_of_the_step():
    tokens = [Token("a", -1.0, entropy=0.5), Token("b", -1.0)]
    assert Likelihood.of([-1.0, -1.0], 2, [token.entropy for token in tokens]).entropy is None
    assert Likelihood.of([-1.0, float("nan")], 2) is None
