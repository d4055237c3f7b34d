"""The line about models on their way into memory."""

import io

import pytest
from rich.cells import cell_len
from support.screen import Screen

from confspec_cli.render.progress import loading

WHAT = "loading draft a-model-with-a-long-name.gguf, target 模型模型模型模型模型模型模型模型.gguf"


@pytest.mark.parametrize("width", [12, 40, 80, 200])
def test_it_fits_the_window_and_tells_how_far_it_is(width, monkeypatch):
    monkeypatch.setattr("rich.console.Console.size", property(lambda _: type("Size", (tuple,), {})((width, 24))))
    monkeypatch.setattr("rich.console.Console.width", property(lambda _: width))
    screen = Screen(width, 24)
    with loading(screen, {"TERM": "xterm"}, WHAT) as progress:
        assert screen.text.endswith(" 0%")
        for percent in range(0, 101, 7):
            progress(percent / 100)
            assert len(screen.lines) == 1
            assert screen.text.endswith(f" {percent}%")
            assert cell_len(screen.text) < width
        assert screen.text.startswith("loading"[: width - 6])
    assert screen.text == ""
    assert screen.cursor_shown


def test_it_is_gone_too_where_loading_fails():
    screen = Screen(80, 24)
    with pytest.raises(ValueError, match="no model"), loading(screen, {"TERM": "xterm"}, WHAT):
        raise ValueError("no model")
    assert screen.text == ""
    assert screen.cursor_shown


def test_where_no_line_can_move_nothing_is_written():
    log, screen = io.StringIO(), Screen(80, 24)
    for stream, env in ((log, {}), (screen, {"TERM": "dumb"})):
        with loading(stream, env, WHAT) as progress:
            progress(0.5)
    assert log.getvalue() == ""
    assert screen.writes == 0
