"""The sentences and figures that renderers share: how a run ended, what a step was judged to be, what it all took."""

from __future__ import annotations

from collections.abc import Sequence

from confspec_cli.core.events import RunFinished, RunStarted
from confspec_cli.core.stats import Rate, RunStats
from confspec_cli.core.trace import Assessment, Author, DropReason, FinishReason, Step, WrittenStep


def ending(finished: RunFinished, started: RunStarted | None) -> str:
    """Why the run ended, in a sentence; empty where the answer is complete."""
    tokens = started.parameters.get("max_tokens") if started else None
    budget = f"budget of {tokens} tokens" if tokens else "token budget"
    before = "before the reply was complete" if finished.answer else "before an answer"
    return {
        FinishReason.STOP: "",
        FinishReason.LENGTH: f"The {budget} is used up {before}.",
        FinishReason.CONTEXT: f"The context is full {before}.",
        FinishReason.REPETITION: f"The reply went in circles and was stopped {before}.",
        FinishReason.INTERRUPTED: "Interrupted.",
    }[finished.reason]


def confidence(step: Step) -> list[list[str]]:
    """What the models made of the drafted text of a step, a row each, and what the step took."""
    rows = [_reading(assessment) for assessment in step.assessments] or [[]]
    if step.threshold is not None:
        rows[-1].append(f"threshold {step.threshold:.2f}")
    rows[-1].append(cost(step.tokens, step.seconds))
    return rows


def cost(tokens: int, seconds: float) -> str:
    """What a step took."""
    return f"{count(tokens, 'token')}, {duration(seconds)}"


def rejection(written_step: WrittenStep, reason: DropReason) -> list[str]:
    """Why a draft was dropped, and what it took."""
    return [reason.value, cost(written_step.tokens, written_step.seconds)]


def summary(stats: RunStats) -> list[str]:
    """The run in one line."""
    items = [_steps(stats), _tokens(stats)]
    if stats.wasted_tokens:
        items.append(f"{stats.wasted_tokens} wasted")
    items.append(duration(stats.seconds))
    if stats.tokens_per_second is not None:
        items.append(f"{stats.tokens_per_second:.0f} tokens/s")
    return items


def breakdown(stats: RunStats) -> list[str]:
    """The run in several lines: what was judged and where the time went."""
    phases = (
        ("draft writing", stats.decode[Author.DRAFT]),
        ("draft catching up", stats.prefill[Author.DRAFT]),
        ("draft judging", stats.verification[Author.DRAFT]),
        ("target judging", stats.verification[Author.TARGET]),
        ("target catching up", stats.prefill[Author.TARGET]),
        ("target writing", stats.decode[Author.TARGET]),
        ("everything else", max(0.0, stats.seconds - stats.accounted_seconds)),
    )
    guessing = [resolved for resolved in Author if stats.speculation_accepted[resolved]]
    rates = (
        ("accepted by draft", stats.accepted, "judged"),
        ("escalated", stats.escalated, "judged"),
        ("accepted by target", stats.accepted_by_target, "escalated"),
        *(
            (f"{resolved.value} guessed", Rate(stats.speculation_accepted[resolved], stats.written[resolved]), "tokens")
            for resolved in guessing
        ),
    )
    turned = f"{count(stats.undrafted, 'step')} by the target alone, turned {count(stats.turns, 'time')}"
    ahead = f"{count(stats.ahead, 'token')} while the target judged, {stats.unused} thrown away"
    return [
        *([f"{'drafting off':<20}{turned}"] if stats.turns or stats.undrafted else []),
        *([f"{'drafted ahead':<20}{ahead}"] if stats.ahead else []),
        *(f"{name:<20}{_rate(rate, of)}" for name, rate, of in rates if rate.whole),
        *(f"{name:<20}{_phase(seconds, stats.seconds)}" for name, seconds in phases if seconds > 0),
        *(
            [f"{'all verification':<20}{_phase(sum(stats.verification.values()), stats.seconds)}"]
            if stats.accepted.whole
            else []
        ),
    ]


def duration(seconds: float) -> str:
    """A time as a person would say it."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 6000:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    return f"{int(seconds) // 3600} h {int(seconds) // 60 % 60} min"


def count(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def counted(parameters: int) -> str:
    """How many parameters, as models are named: "0.5B", "135M"."""
    if parameters >= 950_000_000:
        return f"{parameters / 1e9:.1f}B"
    return f"{parameters / 1e6:.0f}M" if parameters >= 1_000_000 else str(parameters)


def columns(rows: Sequence[tuple[str, ...]], width: int = 0, folded: int = 0) -> str:
    """Rows of cells in columns as wide as they must be; where that is more than `width`, if one is given, the last
    `folded` cells of each row stand on a line below it."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    if not 0 < width < max(map(len, lines)):
        return "\n".join(lines)
    upper = columns([row[:-folded] for row in rows]).splitlines()
    lower = ["  ".join(cell for cell in row[-folded:] if cell != "-") for row in rows]
    return "\n".join(line for pair in zip(upper, (f"    {line}" for line in lower), strict=True) for line in pair)


def _reading(assessment: Assessment) -> list[str]:
    items = []
    if assessment.verdict is not None:
        items += [f"p {assessment.verdict.p:.2f}", f"certainty {assessment.verdict.label_mass:.2f}"]
    if assessment.likelihood is not None:
        items.append(f"lowest {assessment.likelihood.lowest_p:.2f}")
    if items and assessment.by is Author.TARGET:
        items[0] = f"target {items[0]}"
    return items


def _steps(stats: RunStats) -> str:
    names = ", ".join(f"{number} {origin.value}" for origin, number in stats.steps.items() if number)
    total = sum(stats.steps.values())
    return f"{count(total, 'step')}: {names}" if names else count(total, "step")


def _tokens(stats: RunStats) -> str:
    total, target = stats.total_tokens, stats.tokens[Author.TARGET]
    if not target:
        return f"{count(total, 'token')}, all by the draft" if total else count(total, "token")
    if target == total:
        return f"{count(total, 'token')}, all by the target"
    return f"{count(total, 'token')}, {target} ({_percent(target / total)}) by the target"


def _rate(rate: Rate, of: str) -> str:
    return f"{rate.part} of {rate.whole} {of} ({_percent(rate.share or 0)})"


def _phase(seconds: float, total: float) -> str:
    share = _percent(seconds / total) if total else ""
    return f"{duration(seconds):>9} {share:>5}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
