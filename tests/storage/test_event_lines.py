"""Events as lines."""

import json

import pytest
from support.recorded_runs import sample

from confspec_cli.core.events import SCHEMA_VERSION, to_dict
from confspec_cli.errors import UsageError
from confspec_cli.storage.event_lines import event_of, is_record


def test_a_line_holds_its_event():
    for event in sample():
        line = json.dumps(to_dict(event))
        assert is_record(line)
        assert event_of(line, "here") == event


def test_an_event_of_a_later_version_is_none_of_ours():
    assert event_of('{"event": "StepSalvaged"}', "here") is None


@pytest.mark.parametrize("line", ["", "x", "{", "[]", "{}", '{"event": 1}'])
def test_a_line_that_holds_none_is_refused_by_its_place(line):
    assert not is_record(line)
    with pytest.raises(UsageError, match="Line 3 is not an event"):
        event_of(line, "Line 3")


def test_a_later_schema_is_refused_with_the_way_to_read_it():
    line = json.dumps(to_dict(sample()[0]) | {"schema_version": SCHEMA_VERSION + 1})
    with pytest.raises(UsageError, match="later confspec") as caught:
        event_of(line, "Line 1")
    assert "upgrade" in caught.value.hint
