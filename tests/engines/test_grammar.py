"""Grammars on real files: what a schema becomes, and text that keeps to it whatever the model would rather say."""

import json
import subprocess
import sys

import pytest
from test_engine_contract import LABELS, PROMPTS, QUESTION, asked, text_of, written

from confspec_cli.core.messages import Sampling
from confspec_cli.engines.llamacpp.grammar import Grammar, gbnf
from confspec_cli.errors import EngineError, UsageError

COLOURS = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}, "count": {"type": "integer"}},
    "required": ["colour", "count"],
    "additionalProperties": False,
}


def held(schema, **sampling):
    return Sampling(grammar=gbnf(json.dumps(schema)), **sampling)


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


@pytest.mark.parametrize(
    "schema",
    [{"type": "strin"}, {"anyOf": []}, {"$ref": "https://example.org/x.json"}, {"$ref": "#/$defs/none"}, True, []],
)
def test_a_schema_without_a_grammar_is_a_usage_error(schema):
    with pytest.raises(UsageError, match=r"schema"):
        gbnf(json.dumps(schema))


def test_the_parser_s_own_complaints_stay_off_stderr():
    code = (
        "from confspec_cli.engines.llamacpp.grammar import gbnf\n"
        'try:\n    gbnf(\'{"type": "string", "pattern": "^\\\\\\\\d+$"}\')\n'
        "except Exception as problem:\n    print(type(problem).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("UsageError\n", "")
