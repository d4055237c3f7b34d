"""Pulls that go wrong, each in its own process with the real clients: nothing is lost, and little fetched again."""

import importlib.machinery
import importlib.util
import random
import sys
from pathlib import Path

import pytest
from support.faulty_server import Fault, FaultyHub, FaultyIndex


def script():
    path = str(Path(__file__).parents[2] / "scripts" / "faults")
    loader = importlib.machinery.SourceFileLoader("faults", path)
    spec = importlib.util.spec_from_loader("faults", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    loader.exec_module(module)
    return module


FAULTS = script()
BODY = random.Random(3).randbytes(3_000_000)


@pytest.mark.parametrize(
    ("made", "code", "again"),
    [
        ({"faults": [Fault(after=1_000_000), Fault(after=500_000)]}, 0, 0.05),
        ({"faults": [Fault(429, {"Retry-After": "0"})]}, 0, 0.0),
        ({"faults": [Fault(after=1_000_000)], "ranges": False}, 0, 0.4),
        ({"refusal": (403, "GatedRepo")}, 5, 0.0),
        ({"body": BODY[::-1], "claimed": FAULTS.sha256(BODY)}, 9, 0.0),
    ],
)
def test_a_fault_of_the_hub_loses_nothing(tmp_path, made, code, again):
    with FaultyHub(**{"body": BODY, **made}) as server:
        pull = FAULTS.Pull(tmp_path, BODY, FAULTS.HUB, server)
        assert pull.run()[0] == code
        assert pull.here() == (BODY if code == 0 else b"")
        assert not [path for path in tmp_path.rglob("*") if path.name.endswith((".part", ".marks", ".wheel"))]
        if code == 0:
            assert server.sent <= len(BODY) * (1 + again)


def test_a_fault_of_the_index_costs_one_part_at_most(tmp_path):
    source = FAULTS.wheels(tmp_path / "wheels", BODY, 3)
    with FaultyIndex(faults=[Fault(), Fault(), Fault(404)], folder=tmp_path / "wheels") as server:
        pull = FAULTS.Pull(tmp_path, BODY, source, server)
        assert pull.run()[0] == 5
        assert pull.run()[0] == 0
        assert pull.here() == BODY
        assert server.sent <= len(BODY) * 1.02  # wheels are a little larger than what they hold


def test_kills_at_any_moment_cost_one_part_each_at_most(capsys):
    assert FAULTS.kills(12_000_000, 3) == 0
    assert capsys.readouterr().out.count("| correct |") == 2
