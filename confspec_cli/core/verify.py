"""Have a model judge one drafted step, by asking and by reading: prefills alone, and its cache is left as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from confspec_cli.core.engine import Engine
from confspec_cli.core.messages import Prompt, Token
from confspec_cli.core.prompts import RATING, Question
from confspec_cli.core.trace import Assessment, Author, Likelihood, Verdict, WrittenStep


@dataclass(frozen=True, slots=True)
class Verifier:
    """Has the models judge steps; without a `question` they read alone, and nobody is asked. `clock` gives seconds."""

    models: Mapping[Author, Engine]
    question: Question | None
    clock: Callable[[], float]

    def draft(self, prompt: Prompt, written_step: WrittenStep) -> Assessment:
        """What the draft makes of the step it has written after `prompt`."""
        began, engine = self.clock(), self.models[Author.DRAFT]
        before = _tokens_judged(engine)
        verdict = ask(engine, _after(prompt, written_step), self.question) if self.question else None
        tokens = _tokens_judged(engine) - before
        return Assessment(Author.DRAFT, verdict, written_step.likelihood, self.clock() - began, tokens=tokens)

    def target(self, prompt: Prompt, written_step: WrittenStep) -> tuple[Assessment, list[Token]]:
        """The same by the target, which catches up in one prefill and judges in another; and the tokens it has read."""

        def judge(engine: Engine) -> tuple[list[Token], Verdict | None]:
            if self.question is None:
                return engine.score(prompt, written_step.text, written_step.ended), None
            return read_and_ask(engine, prompt, written_step.text, written_step.ended, self.question)

        return self._by_target(prompt, judge)

    def rating(self, prompt: Prompt, written_step: WrittenStep) -> Assessment:
        """The target's rating of the step, as SpecReason has it (arXiv:2504.07891)."""
        return self._by_target(prompt, lambda engine: ([], ask(engine, _after(prompt, written_step), RATING)))[0]

    def _by_target(
        self, prompt: Prompt, judge: Callable[[Engine], tuple[list[Token], Verdict | None]]
    ) -> tuple[Assessment, list[Token]]:
        arrived, engine = self.clock(), self.models[Author.TARGET]
        unread = engine.tokens_read
        engine.read(prompt)
        caught_up = engine.tokens_read - unread
        began, before = self.clock(), _tokens_judged(engine)
        tokens, verdict = judge(engine)
        seconds, judged = self.clock() - began, _tokens_judged(engine) - before
        agreed = sum(token.is_argmax for token in tokens)
        likelihood = Likelihood.of([token.logprob for token in tokens], agreed, [token.entropy for token in tokens])
        return Assessment(Author.TARGET, verdict, likelihood, seconds, began - arrived, judged, caught_up), tokens


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


def _after(prompt: Prompt, written_step: WrittenStep) -> Prompt:
    return replace(prompt, reply=(*prompt.reply, written_step.text))


def _tokens_judged(engine: Engine) -> int:
    return engine.tokens_read + engine.verification_tokens


def _verdict(probabilities: Mapping[str, float], question: Question) -> Verdict:
    mass = sum(probabilities.values())
    value = sum(probabilities[label] * worth for label, worth in question.labels.items())
    return Verdict(p=value / mass if mass > 0 else 0.0, label_mass=mass)
