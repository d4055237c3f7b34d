"""The items of a batch: what people may write, and which records belong to them."""

import json

import pytest

from confspec_cli.errors import UsageError
from confspec_cli.storage.batch_input import Item, read_items, remaining


def record(item, **more):
    return json.dumps({"id": item.id, "prompt": item.prompt, "schema_version": 1, "error": None, **more})


def test_plain_lines_are_prompts_numbered_by_line():
    assert read_items("What is 1?\n\n  What is 2? \r\n", "in.txt") == [Item(1, "What is 1?"), Item(3, "What is 2?")]


def test_objects_may_say_more():
    lines = [
        '{"id": "a", "prompt": "What is 1?"}',
        "",
        '{"question": " What is 2?\\n", "system": "Be brief.", "answer": 2}',
        '{"id": 7, "prompt": "What is 3?", "question": "no"}',
    ]
    assert read_items("\n".join(lines), "in") == [
        Item("a", "What is 1?"),
        Item(3, " What is 2?\n", "Be brief."),
        Item(7, "What is 3?"),
    ]


def test_plain_lines_may_look_odd():
    texts = ["{x | x > 0} is what?", '"quoted"', "[1, 2]", "7"]
    assert [item.prompt for item in read_items("\n".join(texts), "in.txt")] == texts


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("", "in", "no prompts"),
        ("\n \n", "in.jsonl", "no prompts"),
        ("What is 1?", "in.jsonl", "Line 1 of in.jsonl is not a JSON object"),
        ('{"prompt": "x"}\n{"prompt": ', "in", "Line 2 of in is not a JSON object"),
        ('{"prompt": "x"}\n"y"', "in", "Line 2 of in is not a JSON object"),
        ('{"text": "x"}', "in", "Line 1 of in has no prompt"),
        ('{"prompt": " "}', "in", "has no prompt"),
        ('{"prompt": 5}', "in", "has no prompt"),
        ('{"prompt": "x", "id": 1.5}', "in", "id must be"),
        ('{"prompt": "x", "id": true}', "in", "id must be"),
        ('{"prompt": "x", "system": ["y"]}', "in", "system must be text"),
        ('{"prompt": "x", "id": "a"}\n{"prompt": "y", "id": "a"}', "in", "Lines 1 and 2 of in have the same id, a"),
        ('{"prompt": "x", "id": "2"}\n{"prompt": "y"}', "in", "Lines 1 and 2 of in have the same id, 2"),
    ],
)
def test_a_mistake_is_named_by_its_line(text, name, words):
    with pytest.raises(UsageError, match=words):
        read_items(text, name)


@pytest.mark.parametrize(
    "text",
    [
        '[{"prompt": "a", "id": 1}, {"question": "b", "id": 2}]',
        '[\n  {"prompt": "a"},\n  {"prompt": "b"}\n]\n',
        '["a", "b"]',
        '["a",\n"b"]',
        '"a"\n"b"\n',
    ],
)
def test_an_array_and_lines_of_strings_are_read_as_what_they_are(text):
    assert read_items(text, "in") == [Item(1, "a"), Item(2, "b")]


def test_one_object_over_several_lines_is_one_item():
    assert read_items('\n{\n "prompt": "a"\n}\n', "in") == [Item(2, "a")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"prompt": "a",}\n{"prompt": "b"}', "Line 1 of in is not a JSON object: .* at column 1[56]"),
        ('// comment\n{"prompt": "a"}', "Line 1 of in is not a JSON object"),
        ('{\n "prompt": "a"\n}\n{\n "prompt": "b"\n}', "Line 1 of in is not a JSON object"),
        ('[\n {"prompt": "a"},\n]', "Line 1 of in is not a JSON object"),
        ('[{"prompt": "a"}, "b"]', "Line 1 of in is not a JSON object"),
        ('{"prompt": "a"}\n[1]', "Line 2 of in is not a JSON object: it is another kind of value"),
        ('{"prompt": ' + "[" * 100_000, "Line 1 of in is not a JSON object: nested too deep"),
        ("id,question\n1,What is 2 + 2?", "in is a table"),
        ("prompt;answer\nWhat is 2 + 2?;4", "in is a table"),
    ],
)
def test_data_is_never_asked_line_by_line(text, words):
    with pytest.raises(UsageError, match=words) as refused:
        read_items(text, "in")
    assert "| confspec batch -" in refused.value.hint


ITEMS = read_items("a\nb\nc\n", "in")


def test_without_records_everything_is_left():
    assert remaining(ITEMS, [], "out") == (ITEMS, 0)


def test_what_has_a_record_is_not_left_and_failures_are_counted():
    records = [record(ITEMS[0]), record(ITEMS[1], error="No.")]
    assert remaining(ITEMS, records, "out") == (ITEMS[2:], 1)


def test_items_may_be_added():
    records = [record(item) for item in ITEMS[:2]]
    assert remaining(read_items("a\nb\nc\nd", "in"), records, "out")[0] == read_items("a\nb\nc\nd", "in")[2:]


@pytest.mark.parametrize(
    "line",
    [
        record(Item(1, "other")),
        record(Item(9, "a")),
        record(Item(2, "b")),
        '{"id": 1, "prompt": "a"}',
        '{"prompt": "a", "schema_version": 1}',
        "[]",
        "What is 1?",
        "",
    ],
)
def test_records_of_other_inputs_are_refused(line):
    with pytest.raises(UsageError, match="Line 2 of out is not a record of this batch"):
        remaining(ITEMS, [record(ITEMS[1]), line], "out")
