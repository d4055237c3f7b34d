"""Whether a schema is sound, and whether an answer fits it."""

import json

import pytest

from confspec_cli.runtime.json_schema import load, schema_error, validation_error

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2},
        "age": {"type": "integer", "exclusiveMaximum": 130},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
    },
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"tag": {"enum": ["a", "b"]}},
}


@pytest.mark.parametrize("value", [{"name": "Ann"}, {"name": "Ann", "age": 129.0, "tags": ["a", "b"]}])
def test_what_fits_fits(value):
    assert validation_error(json.dumps(value), PERSON) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "[] is not of type 'object'"),
        ({}, "'name' is a required property"),
        ({"name": "A"}, "at #/name, 'A' is too short"),
        ({"name": "Ann", "age": True}, "at #/age, True is not of type 'integer'"),
        ({"name": "Ann", "tags": ["a", "c"]}, "at #/tags/1, 'c' is not one of"),
    ],
)
def test_what_does_not_fit_says_where_and_why(value, words):
    assert words in validation_error(json.dumps(value), PERSON)


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (3, {"oneOf": [{"type": "integer"}, {"minimum": 1}]}),
        (1, {"enum": [True]}),
        (True, {"enum": [1]}),
        (0, {"const": False}),
        ([1, 2], {"prefixItems": [{"type": "integer"}], "items": False}),
        ({"a": 1}, {"properties": {"a": False}}),
        (4, {"not": {"type": "integer"}}),
        ([1, 1], {"uniqueItems": True}),
    ],
)
def test_the_whole_of_the_standard_is_held_to(value, schema):
    assert "does not fit" in validation_error(json.dumps(value), schema)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"name": "An', "is not JSON"),
        ("1e400", "1e400 is no number"),
        ("NaN", "NaN is no number"),
        ("-Infinity", "is no number"),
        ("9" * 5000, "is not JSON"),
        ('"\\ud800"', "half a character"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
    ],
)
def test_what_no_parser_holds_is_said_in_words(text, words):
    assert words in validation_error(text, {})


def test_a_deep_answer_to_a_recursive_schema_is_no_traceback():
    schema = {"type": "array", "items": {"$ref": "#"}}
    assert validation_error("[" * 30 + "]" * 30, schema) is None
    assert "nested too deeply" in validation_error("[" * 900 + "]" * 900, schema)


def test_a_long_answer_is_not_repeated_in_whole():
    error = validation_error(json.dumps("x" * 9000), {"type": "integer"})
    assert error is not None and len(error) < 300


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"properties": {"n": {"type": "integer", "minimum": "0"}}}, "at #/properties/n/minimum, '0' is not"),
        ({"anyOf": None}, "at #/anyOf, None is not of type 'array'"),
        ({"properties": []}, "at #/properties"),
        ({"$defs": None}, "at #/$defs"),
        ({"required": "abc"}, "at #/required"),
        ({"type": "int"}, "at #/type"),
        ({"properties": {"a": {"pattern": "("}}}, "at #/properties/a/pattern, '(' is not a 'regex'"),
        ({"patternProperties": {"[": {}}}, "at #/patternProperties, '[' is not"),
        ({"not": {"$ref": "https://example.org/x.json"}}, 'refers at #/not to "https://example.org/x.json"'),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "items": 3}, "at #/items"),
    ],
)
def test_a_malformed_schema_is_named_by_its_part(schema, words):
    assert words in schema_error(schema)


@pytest.mark.parametrize("schema", [PERSON, {}, {"enum": [{"$ref": 1}], "title": "x", "discriminator": {}}])
def test_a_sound_schema_passes(schema):
    assert schema_error(schema) is None


def test_a_schema_of_endless_depth_is_refused():
    schema = {}
    for _ in range(20_000):
        schema = {"items": schema}
    assert schema_error(schema) == "is nested too deeply"
    with pytest.raises(ValueError, match="nested too deeply"):
        load('{"items":' * 20_000 + "{}" + "}" * 20_000)


@pytest.mark.parametrize("value", [{"name": "Ann", "age": 3}, {"typ": "object"}])
def test_json_that_is_no_schema_is_not_taken_for_one(value):
    assert "is not a JSON schema" in (schema_error(value) or "")


@pytest.mark.parametrize("schema", [{}, {"description": "anything"}, {"required": ["a"], "x-made-by": "hand"}, PERSON])
def test_a_schema_may_say_little_or_more_than_is_known(schema):
    assert schema_error(schema) is None
