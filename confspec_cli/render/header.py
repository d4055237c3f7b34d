"""What stands above a run: the pair, the kind of work, and who writes, with the reason."""

from __future__ import annotations

from collections.abc import Mapping

from confspec_cli.core.events import RunStarted
from confspec_cli.core.frontier import ALONE
from confspec_cli.core.run_config import Mode

_WAYS = {
    Mode.TARGET.value: "target alone",
    Mode.DRAFT.value: "draft alone",
    Mode.SPECREASON.value: "drafting, target rates every step",
}


def header(started: RunStarted) -> list[str]:
    """The items of the line; none for a run that was recorded before it was known what they are."""
    parameters = started.parameters
    if not parameters.get("task"):
        return []
    way = _WAYS[started.mode] if started.mode in _WAYS else _gated(parameters)
    return [str(item) for item in (parameters.get("pair"), parameters["task"], way) if item]


def _gated(parameters: Mapping[str, object]) -> str:
    """How drafted steps are decided, where the gate decides."""
    accept, reject = parameters.get("accept"), parameters.get("reject")
    if parameters.get("adaptive") and parameters.get("worth_drafting") is False:
        is_chosen = parameters.get("gate") == ALONE  # then another line says why
        return "target alone" if is_chosen else "target alone (drafting is slower here)"
    if not isinstance(accept, float) or not isinstance(reject, float):
        return "drafting"
    if accept <= 0:
        return "drafting, every step accepted"
    if reject >= 1:
        return "drafting, every step rejected"
    if accept >= 1:
        return "drafting, target checks every step"
    is_tuned = parameters.get("asks") is not True or parameters.get("task") != "plain"  # of others a warning says so
    return f"drafting, target checks below {accept:.2f}" + ("" if is_tuned else " (not tuned)")
