"""Sentences and figures that the renderers share: how a run ended, confidence, timing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from confspec_cli.core.events import GateChosen, RunFinished, RunStarted, StepDropped, StepJudged
from confspec_cli.core.frontier import ALONE, ChoiceReason, GateChoice
from confspec_cli.core.stats import Rate, RunStats
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Assessment, Author, DropReason, FinishReason, Origin, Step
from confspec_cli.render.layout import flow, wrap

_SHORTEST = 0.05  # seconds that are not shown as 0.0


def choice(chosen: GateChosen) -> str:
    """The gate that was chosen, what is predicted of it, and why it was taken."""
    basis = "measured here" if chosen.is_measured else "estimated"
    against = f"{chosen.alone / chosen.seconds:.2f}x the target alone" if chosen.seconds else "no time at all"
    why = reason(chosen.gate, chosen.reason)
    if chosen.gate == ALONE:
        return f"gate: the target alone, about {duration(chosen.seconds)} an answer ({basis}); {why}"
    return f"gate: {chosen.gate}, about {duration(chosen.seconds)} an answer, {against} ({basis}); {why}"


def reason(gate: str, why: ChoiceReason) -> str:
    """Why a gate, or the target alone, was chosen."""
    match why:
        case ChoiceReason.ASKED_FOR:
            return "as asked"
        case ChoiceReason.NONE_KEEPS:
            return "no measured gate keeps the promised accuracy"
    return "no gate that keeps the promised accuracy is faster here" if gate == ALONE else "the fastest here"


def predicted(pair: str, choices: Mapping[TaskName, GateChoice]) -> str:
    """How fast a pair writes each kind of work on this machine, by which gate, and what that is known from."""
    parts = []
    for task, choice in choices.items():
        how = "as" if choice.name == ALONE else f"{choice.speedup:.2f} times as fast as"
        why = reason(ALONE, choice.reason) if choice.name == ALONE else f"gate {choice.name}"
        parts.append(f"{task.value} {how} the target alone ({why})")
    timed = [choice.is_measured for choice in choices.values() if choice.reason is not ChoiceReason.NONE_KEEPS]
    if all(timed):
        basis = "; by what tokens have cost here" if timed else ""
    else:
        basis = "; estimated from the sizes of the files until runs here have measured it"
    return f"On this machine {pair} writes {', '.join(parts)}{basis}."


def ending(finished: RunFinished, started: RunStarted | None, step: int, is_chat: bool = False) -> str:
    """Why the run ended while `step` was being written, in a sentence; empty when the answer is complete."""
    tokens = started.parameters.get("max_tokens") if started else None
    before = "before the reply was complete" if finished.answer else "before an answer"
    stopped = (
        f"Stopped at the limit of {tokens} tokens, {before}." if tokens else f"Stopped at the token limit, {before}."
    )
    option = "/set max_tokens" if is_chat else "-n"
    more = f" Raise it with {option} {2 * tokens}." if isinstance(tokens, int) else ""
    return {
        FinishReason.STOP: "",
        FinishReason.LENGTH: stopped + more,
        FinishReason.CONTEXT: f"The context filled up {before}.",
        FinishReason.REPETITION: "Stopped: the reply was repeating itself.",
        FinishReason.FAILED: f"Failed after {duration(finished.seconds)}, in step {step}." if finished.reply else "",
        FinishReason.INTERRUPTED: f"Interrupted after {duration(finished.seconds)}, in step {step}.",
    }[finished.reason]


def confidence(step: Step) -> list[list[str]]:
    """Each model's confidence in a draft step, one row per model, and what the step took."""
    rows = [_assessment(assessment, step) for assessment in step.assessments] or [[]]
    rows[-1].append(cost(step.tokens, step.seconds))
    return rows


def cost(tokens: int, seconds: float) -> str:
    """What a step took."""
    return f"{count(tokens, 'token')}, {duration(seconds)}"


