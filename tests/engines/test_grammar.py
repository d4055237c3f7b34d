"""Grammars on real files: what a schema becomes, and text that keeps to it whatever the model would rather say."""

import json
import re
import subprocess
import sys

import pytest
from support.engine_calls import LABELS, PROMPTS, QUESTION, asked, text_of, written

from confspec_cli.core.messages import Sampling
from confspec_cli.engines.llamacpp.grammar import Grammar, gbnf
from confspec_cli.engines.llamacpp.pattern_grammar import NotRegularError, pattern_rule
from confspec_cli.errors import EngineError, UsageError
from confspec_cli.runtime.json_schema import validation_error

COLOURS = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}, "count": {"type": "integer"}},
    "required": ["colour", "count"],
    "additionalProperties": False,
}


def held(schema, **sampling):
    return Sampling(grammar=gbnf(schema), **sampling)


@pytest.mark.parametrize("kind", ["llama", "mamba"])
@pytest.mark.parametrize("vocab", ["main", "other"])
@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_a_model_of_random_weights_writes_what_the_schema_wants(tiny, load, kind, vocab, temperature):
    engine = load(tiny(kind, vocab=vocab))
    for seed, text in enumerate(PROMPTS):
        tokens = written(engine, asked(text), 200, held(COLOURS, temperature=temperature, seed=seed))
        assert tokens[-1].ends
        value = json.loads(text_of(tokens))
        assert value["colour"] in ("red", "green")
        assert isinstance(value["count"], int)


def test_strings_hold_no_raw_line_breaks(tiny, load):
    engine = load(tiny(bias={"\n\n": 12, ".\n\n": 12}))
    tokens = written(engine, asked("Hello"), 40, held({"type": "string", "maxLength": 12}))
    assert "\n" not in text_of(tokens)
    json.loads(text_of(tokens))


def test_what_the_grammar_allows_is_chosen_as_without_it(tiny, load):
    engine = load(tiny())
    free = written(engine, asked("Hello"), 30)
    anything = Sampling(grammar="root ::= [^\\x00]*")
    assert text_of(written(engine, asked("Hello"), 30, anything)) == text_of(free)


def test_a_grammar_leaves_nothing_behind(tiny, load):
    engine = load(tiny())
    before = written(engine, asked("Hello"), 20)
    written(engine, asked("Hello"), 9, held(COLOURS))
    engine.label_probs(asked("Hello", reply=("Red.",), ask=QUESTION), LABELS)
    assert written(engine, asked("Hello"), 20) == before
    held_tokens = engine.generate(asked("Hello"), held(COLOURS), 9)
    next(held_tokens)
    held_tokens.close()
    assert written(engine, asked("Hello"), 20) == before


@pytest.mark.parametrize("grammar", ["root ::= (", "root ::= nothing", 'rot ::= "a"', 'root ::= root "a"'])
def test_a_grammar_that_cannot_be_read_is_an_error_and_not_a_crash(tiny, load, grammar):
    with pytest.raises(EngineError, match="grammar"):
        written(load(tiny()), asked("Hello"), 5, Sampling(grammar=grammar))


def test_a_token_the_grammar_forbids_is_refused_before_the_library_aborts(tiny, load):
    engine = load(tiny())
    vocab = engine._vocab
    grammar = Grammar(vocab.pointer, 'root ::= "yes"')
    (no,) = vocab.tokenize("no", special=False)
    with pytest.raises(EngineError, match="No token"):
        grammar.accept(no)
    grammar.close()
    grammar.close()


NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}, "required": []}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"code": {"type": "string", "maxLength": 65536}}, "required": ["code"]},
        {"type": "array", "items": {"type": "integer"}, "maxItems": 60_000},
        {"$defs": {"Node": NODE}, "$ref": "#/$defs/Node"},
        {"type": "object", "properties": {"any": True, "more": {}}, "required": ["any"]},
        {"enum": ['say "yes"', "back\\slash", "né", {"a": [None, 1.5]}]},
        {"type": "string", "pattern": r"^\d{4}-\w+\s[^a-z\"]$"},
        {"type": "string", "pattern": r"^(?=a)"},
        {"prefixItems": [{"const": 1}, {"const": "b"}], "items": False},
        {"anyOf": [False, {"type": "null"}]},
        {"properties": {"a": {"type": "null"}}, "allOf": [{"properties": {"b": {"type": "null"}}, "required": ["b"]}]},
    ],
)
def test_what_people_write_in_schemas_becomes_answers_that_fit(tiny, load, schema):
    engine = load(tiny(bias={'"': 3, "}": 4, "]": 4}))
    for seed in range(2):
        tokens = written(engine, asked("Hello"), 120, held(schema, temperature=1.0, seed=seed))
        if tokens[-1].ends and "?=" not in json.dumps(schema):
            assert validation_error(text_of(tokens), schema) is None


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"properties": {"a": False}, "required": ["a"]}, "#/properties/a allows no value"),
        ({"items": {"type": "string", "minLength": 3, "maxLength": 2}, "minItems": 1}, "#/items has a minLength above"),
        ({"anyOf": [{"enum": []}]}, "#/anyOf/0/enum allows no value"),
        ({"$ref": "https://example.org/x.json"}, "#"),
        ({"$ref": "#/$defs/none"}, '"#/$defs/none"'),
        ({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "items": {"$ref": "#/$defs/a"}}, "#/$defs/a/anyOf/0"),
    ],
)
def test_a_schema_that_nothing_fits_is_refused_by_its_place(schema, place):
    with pytest.raises(UsageError) as refusal:
        gbnf(schema)
    assert place in str(refusal.value)


def test_a_schema_with_thousands_of_properties_has_a_grammar():
    assert gbnf({"properties": {f"p{number}": {"type": "null"} for number in range(3000)}})


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("b", ["abc", "b"], ["a"]),
        ("^a|b$", ["ax", "xb"], ["xa", "bx"]),
        (r"^\d{2,3}$", ["12", "123"], ["1", "1234", "ab"]),
        (r"^\W\S\D$", ["-ab"], ["aab", "- a"]),
        (r"^[ -~]+$", ['a"\\~'], ["é"]),
        (r"^[^\d\s]$", ["é", '"', "\\"], ["4", " "]),
        (r"^(?:ab?)+?c*$", ["aba", "abcc"], ["b"]),
        (r"^\u00e9\x41\.$", ["éA."], ["éAx"]),
        (r"^a.b$", ["a\tb"], ["a\nb"]),
        (r"^[]a-]+$", ["]-a"], ["b"]),
    ],
)
def test_a_pattern_holds_a_string_to_what_it_says(tiny, load, pattern, fits, does_not):
    vocab = load(tiny())._vocab
    grammar = gbnf({"type": "string", "pattern": pattern})
    assert all(re.search(pattern, text) for text in fits)
    assert not any(re.search(pattern, text) for text in does_not)
    assert [allowed(vocab, grammar, json.dumps(text, ensure_ascii=False)) for text in fits] == [True] * len(fits)
    assert [allowed(vocab, grammar, json.dumps(text, ensure_ascii=False)) for text in does_not] == [False] * len(
        does_not
    )


@pytest.mark.parametrize("pattern", [r"(a)\1", "(a*)*", "a{3,2}", r"\bx", "a$b", "x" * 2000, "(" * 500 + ")" * 500])
def test_a_pattern_no_grammar_can_say_leaves_a_string(pattern):
    with pytest.raises(NotRegularError):
        pattern_rule(pattern)
    assert gbnf({"type": "string", "pattern": pattern})


def allowed(vocab, grammar, text):
    """Whether the whole text keeps to the grammar, and may end there."""
    held_to = Grammar(vocab.pointer, grammar)
    try:
        for token in vocab.tokenize(text, special=False):
            if not held_to.allows(token):
                return False
            held_to.accept(token)
        return held_to.allows(vocab.tokenize("<|im_end|>", special=True)[0])
    finally:
        held_to.close()


def test_the_parser_s_own_complaints_stay_off_stderr():
    code = (
        "from confspec_cli.engines.llamacpp.grammar import gbnf\n"
        "a, b = {'$ref': '#/$defs/a'}, {'$ref': '#/$defs/b'}\n"
        "circle = {'a': {'anyOf': [{'items': b}, b]}, 'b': {'anyOf': [{'type': 'null'}, a]}}\n"
        "try:\n    gbnf({'$defs': circle, '$ref': '#/$defs/a'})\n"
        "except Exception as problem:\n    print(type(problem).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("UsageError\n", "")
