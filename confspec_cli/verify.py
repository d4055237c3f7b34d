"""Ask one model about one step: a prefill, no generation, and the cache is left as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from confspec_cli.engines.base import Engine, Prompt, Token
from confspec_cli.prompts import Question
from confspec_cli.trace import Verdict


def ask(engine: Engine, prompt: Prompt, question: Question) -> Verdict:
    """The model's verdict on the last segment of the reply.

    `p` is the expected value of the labels over the probability mass they hold, `certainty` that mass; with the labels
    yes and no this is P(yes) / (P(yes) + P(no)). Source: ConfSpec, arXiv:2602.18447. Raises what the engine raises.
    """
    return _verdict(engine.label_probs(replace(prompt, ask=question.text), tuple(question.labels)), question)


def read_and_ask(
    engine: Engine, prompt: Prompt, step: str, ends: bool, question: Question
) -> tuple[list[Token], Verdict]:
    """The step's tokens as the model reads them, and its verdict on the step, in one prefill."""
    asking = replace(prompt, ask=question.text)
    tokens, probabilities = engine.judge(asking, step, ends, tuple(question.labels))
    return tokens, _verdict(probabilities, question)


def _verdict(probabilities: Mapping[str, float], question: Question) -> Verdict:
    mass = sum(probabilities.values())
    value = sum(probabilities[label] * worth for label, worth in question.labels.items())
    return Verdict(p=value / mass if mass > 0 else 0.0, certainty=mass)
