"""The edge to the terminal: text goes through as text, and nothing in it is obeyed."""

import io
import sys

import pytest
from rich.text import Text

from confspec_cli.render.console import clean, make_console, paint, put, send, tell
from confspec_cli.render.options import Color

EVIL = "a\x1b]0;title\x07b\x9b2Jc\u202ed\u2066e\u200ff\rg\x00h\x7f"
HARMLESS = "a]0;titleb2Jcdefgh"


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_what_a_terminal_would_obey_is_left_out_and_layout_stays():
    assert clean(EVIL) == HARMLESS
    assert clean("\tone\n\ntwo שלום") == "\tone\n\ntwo שלום"


def test_text_is_clean_on_a_terminal_and_as_written_in_a_file():
    screen, file = Screen(), io.StringIO()
    put(screen, EVIL)
    put(file, EVIL)
    assert (screen.getvalue(), file.getvalue()) == (HARMLESS, EVIL)


def test_stderr_is_clean_wherever_it_goes(capsys):
    put(sys.stderr, EVIL)
    assert capsys.readouterr().err == HARMLESS


@pytest.mark.parametrize("color", [Color.NEVER, Color.ALWAYS])
def test_styled_text_is_clean_but_for_its_own_colours(color):
    console = make_console(Screen(), color, {})
    painted = paint(console, [Text(EVIL, "green"), Text(EVIL)])
    assert painted.replace("\x1b[32m", "").replace("\x1b[0m", "") == f"{HARMLESS}\n{HARMLESS}\n"


def test_a_line_above_a_bar_is_clean():
    screen = Screen()
    tell(make_console(screen, Color.NEVER, {}), EVIL)
    assert screen.getvalue() == f"{HARMLESS}\n"


def test_our_own_escape_sequences_are_sent_as_they_are():
    screen = Screen()
    send(screen, "\x1b[2K")
    assert screen.getvalue() == "\x1b[2K"
