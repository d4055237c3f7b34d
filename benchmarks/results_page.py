"""docs/results.md, written from the results beside it: every figure of the page is counted from a committed record.

    python -m benchmarks.results_page [RESULTS …]

takes results in, without the texts in them, and writes the page anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from confspec_cli.core.frontier import ChoiceReason, MeasuredGate
from confspec_cli.core.run_config import Mode
from confspec_cli.evaluate.calibration import Promise, knowledge
from confspec_cli.evaluate.calibration_tables import frontier_sheet, signals_sheet
from confspec_cli.evaluate.comparison_words import in_words
from confspec_cli.evaluate.gate_trials import USUAL_SIGNALS, candidates, costs_of, frontier
from confspec_cli.evaluate.labels import chains_of
from confspec_cli.evaluate.plots import draw
from confspec_cli.evaluate.results import Results, read_results, without_speculation, without_text
from confspec_cli.evaluate.summary import Summary, summarise
from confspec_cli.evaluate.tables import tables
from confspec_cli.files import write_atomically
from confspec_cli.models.registry import Pair, load
from confspec_cli.storage.jsonl_log import JsonlLog

DOCS = Path("docs")
_BOUNDS = ("accept", "min_token_prob", "target")
_NAMES = {
    "gsm8k": "GSM8K, from problem 200 of its test part on: arithmetic in words, graded by the number",
    "mbpp": "MBPP, from problem 91 of its test part on: functions to complete, graded by running their tests",
    "mbpp-mixed": "MBPP, from problem 151 of its test part on, the draft on a GPU and the target on 16 cores",
    "mbpp-vllm": "MBPP, from problem 91 of its test part on, the target behind a vLLM",
}
_HEAD = """<!-- Written by `python -m benchmarks.results_page`; do not edit. -->
# Results

Every mode solved every problem, one after the other on the same machine, each from an empty cache, and the modes took
turns at going first. All figures are counted from the records in [results/](results/), which hold everything but the
texts; `confspec bench show docs/results/FILE` prints the tables again. Greedy decoding. Modes are compared problem by
problem, as the interval of one mode alone says nothing about its difference from another. Intervals are 95 %: Wilson's
for accuracy, Tango's score interval for paired differences, bootstrapped over problems for speed-ups. The machine was
shared with other work, so seconds are those of a loaded machine; ratios are within one run.
"""
_PLOTS = """## Plots

![Accuracy against speed-up](results/accuracy.svg)

![Time by phase](results/phases.svg)
"""
_GATES = """## Where the gates come from

`confspec calibrate` tries gates on whole replies to problems other than those above, and where one is sure to lose no
more of the target's right answers than promised, the fastest such gate is used. The answers are in
[results/](results/) too; the speed-up is at what a token cost on the machine that they were made on, and won are
problems that the target alone gets wrong.

"""
_LABELS = """## What the signals know

