"""docs/results.md, written from the results beside it: every figure of the page is counted from a committed record.

    python -m benchmarks.results_page [RESULTS …]

takes results in, without the texts in them, and writes the page anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from confspec_cli.core.run_config import Mode
from confspec_cli.evaluate.calibration import knowledge
from confspec_cli.evaluate.calibration_tables import signals_sheet
from confspec_cli.evaluate.comparison_words import in_words
from confspec_cli.evaluate.labels import chains_of
from confspec_cli.evaluate.plots import draw
from confspec_cli.evaluate.results import Results, read_results, without_text
from confspec_cli.evaluate.summary import Summary, summarise
from confspec_cli.evaluate.tables import tables
from confspec_cli.files import write_atomically
from confspec_cli.models.registry import Pair, load
from confspec_cli.storage.jsonl_log import JsonlLog

DOCS = Path("docs")
_WORK = {
    "humaneval": "HumanEval, from the first problem on: functions to complete, graded by running their tests",
    "gsm8k": "GSM8K, from the first problem of its test part on: arithmetic in words, graded by the number",
    "math500": "MATH-500, from the first problem on: competition mathematics, graded by the formula",
}
_NAMES = _WORK | {
    f"{kind}-guessing": f"{work}; again, with and without tokens guessed ahead" for kind, work in _WORK.items()
}
_HEAD = """<!-- Written by `python -m benchmarks.results_page`; do not edit. -->
# Results

Every mode solved every problem, one after the other on the same machine, each from an empty cache, and the modes took
turns at going first. All figures are counted from the records in [results/](results/), which hold everything but the
texts; `confspec bench show docs/results/FILE` prints the tables again. Greedy decoding. Modes are compared problem by
problem, as the interval of one mode alone says nothing about its difference from another. Intervals are 95 %: Wilson's
for accuracy, Tango's score interval for paired differences, bootstrapped over problems for speed-ups. The machine was
shared with other work, so seconds are those of a loaded machine; ratios are within one run.

In these records `specreason` took the expected value of the ten digits for the rating, and steps of up to 200 tokens;
since then the mode is as its authors have it (the likeliest digit, 512 tokens), and has not been measured again.
"""
_PLOTS = """## Plots

![Accuracy against speed-up](results/accuracy.svg)

![Time by phase](results/phases.svg)
"""
_GATES = """## Where the gates come from

`confspec calibrate` labels the draft's steps on problems other than those above, by whether the target still gets to
the right answer from them, and takes the gate that gains most while the share of problems lost to the target stays
below a bound. What the draft gets right and the target does not is not counted as a gain, so the loss in accuracy is
smaller.
The labels are in [results/](results/) too. A signal knows something where its AUROC is above 0.5.
"""


def page(folder: Path) -> str:
    """The page, from the results and labels in a folder."""
    parts = [_HEAD]
    for path in sorted(folder.glob("*.jsonl"), key=lambda path: path.stem):
        if not path.name.endswith(".labels.jsonl"):
            parts.append(_section(path.stem, read_results(JsonlLog(path).lines(), path.name)))
    parts.append(_PLOTS)
    parts.append(_calibration(folder, list(load(None).pairs.values())))
    return "\n".join(parts)


def _section(stem: str, results: Results) -> str:
    summary = summarise(results)
    around = results.conditions[-1].system_snapshot
    pair, _, kind = stem.partition("-")
    settings: dict[str, Any] = next(
        iter(results.conditions[-1].fixed["settings"].get(Mode.CONFSPEC.value, {}).values()), {}
    )
    bounds = ", ".join(f"{key} {settings[key]:g}" for key in ("accept", "min_token_prob", "target") if key in settings)
    files = " and ".join(model[0] for model in results.conditions[-1].fixed["models"].values())
    limit = f"at most {settings['max_tokens']} tokens a reply" if settings else ""
    lines = [
        f"## {pair} on {_NAMES.get(kind, kind)}",
        "",
        f"{files}; {around['processor']}, {around['cores']} cores, {_gpu(around)}; llama-cpp-python "
        f"{around.get('llama-cpp-python', '')}, confspec {around['confspec']}, {around['date'][:10]}; {limit}. "
        f"Gate: {settings.get('signal', '')}, {bounds}"
        + ("." if settings.get("worth_drafting", True) else "; drafting is not worth it, so the target begins alone."),
        "",
        *(sheet.markdown() for sheet in tables(summary)),
        _plainly(summary),
        "",
    ]
    return "\n".join(lines)


def _plainly(summary: Summary) -> str:
    """What the tables say, without being asked."""
    return "**In plain words.** " + " ".join(map(in_words, summary.comparisons))


def _calibration(folder: Path, pairs: Sequence[Pair]) -> str:
    """What the shipped gates were measured on."""
    parts = [_GATES]
    for path in sorted(folder.glob("*.labels.jsonl")):
        records = [json.loads(line) for line in JsonlLog(path).lines()]
        chains = chains_of([record for record in records if record["record"] == "problem"])
        solved = sum(chains.solved.values())
        parts += [f"`{path.name}`: {len(chains.solved)} problems, {solved} solved by the target.", ""]
        parts += [signals_sheet(knowledge(chains), chains).markdown()]
    for pair in pairs:
        for task in ("math", "qa", "code", "plain"):
            gate, how = getattr(pair.gates, task), getattr(pair.calibrations, task)
            if gate and how:
                parts += [
                    f"- `{pair.name}` on {task}: {gate.signal.value}, accept {gate.accept:g}, "
                    f"min token probability {gate.min_token_prob:g}, target {gate.target:g}, "
                    f"{'drafting pays' if gate.worth_drafting else 'drafting does not pay'}; "
                    f"at most {how.bound:.0%} lost, "
                    f"with {how.confidence:.0%} confidence, on {how.problems} problems ({how.data}), {how.date}."
                ]
    return "\n".join(parts) + "\n"


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
    every = [
        path
        for path in sorted(folder.glob("*.jsonl"), key=lambda path: path.stem)
        if not path.name.endswith(".labels.jsonl")
    ]
    draw([summarise(read_results(JsonlLog(path).lines(), path.name)) for path in every], folder)
    write_atomically(DOCS / "results.md", page(folder))


if __name__ == "__main__":
    main()
