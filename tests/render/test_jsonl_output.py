"""Events, one a line."""

import io
import json

from support.recorded_runs import Recorder, sample

from confspec_cli.core.events import from_dict
from confspec_cli.render.jsonl_output import JsonLines


class Flushed(io.StringIO):
    """A stream that knows what has been flushed."""

    flushed = ""

    def flush(self):
        self.flushed = self.getvalue()


def test_each_event_is_a_line_and_out_at_once():
    stream = Flushed()
    renderer = JsonLines(stream)
    for number, event in enumerate(sample(), 1):
        renderer.handle(event)
        assert stream.flushed.count("\n") == number
        assert from_dict(json.loads(stream.flushed.splitlines()[-1])) == event
    renderer.close()
    assert stream.flushed.endswith("\n")


def test_lines_are_plain_ascii_whatever_the_model_wrote():
    stream = Flushed()
    run = Recorder()
    run.draft("所以\u2028\x9b31m \x1b 🎉\n\ud800")
    for event in run.events:
        JsonLines(stream).handle(event)
    assert stream.flushed.isascii()
    assert len(stream.flushed.splitlines()) == len(run.events)
