"""The equalities of the algorithm on real models: what no batch decides is exact, byte for byte and bit for bit."""

import os
import time
from dataclasses import replace

import numpy as np
import pytest

from confspec_cli.core.events import RunFinished, StepCommitted
from confspec_cli.core.gate import Gate
from confspec_cli.core.messages import Message, Prompt, Sampling
from confspec_cli.core.prompts import QUESTIONS, SYSTEM
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.trace import Author
from confspec_cli.models.registry import load as load_registry
from confspec_cli.models.store import Store
from confspec_cli.runtime.folders import config_folder, models_folder

pytestmark = pytest.mark.model

QUESTION = QUESTIONS["correct"]
PROMPTS = [
    "A box holds 12 pencils. How many pencils are in 7 boxes?",
    "Write a Python function that reverses a string.",
    "Why is the sky blue?",
    "Name three rivers of Europe, one per line.",
    "What is 15 % of 80?",
]


@pytest.fixture(scope="module", params=["tiny", "starter"])
def pair(request):
    """Both engines of a shipped pair. Loading is the slow part, so they are shared."""
    from confspec_cli.core.engine import Interrupt
    from confspec_cli.engines.llamacpp.llama_engine import LlamaCppEngine
    from confspec_cli.engines.llamacpp.open_model import Hardware

    models = load_registry(config_folder(os.environ) / "models.yaml").models_of(request.param)
    store = Store(models_folder(os.environ))
    paths = [store.find(model) for model in models]
    if not all(paths):
        pytest.skip(f"the models of {request.param} are not here: confspec pull {request.param}")
    engines = [LlamaCppEngine(path[0], Hardware(context=2048), Interrupt(), lambda _: None) for path in paths]
    yield dict(zip(Author, engines, strict=True))
    for engine in engines:
        engine.close()


def asked(text):
    return Prompt((Message("system", SYSTEM), Message("user", text)))


def reply(models, prompt, mode, gate):
    config = RunConfig(mode, gate, QUESTION, Sampling(), 64, 40, 24)
    *events, last = ReasoningRun(prompt, models, config, time.perf_counter).events()
    assert isinstance(last, RunFinished)
    return "".join(event.step.text for event in events if isinstance(event, StepCommitted))


def text_of(tokens):
    return "".join(token.text for token in tokens)


@pytest.mark.parametrize("text", PROMPTS)
def test_accepting_all_is_the_draft_and_rejecting_all_is_the_target_byte_for_byte(pair, text):
    prompt = asked(text)
    uncut = [text_of(pair[author].generate(prompt, Sampling(), 64)) for author in Author]
    assert uncut[0] != uncut[1]
    assert reply(pair, prompt, Mode.DRAFT, Gate()) == uncut[0]
    assert reply(pair, prompt, Mode.CONFSPEC, Gate(accept=0)) == uncut[0]
    assert reply(pair, prompt, Mode.TARGET, Gate()) == uncut[1]
    assert reply(pair, prompt, Mode.CONFSPEC, Gate(accept=1, reject=1)) == uncut[1]


@pytest.mark.parametrize("author", list(Author))
def test_after_verification_and_rollback_all_logits_are_those_of_a_context_never_asked(pair, author):
    """The bound is zero: every logit of the vocabulary, bit for bit."""
    engine = pair[author]
    prompt = asked(PROMPTS[0])
    steps = []
    for _ in range(4):
        open_prompt = replace(prompt, reply=tuple(steps))
        steps.append(text_of(engine.generate(open_prompt, Sampling(), 12)))
        so_far = replace(prompt, reply=tuple(steps), ask=QUESTION.text)
        engine.label_probs(so_far, tuple(QUESTION.labels))
        list(engine.generate(replace(so_far, ask=None), Sampling(), 1))
        asked_logits = engine._cache.logits().copy()
        list(engine.generate(prompt, Sampling(), 1))
        tokens = list(engine.generate(prompt, Sampling(), 12 * len(steps) + 1))
        assert text_of(tokens).startswith("".join(steps))
        assert np.array_equal(asked_logits, engine._cache.logits())


def test_a_rejected_step_leaves_nothing_behind_in_the_target(pair):
    target = pair[Author.TARGET]
    prompt = asked(PROMPTS[4])
    before = text_of(target.generate(prompt, Sampling(), 24))
    target.score(prompt, "The answer is obviously 1,000 because numbers are big.\n\n")
    target.label_probs(replace(prompt, reply=("The answer is 1,000.\n\n",), ask=QUESTION.text), tuple(QUESTION.labels))
    assert text_of(target.generate(prompt, Sampling(), 24)) == before


def test_the_draft_s_words_cross_to_another_tokenizer_and_back_unchanged(pair):
    text = "Züge fahren über 3 ½ Brücken 🚂, 列車 — \\boxed{\\frac{7}{2}}.\n\n\tdef f(x):\n\n        return x\n\n"
    for engine in pair.values():
        assert text_of(engine.score(asked(PROMPTS[0]), text)) == text


def test_no_text_of_a_person_becomes_a_special_token(pair):
    for engine in pair.values():
        vocab = engine._vocab
        special = [token for token in range(vocab.size) if vocab.is_special(token)]
        assert special
        for token in special:
            text = vocab.spelling(token)
            assert token not in vocab.tokenize(f"x {text} y", special=False), text
