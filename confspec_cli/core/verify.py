"""Verification of a drafted step: prefills only, and the KV cache is rolled back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from confspec_cli.core.engine import Engine, Power
from confspec_cli.core.messages import Prompt, Token
from confspec_cli.core.prompts import SPECREASON_RATING, Question
from confspec_cli.core.trace import Assessment, Author, Likelihood, Verdict, WrittenStep


@dataclass(frozen=True, slots=True)
class Verifier:
    """Has the models assess drafted steps: by their verdict, unless there is no `question`, and by token likelihoods.

    `clock` gives seconds. Without `needs_scores` a target for which they are dear gives its verdict alone.
    """

    models: Mapping[Author, Engine]
    question: Question | None
    clock: Callable[[], float]
    needs_scores: bool = True

    def draft(self, prompt: Prompt, drafted: WrittenStep) -> Assessment:
        """The draft's own assessment of the step it has written after `prompt`."""
        began, engine = self.clock(), self.models[Author.DRAFT]
        before = _all_tokens_read(engine)
        question = self._question_for(engine)
        verdict = ask(engine, _after(prompt, drafted), question) if question else None
        tokens = _all_tokens_read(engine) - before
        return Assessment(Author.DRAFT, verdict, drafted.likelihood, self.clock() - began, tokens=tokens)

    def target(self, prompt: Prompt, drafted: WrittenStep) -> tuple[Assessment, list[Token]]:
        """The target's assessment, and the step's tokens as it has read them.

        It catches up on the prompt in one prefill and reads the step and the question in another. One that cannot score
        gives a verdict alone.
        """
        wanted = Power.SCORE if self.needs_scores else Power.CACHED_SCORE

        def verify(engine: Engine) -> tuple[list[Token], Verdict | None]:
            question = self._question_for(engine)
            if not {Power.SCORE, wanted} <= engine.powers:
                return [], ask(engine, _after(prompt, drafted), question) if question else None
            if question is None:
                return engine.score(prompt, drafted.text, drafted.ended), None
            return read_and_ask(engine, prompt, drafted.text, drafted.ended, question)

        return self._by_target(prompt, verify)

    def rating(self, prompt: Prompt, drafted: WrittenStep) -> Assessment:
        """The target's rating of the step, as in SpecReason (arXiv:2504.07891): the digit it would write."""
        return self._by_target(prompt, lambda engine: ([], _rate(engine, _after(prompt, drafted))))[0]

    def _question_for(self, engine: Engine) -> Question | None:
        return self.question if Power.LABELS in engine.powers else None

    def _by_target(
        self, prompt: Prompt, verify: Callable[[Engine], tuple[list[Token], Verdict | None]]
    ) -> tuple[Assessment, list[Token]]:
        arrived, engine = self.clock(), self.models[Author.TARGET]
        unread = engine.tokens_read
        engine.read(prompt)
        caught_up = engine.tokens_read - unread
        began, before = self.clock(), _all_tokens_read(engine)
        tokens, verdict = verify(engine)
        seconds, count = self.clock() - began, _all_tokens_read(engine) - before
        agreed = sum(token.is_argmax for token in tokens)
        likelihood = Likelihood.of([token.logprob for token in tokens], agreed, [token.entropy for token in tokens])
        return Assessment(Author.TARGET, verdict, likelihood, seconds, began - arrived, count, caught_up), tokens


def ask(engine: Engine, prompt: Prompt, question: Question) -> Verdict:
    """The model's verdict on the last segment of the reply.

    `p` is the expected value of the labels, given that one of them comes next; with yes and no that is
    P(yes) / (P(yes) + P(no)). `label_mass` is the probability that one of them does. Source: ConfSpec,
    arXiv:2602.18447.
    """
    return _verdict(engine.label_probs(_asking(prompt, question), tuple(question.labels)), question)


def read_and_ask(
    engine: Engine, prompt: Prompt, step: str, ends: bool, question: Question
) -> tuple[list[Token], Verdict]:
    """The step's tokens as the model reads them, and its verdict on the step, in one prefill."""
    tokens, probabilities = engine.judge(_asking(prompt, question), step, ends, tuple(question.labels))
    return tokens, _verdict(probabilities, question)


def _rate(engine: Engine, prompt: Prompt) -> Verdict:
    """The likeliest digit, as the share of 9 that it is; 0 where most likely no digit would be written."""
    question = SPECREASON_RATING
    probabilities = engine.label_probs(_asking(prompt, question), tuple(question.labels))
    mass = sum(probabilities.values())
    digit = max(probabilities, key=lambda label: probabilities[label], default="0")
    return Verdict(question.labels[digit] if mass >= 0.5 else 0.0, mass)


def _asking(prompt: Prompt, question: Question) -> Prompt:
    return replace(prompt, ask=question.text, prefill=question.prefill)


def _after(prompt: Prompt, drafted: WrittenStep) -> Prompt:
    return replace(prompt, reply=(*prompt.reply, drafted.text))


def _all_tokens_read(engine: Engine) -> int:
    return engine.tokens_read + engine.verification_tokens


def _verdict(probabilities: Mapping[str, float], question: Question) -> Verdict:
    mass = sum(probabilities.values())
    value = sum(probabilities[label] * worth for label, worth in question.labels.items())
    return Verdict(p=value / mass if mass > 0 else 0.0, label_mass=mass)
