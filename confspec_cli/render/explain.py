"""Why a step ended up as it did, in words: who wrote it, how confident each model was, which threshold decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from confspec_cli.core.gate import Gate, Signal, confidence_of
from confspec_cli.core.trace import Assessment, Author, Cause, Origin, Step
from confspec_cli.render import wording
from confspec_cli.render.layout import Page, body_of
from confspec_cli.render.symbols import Marks

_CAUSES = {
    Cause.ANSWER_NOW: "You asked for the answer right away.",
    Cause.ESCALATE_STEP: "You asked the target to check this step.",
    Cause.TARGET_FROM_HERE: "You asked the target to take over from here.",
    Cause.NOT_PAYING: "Drafting was slower than the target alone, so the target wrote this step.",
    Cause.TARGET_FIRST: "The gate has the target write the first step.",
    Cause.PROBE: "The target wrote this step so that its speed could be measured.",
    Cause.DRAFT_FULL: "The draft's context was full, so the target wrote this step.",
    Cause.REPETITION: "The thinking was repeating itself, so it was closed.",
    Cause.THINK_BUDGET: "The thinking budget was used up.",
    Cause.UNCLOSED_THOUGHT: "The model stopped while still thinking, so its thinking was closed for it.",
    Cause.FORM: "A specific answer format was requested.",
}
Parameters = Mapping[str, object]  # those of the run, as RunStarted has them


def why(step: Step, of: int, parameters: Parameters, marks: Marks, page: Page) -> list[Text]:
    """Everything known about a step; `of` is the number of steps in its reply."""
    lines = page.line([f"Step {step.n} of {of}.", decision(step, parameters)], style="")
    for assessment in step.assessments:
        first, *more = _figures(assessment)
        lines += page.line([f"{assessment.by.value}: {first}", *more], marks.dot)
    if rejected := (step.rejected_text or "")[len(step.kept) :].strip("\n"):
        pieces = [(step.kept, "dim"), (rejected, "dim strike")]
        lines += [Text(), *page.step(marks.dropped.numbered(None), body_of(step.kept + rejected).text, pieces)]
    lines += [Text(), *page.step(marks.origin(step).numbered(step.n), body_of(step.text).text)]
    return [*lines, *page.note([wording.cost(step.tokens, step.seconds)], marks.dot)]


def listing(steps: Sequence[Step], marks: Marks, page: Page) -> list[Text]:
    """Every step that has text, with its number and each model's confidence."""
    lines: list[Text] = []
    for step in steps:
        if not (text := body_of(step.text).text):
            continue
        lines += page.step(marks.origin(step).numbered(step.n), text)
        for row in wording.confidence(step):
            lines += page.note(row, marks.dot)
        lines += [Text()]
    return lines[:-1]


def decision(step: Step, parameters: Parameters) -> str:
    """Why the step is what it is, in a sentence that names the values compared."""
    if step.cause is Cause.UNSURE:
        return _unsure(step)
    if step.cause is Cause.NOT_PAYING and parameters.get("worth_drafting") is False:
        return "Drafting was off: it measured slower than the target alone on this kind of work."
    if step.cause is not None:
        return _CAUSES[step.cause]
    return _gated(step, parameters) if step.assessments else _ungated(step)


def _ungated(step: Step) -> str:
    if step.rejected_text is not None:
        return "The draft repeated itself, so the target wrote the step."
    return f"Written by the {'target' if step.origin is Origin.TARGET else 'draft'}; nothing to check."


def _gated(step: Step, parameters: Parameters) -> str:
    confidence = "unknown" if step.confidence is None else f"{step.confidence:.2f}"
    threshold = "unknown" if step.threshold is None else f"{step.threshold:.2f}"
    if step.origin is Origin.DRAFT:
        return f"The draft's confidence {confidence} reached {threshold}: accepted without asking the target."
    if step.assessment(Author.TARGET) is None:
        return (
            f"The draft's confidence {confidence} is not above {threshold}: "
            "rejected without asking the target, which rewrote it."
        )
    asked = f"The draft was unsure{_shortfall(step, parameters)}, so the target checked it: "
    if step.origin is Origin.ESCALATED:
        return f"{asked}its confidence {confidence} reached {threshold}, so the step was accepted."
    reached = step.confidence is not None and step.threshold is not None and step.confidence >= step.threshold
    found = f"its verdict {confidence} is too uncertain to count" if reached else f"{confidence} < {threshold} needed"
    did = "kept the beginning and finished the step" if step.kept else "rewrote it"
    return f"{asked}{found}; the target {did}."


def _shortfall(step: Step, parameters: Parameters) -> str:
    """By how much the draft missed the accept threshold, where the run's parameters tell."""
    assessment, accept = step.assessment(Author.DRAFT), parameters.get("accept")
    signal = parameters.get("signal")
    if assessment is None or not isinstance(accept, float) or signal == Signal.COMBINED:
        return ""
    value = confidence_of(assessment, Gate(Signal(signal)))
    return "" if value is None or value >= accept else f" ({value:.2f} < accept {accept:.2f})"


def _unsure(step: Step) -> str:
    if not step.assessments:
        return "The draft was unsure at the step's first token, so the target wrote it."
    stopped = "The draft stopped at a token it found too unlikely"
    return f"{stopped}; " + (
        "the target kept the beginning and finished the step." if step.kept else "the target rewrote the step."
    )


def _figures(assessment: Assessment) -> list[str]:
    items = []
    if assessment.verdict is not None:
        items += [f"verdict {assessment.verdict.p:.2f}", f"label mass {assessment.verdict.label_mass:.2f}"]
    if (likelihood := assessment.likelihood) is not None:
        items += [
            f"least likely token {likelihood.lowest_p:.2f}",
            f"its own top choice for {likelihood.agreed} of {wording.count(likelihood.tokens, 'token')}",
        ]
    return [*items, wording.duration(assessment.seconds)]
