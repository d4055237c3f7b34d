"""Which tokens of a vocabulary begin and end a text, also where a file does not name them."""

import pytest

from confspec_cli.core.messages import Message, Prompt, Sampling
from confspec_cli.models import gguf

TEMPLATE = "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}{{ eos_token }}"
BOS, EOS, EOT = (f"tokenizer.ggml.{name}_token_id" for name in ("bos", "eos", "eot"))
NOT_THERE = 99999


def opening(engine):
    """The text of a whole prompt's tokens, special ones by their names."""
    parts = engine.spelling.conversation(Prompt((Message("user", "hi"),)))
    return engine._chat.conversation((Message("user", "hi"),), think=False), parts


@pytest.mark.parametrize("value", [None, NOT_THERE])
def test_a_begin_token_that_the_file_does_not_name_is_nothing_in_a_template(tiny, load, value):
    engine = load(tiny("llama", template=TEMPLATE, metadata={BOS: value}))
    assert engine._vocab.special_text("bos") == ""
    assert engine._vocab.special_text("eos") == "<|im_end|>"
    pieces, _ = opening(engine)
    assert "".join(piece.text for piece in pieces) == "hi<|im_end|>"


def test_a_begin_token_that_the_file_names_is_in_the_template(tiny, load):
    engine = load(tiny("llama", template=TEMPLATE))
    pieces, _ = opening(engine)
    assert "".join(piece.text for piece in pieces) == "<|begin|>hi<|im_end|>"


def test_a_begin_token_that_the_file_does_not_name_is_not_put_before_a_prompt(tiny, load):
    engine = load(tiny("llama", add_bos=True, metadata={BOS: None}))
    assert engine._vocab.begin() == []
    assert load(tiny("llama", add_bos=True))._vocab.begin()


def test_an_end_token_that_the_file_does_not_name_ends_no_reply(tiny, load):
    engine = load(tiny("llama", metadata={EOS: None}))
    assert {engine._vocab.special_text("eos"), *map(engine._vocab.piece, engine._vocab.ends)} == {"", b""}


@pytest.mark.parametrize("name", ["padding", "unknown"])
@pytest.mark.parametrize("value", [NOT_THERE, 2**32 - 1])
def test_ids_beyond_the_vocabulary_do_no_harm(tiny, load, name, value):
    path = tiny("llama", metadata={f"tokenizer.ggml.{name}_token_id": value})
    gguf.check(gguf.read(path))
    assert list(load(path).generate(Prompt((Message("user", "hi"),)), Sampling(), 3))


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_a_long_text_is_tokenized_in_calls_short_enough_to_stop_between(tiny, load, monkeypatch, kind):
    vocab = load(tiny(kind))._vocab
    text = "The sum of é and 漢 is 👩‍👧.\n" * 20
    asked = []
    tokenize = vocab._tokenize
    monkeypatch.setattr("confspec_cli.engines.llamacpp.vocab._SLICE", 64)
    monkeypatch.setattr(vocab, "_tokenize", lambda text, special: asked.append(text) or tokenize(text, special))
    assert vocab._detokenize(vocab.tokenize(text, special=False)).decode() == text
    assert max(len(one.decode()) for one in asked) <= 65  # a seam may take a character more
