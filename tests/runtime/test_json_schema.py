"""Whether a value fits a schema."""

import json

import pytest

from confspec_cli.runtime.json_schema import unknown_keyword, validation_error

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "pattern": "^[A-Z]"},
        "age": {"type": "integer", "minimum": 0, "exclusiveMaximum": 130},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 1, "maxItems": 3},
        "point": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}]},
        "kind": {"const": "person"},
        "id": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    },
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"tag": {"enum": ["a", "b"]}},
}


@pytest.mark.parametrize(
    "value",
    [
        {"name": "Ann"},
        {"name": "Ann", "age": 0, "tags": ["a", "b"], "kind": "person", "id": None},
        {"name": "Ann", "age": 129.0, "point": [1.5, "x", True], "id": 7},
    ],
)
def test_what_fits_fits(value):
    assert validation_error(json.dumps(value), PERSON) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "it is not of type object"),
        ({}, "it lacks name"),
        ({"name": "A"}, "it.name is shorter than 2"),
        ({"name": "ann"}, "it.name does not match"),
        ({"name": "Ann", "age": -1}, "it.age is below 0"),
        ({"name": "Ann", "age": 130}, "it.age is not below 130"),
        ({"name": "Ann", "age": True}, "it.age is not of type integer"),
        ({"name": "Ann", "age": 1.5}, "it.age is not of type integer"),
        ({"name": "Ann", "tags": []}, "it.tags has fewer than 1"),
        ({"name": "Ann", "tags": ["a", "c"]}, "it.tags[1] is none of"),
        ({"name": "Ann", "tags": ["a"] * 4}, "it.tags has more than 3"),
        ({"name": "Ann", "point": ["x"]}, "it.point[0] is not of type number"),
        ({"name": "Ann", "kind": "dog"}, 'it.kind is not "person"'),
        ({"name": "Ann", "id": "x"}, "it.id is none of what anyOf allows"),
        ({"name": "Ann", "more": 1}, "it has more, which may not be there"),
    ],
)
def test_what_does_not_fit_says_where_and_why(value, words):
    assert words in validation_error(json.dumps(value), PERSON)


def test_what_was_cut_off_is_no_json():
    assert "is not JSON" in validation_error('{"name": "An', PERSON)


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        (PERSON, None),
        ({"not": {}}, "not"),
        ({"properties": {"a": {"uniqueItems": True}}}, "uniqueItems"),
        ({"items": {"anyOf": [{"type": "string"}, {"multipleOf": 2}]}}, "multipleOf"),
        ({"$defs": {"x": {"if": {}}}}, "if"),
        ({"additionalProperties": False, "title": "x", "format": "date"}, None),
    ],
)
def test_a_keyword_that_would_not_be_held_to_is_found_at_any_depth(schema, keyword):
    assert unknown_keyword(schema) == keyword