def rejection(dropped: StepDropped, judged: Sequence[StepJudged]) -> list[str]:
    """Why a draft step was dropped, with the values compared, and what it took. `judged` led to it."""
    step = dropped.written_step
    match dropped.reason:
        case DropReason.UNSURE if not step.tokens:
            return ["draft unsure at its first token", duration(step.seconds)]
        case DropReason.UNSURE:
            return [f"draft unsure, handed over after {count(step.tokens, 'token')}", duration(step.seconds)]
        case DropReason.REPEATED:
            why = "the draft repeated itself"
        case DropReason.STEERED:
            why = "stopped at your request"
        case DropReason.REJECTED:
            why = _rejected_by(judged[-1]) if judged else "rejected"
    kept = [f"{dropped.kept_tokens} of them kept"] if dropped.kept else []
    return [why, cost(step.tokens, step.seconds), *kept]


def _rejected_by(judged: StepJudged) -> str:
    by = f"rejected by the {judged.assessment.by.value}"
    if judged.confidence is None or judged.threshold is None:
        return by
    below = "<" if judged.confidence < judged.threshold else "<="
    return f"{by} ({judged.confidence:.2f} {below} {judged.threshold:.2f})"


def summary(stats: RunStats) -> list[str]:
    """The run in one line."""
    return [_steps(stats), _tokens(stats), *pace(stats)]


def pace(stats: RunStats) -> list[str]:
    """How long the run took, how fast it was, and how much faster than the target alone, as far as that is known."""
    items = [duration(stats.seconds)]
    if stats.tokens_per_second is not None:
        rate = stats.tokens_per_second
        items.append(f"{rate:.0f} tokens/s" if rate >= 10 else f"{rate:.1f} tokens/s")
    if stats.estimated_speedup is not None:
        items.append(f"about {stats.estimated_speedup:.1f}x the target alone")
    if stats.costs:
        items.append(money(stats.costs))
        if stats.target_alone and stats.written[Author.DRAFT]:
            items.append(f"target alone about {money(stats.target_alone)}")
    return items


def money(amounts: Mapping[str, float]) -> str:
    """Amounts by currency, to two digits at least: "0.0021 USD"."""
    return " and ".join(
        f"{amount:.{max(2, 1 - math.floor(math.log10(amount))) if amount > 0 else 0}f} {currency}"
        for currency, amount in amounts.items()
    )


def rates(stats: RunStats) -> list[str]:
    """What became of the steps and tokens, in lines."""
    rows = [
        ("accepted by draft", stats.accepted, "checked"),
        ("escalated", stats.escalated, "checked"),
        ("accepted by target", stats.accepted_by_target, "escalated"),
        ("written by target", Rate(stats.tokens[Author.TARGET], stats.total_tokens), "tokens"),
        ("discarded", Rate(stats.wasted_tokens, stats.written[Author.DRAFT]), "drafted tokens"),
        *(
            (f"{author.value} speculated", Rate(stats.speculation_accepted[author], stats.written[author]), "tokens")
            for author in Author
            if stats.speculation_accepted[author]
        ),
    ]
    undrafted = f"{count(stats.undrafted, 'step')} written by the target alone (drafting doesn't pay here)"
    return [
        *([undrafted] if stats.undrafted else []),
        *(f"{name:<20}{_rate(rate, of)}" for name, rate, of in rows if rate.whole),
    ]


def phases(stats: RunStats) -> list[tuple[str, float]]:
    """Where the time went, every second once, without what took no time to speak of."""
    rows = (
        ("draft decode", stats.decode[Author.DRAFT]),
        ("draft prefill", stats.prefill[Author.DRAFT]),
        ("draft verification", stats.verification[Author.DRAFT]),
        ("target verification", stats.verification[Author.TARGET]),
        ("target prefill", stats.prefill[Author.TARGET]),
        ("target decode", stats.decode[Author.TARGET]),
        ("everything else", stats.seconds - stats.accounted_seconds),
    )
    return [(name, seconds) for name, seconds in rows if seconds >= _SHORTEST]


