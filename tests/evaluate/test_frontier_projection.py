"""The measured gates of a pair at the costs of other devices: which is used there, and where each begins to pay."""

import json

import pytest
from support.frontiers import CAREFUL, LOOSE, calibration

from confspec_cli.app import main
from confspec_cli.core.frontier import TokenCosts
from confspec_cli.errors import Exit, UsageError
from confspec_cli.evaluate.devices import devices_of, shipped_devices
from confspec_cli.models.registry import fingerprints, load

PROFILE = {
    "device": "quick",
    "pair": "starter",
    "draft": {"write": 0.001},
    "target": {"write": 0.01, "read": {"8": 0.012, "64": 0.016, "256": 0.04}},
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user of starter, whose gates were measured on code and on mathematics; there none keeps the promise."""
    registry = load(None)
    pair = registry.pairs["starter"]
    models = fingerprints((registry.role(pair.draft), registry.role(pair.target)))
    how = {"code": calibration(models), "math": calibration(models, (LOOSE,))}
    (tmp_path / "config").mkdir()
    own = {"schema": 2, "pairs": {"starter": {"calibrations": how}}}
    (tmp_path / "config" / "models.yaml").write_text(json.dumps(own))
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CONFSPEC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def projected(capsys, *options):
    assert main(["bench", "project", "starter", "--format", "json", *options]) == Exit.OK
    return json.loads(capsys.readouterr().out)


def test_at_given_costs_the_fastest_gate_that_keeps_the_promise_is_named_with_its_speed_and_the_crossing(home, capsys):
    math, _, code, crossing = projected(capsys, "--ratio", "10", "--price", "0.05")
    assert (math[0]["gate"], math[0]["speed-up"]) == ("target, as none keeps that", "1.00")
    assert (code[0]["gate"], code[0]["speed-up"]) == ("careful", f"{100 / (20 + 10 + 5):.2f}")
    rows = {row["steps"]: row for row in crossing}
    assert list(rows) == ["careful", "loose (loses more)", "draft right 60%", "draft right 80%", "draft right 95%"]
    lowest = CAREFUL.work.lowest_ratio(0.05)
    assert rows["careful"]["pay above ratio"] == f"{lowest:.2f}"
    for ratio, gate in ((lowest * 1.01, "careful"), (lowest * 0.99, "target")):
        assert projected(capsys, "--ratio", str(ratio), "--price", "0.05")[2][0]["gate"] == gate


def test_a_profile_in_a_file_gives_the_costs_by_the_length_of_the_steps_that_are_read(home, capsys):
    (home / "quick.json").write_text(json.dumps(PROFILE))
    (row,) = projected(capsys, "--costs", "quick.json")[2]
    batch = CAREFUL.read / CAREFUL.reads  # and of the other gate 5
    seconds = (0.012 + (0.016 - 0.012) * (25 - 8) / 56) / 25, (0.01 + 0.002 * 4 / 7) / 5
    assert batch == 25 and LOOSE.read / LOOSE.reads == 5
    assert row["device"] == "quick" and row["cost ratio"] == "10.00"
    (profile,) = devices_of(PROFILE, "it")
    assert (profile.costs(25).reading, profile.costs(5).reading) == pytest.approx(seconds)
    assert row["reading price"] == f"{profile.costs(15).reading / 0.01:.3f}"
    assert profile.costs(512) == TokenCosts(0.001, 0.04 / 256, 0.01)


def test_known_devices_and_this_machine_stand_beside_each_other(home, capsys):
    code = projected(capsys)[2]
    assert [row["device"] for row in code] == [*(one.device for one in shipped_devices()), "this machine (estimated)"]


@pytest.mark.parametrize(
    "damage",
    [[], 3, {"device": "x"}, {**PROFILE, "draft": {"write": 0}}, {**PROFILE, "target": {"write": 1, "read": {}}}],
)
def test_what_is_no_profile_of_a_device_is_refused_in_a_sentence(home, capsys, damage):
    with pytest.raises(UsageError, match="it holds no profile of a device, such as"):
        devices_of(damage, "it")


def test_a_pair_without_measured_gates_says_how_to_measure_them(home, capsys):
    assert main(["bench", "project", "qwen3-8b"]) == Exit.USAGE
    assert "qwen3-8b has no measured gates." in capsys.readouterr().err