The draft's steps on problems other than those above, labelled by whether the target still gets to the right answer from
them (`confspec calibrate --label`). A signal knows something where its AUROC is above 0.5. `tiny`'s gate of arithmetic
was chosen by these labels, before gates were tried on whole replies.
"""


def page(folder: Path) -> str:
    """The page, from the records in a folder."""
    parts = [_HEAD]
    for path in results_in(folder):
        parts.append(_section(path.stem, read_results(JsonlLog(path).lines(), path.name)))
    parts += [_PLOTS, _GATES + "\n".join(map(_tried, sorted(folder.glob("*.calibration.jsonl"))))]
    parts += [_gates(list(load(None).pairs.values())), _labelled(folder)]
    return "\n".join(parts)


def results_in(folder: Path) -> list[Path]:
    """The files of a folder that hold runs of a benchmark; the others are records of calibrations."""
    return sorted((path for path in folder.glob("*.jsonl") if path.name.count(".") == 1), key=lambda path: path.stem)


def frontier_in(path: Path, confidence: float) -> tuple[MeasuredGate, ...]:
    """What the records of a calibration say of the gates that were tried."""
    answers = _answers_in(path)
    names = next(answer["gates"] for answer in answers if "gates" in answer)
    gates = {name: gate for name, gate in candidates(USUAL_SIGNALS).items() if name in names}
    return frontier(answers, gates, confidence)


def _answers_in(path: Path) -> list[dict[str, Any]]:
    return [record for record in map(json.loads, JsonlLog(path).lines()) if record["record"] == "answers"]


def _tried(path: Path) -> str:
    """What a calibration found of each gate, as a table."""
    promise, answers = Promise(), _answers_in(path)
    sheet = frontier_sheet(frontier_in(path, promise.confidence), promise, costs_of(answers))
    missed = [answer["gates"] for answer in answers if "gates" in answer and not answer["alone"]["right"]]
    won = [str(sum(gates[name]["right"] for gates in missed)) for name, *_ in sheet.rows]
    rows = [(*row, count) for row, count in zip(sheet.rows, won, strict=True)]
    sheet = replace(sheet, header=(*sheet.header, f"won of {len(missed)}"), rows=rows)
    elsewhere = sum("costs" not in answer for answer in answers)
    but = f", {elsewhere} of them answered on another machine, whose costs are left out" if elsewhere else ""
    return f"`{path.name}`: {len(answers)} problems{but}.\n\n{sheet.markdown()}"


def _section(stem: str, results: Results) -> str:
    summary = summarise(results)
    around = results.conditions[-1].system_snapshot
    pair, _, kind = stem.partition("-")
    settings: dict[str, Any] = next(
        next(iter(by_task.values()))
        for mode, by_task in results.conditions[-1].fixed["settings"].items()
        if without_speculation(mode) == Mode.CONFSPEC.value
    )
    files = " and ".join(model[0] for model in results.conditions[-1].fixed["models"].values())
    library = f"llama-cpp-python {around['llama-cpp-python']}, " if "llama-cpp-python" in around else ""
    lines = [
        f"## {pair} on {_NAMES.get(kind, kind)}",
        "",
        f"{files}; {around['processor']}, {around['cores']} cores, {_gpu(around)}; {library}"
        f"confspec {around['confspec']}, {around['date'][:10]}; at most {settings['max_tokens']} tokens a reply. "
        + _gate_in(settings),
        "",
        *(sheet.markdown() for sheet in tables(summary)),
        _plainly(summary),
        "",
    ]
    return "\n".join(lines)


def _gate_in(settings: dict[str, Any]) -> str:
    """Who wrote in the mode confspec, by its settings."""
    if settings.get("gate_reason") == ChoiceReason.NONE_KEEPS.value:
        return "No measured gate keeps the promise, so the target writes alone."
    if "gate" in settings:
        return f"Gate: {settings['gate']}."
    return f"Gate: {settings['signal']}, " + ", ".join(f"{key} {settings[key]:g}" for key in _BOUNDS) + "."


def _plainly(summary: Summary) -> str:
    """What the tables say, without being asked."""
    return "**In plain words.** " + " ".join(map(in_words, summary.comparisons))


def _gates(pairs: Sequence[Pair]) -> str:
    """The gates that ship, and what they were measured on."""
    parts = []
    for pair in pairs:
        for task in ("math", "qa", "code", "plain"):
            gate, how = getattr(pair.gates, task), getattr(pair.calibrations, task)
            if not gate or not how:
                continue
            measured = f"{how.problems} problems ({how.data}), {how.date}"
            limit = f"at most {how.bound:.0%} lost, with {how.confidence:.0%} confidence"
            if how.frontier and all(one.bound > how.bound for one in how.frontier):
                parts.append(f"- `{pair.name}` on {task}: the target alone, as no gate kept to {limit}, on {measured}.")
            else:
                parts.append(
                    f"- `{pair.name}` on {task}: {gate.signal.value}, accept {gate.accept:g}, "
                    f"min token probability {gate.min_token_prob:g}, target {gate.target:g}, "
                    f"{'drafting pays' if gate.worth_drafting else 'drafting does not pay'}; {limit}, on {measured}."
                )
    return "\n".join(parts) + "\n"


def _labelled(folder: Path) -> str:
    """What each signal knows of the steps that were labelled."""
    parts = [_LABELS]
    for path in sorted(folder.glob("*.labels.jsonl")):
        records = [json.loads(line) for line in JsonlLog(path).lines()]
        chains = chains_of([record for record in records if record["record"] == "problem"])
        solved = sum(chains.solved.values())
        parts += [f"`{path.name}`: {len(chains.solved)} problems, {solved} solved by the target.", ""]
        parts += [signals_sheet(knowledge(chains), chains).markdown()]
    return "\n".join(parts)


def _gpu(around: dict[str, Any]) -> str:
    return "no GPU" if not any(around.get("gpu_layers", {}).values()) else "with a GPU"


def _taken_in(source: Path, folder: Path) -> None:
    """Put results beside the page, without the texts in them."""
    lines = [json.dumps(without_text(json.loads(line))) for line in JsonlLog(source).lines()]
    write_atomically(folder / source.name, "\n".join(lines) + "\n")


def main() -> None:
    """The command line of this module: take results in, draw the plots, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="*", type=Path)
    given = parser.parse_args()
    folder = DOCS / "results"
    folder.mkdir(parents=True, exist_ok=True)
    for path in given.results:
        _taken_in(path, folder)
    summaries = [(path.stem, summarise(read_results(JsonlLog(path).lines(), path.name))) for path in results_in(folder)]
    draw([replace(summary, name=stem) for stem, summary in summaries], folder)
    write_atomically(DOCS / "results.md", page(folder))


if __name__ == "__main__":
    main()
