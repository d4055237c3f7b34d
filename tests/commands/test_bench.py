"""`confspec bench` on scripted models."""

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest
from support.frontiers import calibration
from support.scripted_bench import LINES, PROBLEMS, bench, engines
from support.scripted_runs import STEPS

from confspec_cli.app import main
from confspec_cli.core.events import GateChosen
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.errors import EngineError, Exit
from confspec_cli.evaluate.results import Conditions, read_results
from confspec_cli.models.registry import fingerprints, load
from confspec_cli.runtime.device_costs import keep_costs
from confspec_cli.storage.jsonl_log import JsonlLog


def test_an_unknown_mode_is_named(capsys, tmp_path):
    (tmp_path / "some.jsonl").write_text(LINES)
    assert main(["bench", str(tmp_path / "some.jsonl"), "--modes", "target,fast"]) == Exit.USAGE
    assert 'Unknown mode "fast"' in capsys.readouterr().err


def test_the_mode_random_needs_its_rate(capsys, tmp_path):
    (tmp_path / "some.jsonl").write_text(LINES)
    assert main(["bench", str(tmp_path / "some.jsonl"), "--modes", "target,random"]) == Exit.USAGE
    assert "--random-rate 0.7" in capsys.readouterr().err


def test_the_mode_random_is_run_beside_the_others_and_shown(scripted, capsys, tmp_path):
    command = [*RUN, "--modes", "target,draft,confspec,random", "--random-rate", "1"]
    assert main(command) == Exit.OK
    out = capsys.readouterr().out
    assert "controls that were not run: target+auto;" in out
    assert main(["bench", "show", "--problems", str(tmp_path / "results.jsonl")]) == Exit.OK
    assert "random" in capsys.readouterr().out
    (conditions,) = read_results(JsonlLog(tmp_path / "results.jsonl").lines(), "it").conditions
    assert conditions.fixed["settings"]["random"]["math"]["random_rate"] == 1


def test_who_guesses_ahead_is_told_by_mode(capsys, tmp_path):
    (tmp_path / "some.jsonl").write_text(LINES)
    assert main(["bench", str(tmp_path / "some.jsonl"), "--speculate", "ngram"]) == Exit.USAGE
    assert "--speculate" in capsys.readouterr().err


