"""What a model said is found in the cache as it was written, whichever tokens that took."""

import pytest

SAID = "one two"


@pytest.fixture
def spelling(tiny, load):
    return load(tiny("llama")).spelling


def test_a_segment_is_found_in_other_tokens_than_the_last_time(spelling):
    short = spelling.marks.tokenize(SAID)
    long = [token for letter in SAID for token in spelling.marks.tokenize(letter)]
    assert short != long
    for tokens in (short, long, short, long):
        assert spelling.compare([(SAID,)], tokens, 0) == (len(tokens), [])
        assert spelling.compare([[7], (SAID, "!")], [7, *tokens], 0) == (1 + len(tokens), spelling.marks.tokenize("!"))


def test_a_segment_that_was_found_once_is_not_found_where_only_its_beginning_is(spelling):
    tokens = spelling.marks.tokenize(SAID)
    assert spelling.compare([(SAID,)], tokens, 0) == (len(tokens), [])
    for cached in (tokens[:-1], [*tokens[:-1], 7], [7]):
        assert spelling.compare([(SAID,)], cached, 0) == (0, tokens)
