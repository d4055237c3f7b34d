"""How one step was decided, told to a person: who wrote it, what each model made of it, which bound it met."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from confspec_cli.core.trace import Assessment, Author, Cause, Origin, Step
from confspec_cli.render import wording
from confspec_cli.render.layout import Page, body_of
from confspec_cli.render.symbols import Marks

_CAUSES = {
    Cause.ANSWER_NOW: "You wanted the answer at once.",
    Cause.ESCALATE_STEP: "You wanted the target to judge this step.",
    Cause.TARGET_FROM_HERE: "You wanted the target to write from here on.",
    Cause.NOT_PAYING: "Drafting did not pay, so the target wrote it alone.",
    Cause.PROBE: "The target wrote it to show how fast it writes.",
    Cause.DRAFT_FULL: "The context had no room left for drafting, so the target wrote it alone.",
    Cause.REPETITION: "The thinking went in circles, so it was closed.",
    Cause.THINK_BUDGET: "The tokens for thinking were used up.",
    Cause.UNCLOSED_THOUGHT: "The model ended inside its thinking, which was closed for it.",
    Cause.FORM: "The answer was wanted in a form.",
}


def account(step: Step, of: int, marks: Marks, page: Page) -> list[Text]:
    """Everything that is known of a step, `of` being the number of steps in its reply."""
    lines = page.line([f"Step {step.n} of {of}.", decision(step)], style="")
    for assessment in step.assessments:
        first, *more = _figures(assessment)
        lines += page.line([f"{assessment.by.value}: {first}", *more], marks.dot)
    if step.threshold is not None:
        lines += page.line([f"threshold: {step.threshold:.2f}"])
    if step.rejected_text is not None:
        lines += [Text(), *page.step(marks.dropped, body_of(step.rejected_text).text, "dim strike")]
    lines += [Text(), *page.step(marks.origin(step.origin), body_of(step.text).text)]
    return [*lines, *page.note([wording.cost(step.tokens, step.seconds)], marks.dot)]


def listing(steps: Sequence[Step], marks: Marks, page: Page) -> list[Text]:
    """Every step that says something, with its number and what the models made of it."""
    lines: list[Text] = []
    for step in steps:
        if not (text := body_of(step.text).text):
            continue
        lines += page.step(marks.origin(step.origin), text)
        first, *more = wording.confidence(step)
        for row in ([f"step {step.n}", *first], *more):
            lines += page.note(row, marks.dot)
        lines += [Text()]
    return lines[:-1]


def decision(step: Step) -> str:
    """Why the step is what it is, in a sentence."""
    if step.cause is Cause.UNSURE:
        return _unsure(step)
    if step.cause is not None:
        return _CAUSES[step.cause]
    return _gated(step) if step.assessments else _ungated(step)


def _ungated(step: Step) -> str:
    if step.rejected_text is not None:
        return "The draft repeated itself, so the target wrote the step."
    return f"Nothing was judged: it is the {'target' if step.origin is Origin.TARGET else 'draft'}'s own."


def _gated(step: Step) -> str:
    signal = "none" if step.confidence is None else f"{step.confidence:.2f}"
    bound = "none" if step.threshold is None else f"{step.threshold:.2f}"
    reached = step.confidence is not None and step.threshold is not None and step.confidence >= step.threshold
    if step.origin is Origin.DRAFT:
        return f"The draft's signal {signal} reached {bound}: accepted, and the target was not asked."
    if step.origin is Origin.ESCALATED:
        return f"The draft was not sure enough; the target's {signal} reached {bound}: the step stands."
    if step.assessment(Author.TARGET) is None:
        return f"The draft's signal {signal} is not above {bound}: rejected unasked, and the target wrote it again."
    why = "has too little certainty behind it to count" if reached else f"is below {bound}"
    if step.kept:
        return (
            f"The draft was not sure enough, and the target's {signal} {why}: it wrote on from where the draft stands."
        )
    return f"The draft was not sure enough, and the target's {signal} {why}: the target wrote it again."


def _unsure(step: Step) -> str:
    begins = "The draft stopped before a token it found too unlikely"
    if not step.assessments:
        return f"{begins}, the first of the step: the target wrote it."
    return f"{begins}; " + (
        "what stands of it stayed, and the target wrote on." if step.kept else "the target wrote it."
    )


def _figures(assessment: Assessment) -> list[str]:
    items = []
    if assessment.verdict is not None:
        items += [f"verdict p {assessment.verdict.p:.2f}", f"certainty {assessment.verdict.label_mass:.2f}"]
    if (likelihood := assessment.likelihood) is not None:
        items += [
            f"lowest likelihood {likelihood.lowest_p:.2f}",
            f"{likelihood.agreed} of {wording.count(likelihood.tokens, 'token')} its own first choice",
        ]
    return [*items, wording.duration(assessment.seconds)]