def test_results_are_shown_again_without_a_model(capsys, tmp_path):
    runs = list(bench().runs(PROBLEMS[:3], set()))
    lines = [Conditions("some", {}, {}).to_dict(), *(run.to_dict() for run in runs)]
    place = tmp_path / "results.jsonl"
    place.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["bench", "show", str(place)]) == Exit.OK
    assert "some: 3 problems" in capsys.readouterr().out
    assert main(["bench", "diff", str(place), str(place), "--format", "json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)[0][0]["same reply"] == "3"
    assert main(["bench", "project", str(place), "--format", "json"]) == Exit.OK
    printed = capsys.readouterr().out
    for form in (printed, json.dumps(json.loads(printed)["costs"])):
        (tmp_path / "costs.json").write_text(form)
        assert main(["bench", "project", str(place), "--costs", str(tmp_path / "costs.json")]) == Exit.OK
        assert "the costs given" in capsys.readouterr().out
    (tmp_path / "costs.json").write_text('{"draft": {"decode": {"fixed": -1, "per_token": 1}}}')
    assert main(["bench", "project", str(place), "--costs", str(tmp_path / "costs.json")]) == Exit.USAGE
    assert main(["bench", "rejudge", str(place)]) == Exit.USAGE
    assert "do not record which gate each run used" in capsys.readouterr().err
    assert main(["bench", "show", str(tmp_path / "none.jsonl")]) == Exit.USAGE


@pytest.fixture
def scripted(monkeypatch, tmp_path):
    """`confspec bench` on scripted models, in a folder with some.jsonl; what is put here stands in their place."""
    models = {}

    @contextmanager
    def loaded(resolved, paths, hardware, interrupt, reporter):
        yield models or engines(interrupt)

    monkeypatch.setattr("confspec_cli.runtime.crew.engines", loaded)
    monkeypatch.setattr("confspec_cli.commands.bench.verified_files", lambda resolved, reporter: {})
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some.jsonl").write_text(LINES)
    return models


RUN = ["bench", "some.jsonl", "-p", "starter", "-o", "results.jsonl", "--problems", "3"]


def test_results_hold_what_they_were_had_with_and_are_gone_on_with(scripted, capsys, tmp_path):
    assert main([*RUN, "--temperature", "0.5"]) == Exit.OK
    place = tmp_path / "results.jsonl"
    (conditions,) = read_results(JsonlLog(place).lines(), "it").conditions
    assert {"date", "processor", "cores", "memory", "python", "confspec", "llama-cpp-python"} <= set(
        conditions.system_snapshot
    )
    assert set(conditions.fixed["models"]) == {"draft", "target"}
    assert conditions.fixed["settings"]["confspec+auto"]["math"]["temperature"] == 0.5
    assert main([*RUN[:-1], "4", "--temperature", "0.5"]) == Exit.OK
    assert len(read_results(JsonlLog(place).lines(), "it").runs) == 20
    assert "4 problems, every mode on each" in capsys.readouterr().out
    assert main(RUN) == Exit.USAGE
    assert "holds results for different settings; nothing was added" in capsys.readouterr().err


def test_results_of_other_problems_with_the_same_ids_are_not_mixed_with_these(scripted, capsys, tmp_path):
    assert main(RUN) == Exit.OK
    (tmp_path / "some.jsonl").write_text(LINES.replace("What is 2?", "What was 2?"))
    assert main(RUN) == Exit.USAGE
    assert (
        "results.jsonl holds results for another problem with the id p2; nothing was added." in capsys.readouterr().err
    )


def test_what_failed_is_tried_again_when_the_benchmark_goes_on(scripted, capsys, tmp_path):
    class Breaking(ScriptedEngine):
        def generate(self, prompt, sampling, max_tokens):
            if "What is 1?" in prompt.messages[-1].content:
                raise EngineError("It broke.")
            return super().generate(prompt, sampling, max_tokens)

    scripted.update({author: Breaking(STEPS) for author in Author})
    assert main(RUN) == Exit.FAILURE
    scripted.clear()
    assert main(RUN) == Exit.OK
    assert len(read_results(JsonlLog(tmp_path / "results.jsonl").lines(), "it").runs) == 20
    assert "3 problems, every mode on each" in capsys.readouterr().out


def test_a_gate_that_was_not_measured_is_told_of_once(scripted, capsys):
    assert main([*RUN, "--task", "qa", "--always-draft"]) == Exit.OK
    assert capsys.readouterr().err.count('has no tuned thresholds for task "qa"') == 1
    assert main(RUN[:-4]) == Exit.OK
    assert "no tuned thresholds" not in capsys.readouterr().err


@pytest.fixture
def measured_gates(tmp_path, monkeypatch):
    """Starter with measured gates for mathematics, and scripted models whose sizes make drafting next to free."""
    registry = load(None)
    pair = registry.pairs["starter"]
    how = calibration(fingerprints((registry.role(pair.draft), registry.role(pair.target))))
    (tmp_path / "config").mkdir()
    own = {"schema": 2, "pairs": {"starter": {"calibrations": {"math": how}}}}
    (tmp_path / "config" / "models.yaml").write_text(json.dumps(own))
    monkeypatch.setenv("CONFSPEC_CACHE", str(tmp_path / "cache"))
    sizes = {Author.DRAFT: 10, Author.TARGET: 1000}
    return {
        author: replace(engine, card=replace(engine.card, bytes=sizes[author])) for author, engine in engines().items()
    }


def gates_used(tmp_path):
    results = read_results(JsonlLog(tmp_path / "results.jsonl").lines(), "it")
    return [event.gate for one in results.runs for event in one.events if isinstance(event, GateChosen)]


def test_the_gate_that_is_fastest_here_is_benched_and_kept_when_the_benchmark_goes_on(
    scripted, measured_gates, capsys, tmp_path
):
    scripted.update(measured_gates)
    assert main([*RUN, "--modes", "target,confspec,confspec+auto"]) == Exit.OK
    assert capsys.readouterr().err.count("math: gate: careful, about ") == 1
    assert gates_used(tmp_path) == ["careful"] * 6
    cards = {author: engine.card for author, engine in measured_gates.items()}
    keep_costs(cards, {"drafting": (100, 900.0), "reading": (100, 100.0), "writing": (100, 100.0)})
    assert main([*RUN[:-1], "4", "--modes", "target,confspec,confspec+auto"]) == Exit.OK
    assert gates_used(tmp_path) == ["careful"] * 8
    assert main([*RUN, "-o", "other", "--modes", "target,confspec"]) == Exit.OK
    assert "math: gate: the target alone, " in capsys.readouterr().err


def test_a_gate_is_benched_by_its_name(scripted, measured_gates, capsys, tmp_path):
    scripted.update(measured_gates)
    assert main([*RUN, "--modes", "target,confspec", "--gate", "loose"]) == Exit.OK
    assert set(gates_used(tmp_path)) == {"loose"}
    assert main([*RUN, "--modes", "target,confspec", "--gate", "lose"]) == Exit.USAGE
    assert 'There is no gate "lose"' in capsys.readouterr().err
    assert main([*RUN, "--modes", "target,confspec", "--gate", "careful"]) == Exit.USAGE
    assert "holds results for different settings" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_plots_are_drawn_in_the_form_asked_for(scripted, capsys, tmp_path, suffix):
    pytest.importorskip("matplotlib", reason="needs the extra: pip install 'confspec-cli[bench]'")
    assert (
        main([*RUN, "--task", "qa", "--always-draft", "--plots", "plots", *(["--png"] if suffix == "png" else [])])
        == Exit.OK
    )
    drawn = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert drawn == [f"accuracy.{suffix}", f"phases.{suffix}", f"sweep.{suffix}"]
    start = {"png": b"\x89PNG", "svg": b"<?xml"}[suffix]
    assert all(path.read_bytes().startswith(start) for path in (tmp_path / "plots").iterdir())


def test_a_folder_of_plots_that_is_a_file_is_refused_beforehand(scripted, capsys, tmp_path):
    (tmp_path / "plots").write_text("mine")
    assert main([*RUN, "--plots", "plots"]) == Exit.USAGE
    assert "is a file" in capsys.readouterr().err
    assert (tmp_path / "plots").read_text() == "mine"


def test_results_without_runs_are_told(scripted, capsys, tmp_path):
    (tmp_path / "empty.jsonl").write_text("")
    assert main(["bench", "show", "empty.jsonl"]) == Exit.USAGE
    assert "empty.jsonl holds no results." in capsys.readouterr().err