def phase(name: str, seconds: float, stats: RunStats) -> str:
    """One of the phases as a line."""
    share = _percent(seconds / stats.seconds) if stats.seconds else ""
    return f"{name:<20}{duration(seconds):>9} {share:>5}"


def breakdown(stats: RunStats) -> list[str]:
    """The run in several lines: what became of the steps, and where the time went."""
    return [*rates(stats), *(phase(name, seconds, stats) for name, seconds in phases(stats))]


def duration(seconds: float) -> str:
    """A time for people."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 6000:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    return f"{int(seconds) // 3600} h {int(seconds) // 60 % 60} min"


def count(number: int, noun: str) -> str:
    """A number with its noun in the singular or plural."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def counted(parameters: int) -> str:
    """A number of parameters the way models are named: "0.5B", "135M"."""
    if parameters >= 950_000_000:
        return f"{parameters / 1e9:.1f}B"
    return f"{parameters / 1e6:.0f}M" if parameters >= 1_000_000 else str(parameters)


def columns(rows: Sequence[tuple[str, ...]], width: int = 0, folded: int = 0) -> str:
    """Rows of cells in aligned columns; if that is wider than `width`, the last `folded` cells of each row go on a line
    of their own below it, or on more."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    if not 0 < width < max(map(len, lines)):
        return "\n".join(lines)
    upper = columns([row[:-folded] for row in rows]).splitlines()
    lower = [flow([cell for cell in row[-folded:] if cell != "-"], "  ", max(8, width - 4)) for row in rows]
    return "\n".join(
        line for row, cells in zip(upper, lower, strict=True) for line in (row, *(f"    {one}" for one in cells))
    )


def labelled(rows: Sequence[tuple[str, str]], width: int = 0) -> str:
    """Texts beside their labels; those longer than `width` leaves room for go on in their column."""
    said = []
    for label, text in rows:
        first, *more = wrap(text, max(8, width - 13)) if width else [text]
        said += [f"{label:<12} {first}", *(f"{'':<13}{line}" for line in more)]
    return "\n".join(said)


def _assessment(assessment: Assessment, step: Step) -> list[str]:
    """The confidence of one model; beside the value that decided about the step, what it needed to reach."""
    values = []
    if assessment.verdict is not None:
        values.append(("verdict", assessment.verdict.p))
    if assessment.likelihood is not None:
        values.append(("least likely token", assessment.likelihood.lowest_p))
    decided = step.confidence if assessment is step.assessments[-1] else None
    if decided is not None and all(value != decided for _, value in values):
        values.append(("combined", decided))
    needs = "" if step.threshold is None else f" (needs {step.threshold:.2f})"
    items = [f"{name} {value:.2f}" + (needs if value == decided else "") for name, value in values]
    return [f"{assessment.by.value}: {items[0]}", *items[1:]] if items else []


def _steps(stats: RunStats) -> str:
    words = {Origin.INJECTED: "inserted"}
    names = ", ".join(f"{number} {words.get(origin, origin.value)}" for origin, number in stats.steps.items() if number)
    total = sum(stats.steps.values())
    return f"{count(total, 'step')}: {names}" if names else count(total, "step")


def _tokens(stats: RunStats) -> str:
    total, target = stats.total_tokens, stats.tokens[Author.TARGET]
    if not target:
        return f"{count(total, 'token')}, all from the draft" if total else count(total, "token")
    if target == total:
        return f"{count(total, 'token')}, all from the target"
    return f"{count(total, 'token')}, {target} ({_percent(target / total)}) from the target"


def _rate(rate: Rate, of: str) -> str:
    return f"{rate.part} of {rate.whole} {of} ({_percent(rate.share or 0)})"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
