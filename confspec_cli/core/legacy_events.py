"""Event records of schema version 1, brought to the names of version 2, so that old sessions and results still load."""

from __future__ import annotations

from typing import Any

_EVENTS = {"DraftingTurned": "DraftingSwitched", "DraftedAhead": "StepPrefetched"}
_KEYS = {
    "proposal": "written_step",
    "reading": "assessment",
    "readings": "assessments",
    "guessed": "speculation_accepted",
    "batches": "speculation_batches",
    "batched": "speculation_batch_tokens",
}
_IN = {  # keys that have another meaning elsewhere, by the record they stand in
    "StepJudged": {"signal": "confidence"},
    "step": {"signal": "confidence"},
    "verdict": {"certainty": "label_mass"},
    "parameters": {
        "stop": "min_token_prob",
        "certainty": "min_label_mass",
        "pays": "worth_drafting",
        "controlled": "adaptive",
    },
}
_ORIGINS = {"shared": "salvaged", "given": "injected"}


def upgrade(record: dict[str, Any]) -> dict[str, Any]:
    """The record of an event under the names of today; one that has them already comes back as it is."""
    name = str(record.get("event"))
    version = {"schema_version": 2} if record.get("schema_version") == 1 else {}
    return {**_renamed(record, name), "event": _EVENTS.get(name, name), **version}


def upgrade_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a run under the names of today."""
    return _renamed(parameters, "parameters")


def _renamed(record: dict[str, Any], place: str) -> dict[str, Any]:
    names = _IN.get(place, {}) if place == "parameters" else {**_KEYS, **_IN.get(place, {})}
    renamed = {}
    for key, value in record.items():
        new = names.get(key, key)
        renamed[new] = _ORIGINS.get(value, value) if new == "origin" else _value(value, new)
    return renamed


def _value(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return _renamed(value, key)
    if isinstance(value, list):
        return [_value(item, key) for item in value]
    return value
