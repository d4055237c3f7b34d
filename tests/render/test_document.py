"""The single JSON document."""

import io
import json

import pytest
from support.recorded_runs import Recorder, sample

from confspec_cli.core.trace import Author
from confspec_cli.render.document import Document


def document_of(events):
    stream = io.StringIO()
    renderer = Document(stream)
    for event in events:
        renderer.handle(event)
    renderer.close()
    assert stream.getvalue().isascii()
    return json.loads(stream.getvalue())


def test_the_document_has_what_the_contract_promises():
    document = document_of(sample())
    assert list(document) == [
        "schema_version",
        "answer",
        "reply",
        "partial",
        "finish_reason",
        "steps",
        "prompt",
        "system",
        "mode",
        "models",
        "parameters",
        "gate",
        "stats",
        "warnings",
    ]
    assert document["answer"] == "42"
    assert document["finish_reason"] == "stop"
    assert document["parameters"]["seed"] == 7
    assert document["models"]["target"]["sha256"] == "cd" * 32
    assert document["stats"]["verified_by_draft"]["steps"] == 4
    assert document["reply"] == "".join(step["text"] for step in document["steps"])


def test_a_step_says_who_wrote_it_and_why_it_stands():
    first, second, third, _ = document_of(sample())["steps"]
    assert first == {
        "n": 1,
        "origin": "draft",
        "text": "We need the product of 6 and 7.\n\n",
        "p": 0.99,
        "label_mass": 0.98,
        "lowest": pytest.approx(0.4),
        "target": None,
        "confidence": 0.99,
        "threshold": 0.95,
        "cause": None,
        "rejected_text": None,
        "kept": "",
        "kept_tokens": 0,
        "tokens": 9,
        "seconds": 1.125,
    }
    assert second["target"] == {"p": 0.9, "label_mass": 0.98, "lowest": pytest.approx(0.4)}
    assert third["origin"] == "target"
    assert third["rejected_text"] == "That makes 44.\n\n"


def test_a_step_nobody_judged_has_no_verdict():
    run = Recorder(mode="target")
    run.sole(Author.TARGET, "42.")
    step = document_of(run.finish())["steps"][0]
    assert (step["p"], step["label_mass"], step["lowest"], step["target"], step["confidence"]) == (None,) * 5


def test_warnings_and_an_early_end_are_in_it():
    run = Recorder()
    run.warn("slow")
    document = document_of(run.finish("interrupted", partial="Si"))
    assert document["warnings"] == ["slow"]
    assert (document["finish_reason"], document["partial"], document["answer"]) == ("interrupted", "Si", None)


def test_a_run_that_broke_off_is_not_told_as_a_finished_one():
    document = document_of(sample()[:-1])
    assert document["finish_reason"] is None
    assert len(document["steps"]) == 4


def test_without_a_run_there_is_no_document():
    stream = io.StringIO()
    Document(stream).close()
    assert stream.getvalue() == ""
