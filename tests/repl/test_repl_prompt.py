"""The prompt, typed on through prompt_toolkit's pipe: new lines, blocks, history, completion, keys of vi."""

import io
import os
import stat
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from support.scripted_chat import pool

from confspec_cli.render.notices import Notices
from confspec_cli.render.options import Show
from confspec_cli.repl import lines
from confspec_cli.repl.history import PrivateHistory
from confspec_cli.repl.loop import converse
from confspec_cli.repl.opening import Terminal, open_chat
from confspec_cli.storage.session import Session
from confspec_cli.storage.session_store import SessionStore

ALT_ENTER, CTRL_J, CTRL_C, CTRL_D, CTRL_R, UP = "\x1b\r", "\n", "\x03", "\x04", "\x12", "\x1b[A"


@pytest.fixture
def at_terminal(tmp_path):
    """Type at a prompt; the conversation that came of it."""

    def typed(keys, vi=False, history=None):
        with create_pipe_input() as pipe:
            screen = Notices(io.StringIO(), Show(), {})
            terminal = Terminal(screen, io.StringIO(), history, vi, pipe, DummyOutput())
            chat = open_chat(pool(doubt="never"), Session(), SessionStore(tmp_path / "sessions"), terminal)
            pipe.send_bytes(keys if isinstance(keys, bytes) else keys.encode())
            converse(chat)
            return chat

    return typed


def users(chat):
    return [turn.user for turn in chat.record.turns()]


def test_enter_sends_and_ctrl_d_leaves(at_terminal):
    assert users(at_terminal("One?\rTwo?\r" + CTRL_D)) == ["One?", "Two?"]


@pytest.mark.parametrize("key", [ALT_ENTER, CTRL_J])
def test_alt_enter_and_ctrl_j_begin_a_new_line(at_terminal, key):
    assert users(at_terminal(f"One{key}two\r{CTRL_D}")) == ["One\ntwo"]


def test_a_paste_of_several_lines_is_one_message_once_enter_is_pressed(at_terminal):
    assert users(at_terminal(f"\x1b[200~def f():\r\n    return 1\r\n\x1b[201~\r{CTRL_D}")) == ["def f():\n    return 1"]


def test_bytes_that_are_no_text_become_marks_and_the_conversation_goes_on(at_terminal, tmp_path):
    chat = at_terminal(b"caf\xe9?\rTwo?\r\x04", history=tmp_path / "history")
    assert users(chat) == ["caf\ufffd?", "Two?"]
    assert "caf\ufffd?" in (tmp_path / "history").read_text(encoding="utf-8")


def test_three_quotes_open_a_block_in_which_enter_is_a_new_line(at_terminal):
    assert users(at_terminal(f'"""one\rtwo\r"""\r{CTRL_D}')) == ["one\ntwo"]


def test_ctrl_c_clears_the_line_and_stays(at_terminal):
    assert users(at_terminal(f"no{CTRL_C}yes\r{CTRL_D}")) == ["yes"]


def test_ctrl_d_in_a_line_does_not_leave(at_terminal):
    assert users(at_terminal(f"yes{CTRL_D}\r{CTRL_D}")) == ["yes"]


def test_vi_keys_work_when_asked_for(at_terminal):
    assert users(at_terminal(f"wrong\x1bccright\r{CTRL_D}", vi=True)) == ["right"]


def test_vi_can_be_turned_on_in_the_conversation(at_terminal):
    chat = at_terminal(f"/set vi on\rwrong\x1bccright\r{CTRL_D}")
    assert users(chat) == ["right"]
    assert chat.desk._session.editing_mode is EditingMode.VI


def test_what_was_typed_comes_back_with_up_and_with_ctrl_r_on_another_day(at_terminal, tmp_path):
    path = tmp_path / "state" / "history"
    at_terminal(f"the first\rthe second\ra{CTRL_J}b\r{CTRL_D}", history=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert users(at_terminal(f"{UP}{UP}{UP}\r{CTRL_D}", history=path)) == ["the second"]
    assert users(at_terminal(f"{CTRL_R}first\r\r{CTRL_D}", history=path)) == ["the first"]


def test_a_line_that_begins_with_a_space_is_sent_and_not_kept(at_terminal, tmp_path):
    path = tmp_path / "history"
    assert users(at_terminal(f" secret\ropen\r{CTRL_D}", history=path)) == ["secret", "open"]
    assert "secret" not in path.read_text()
    assert "open" in path.read_text()


def test_a_history_others_could_read_is_closed_to_them(at_terminal, tmp_path):
    path = tmp_path / "history"
    path.write_text("")
    path.chmod(0o644)
    at_terminal(f"hello\r{CTRL_D}", history=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_history_nothing_is_written(at_terminal, tmp_path):
    at_terminal(f"hello\r{CTRL_D}")
    assert list(tmp_path.iterdir()) == []


def test_a_history_that_cannot_be_kept_is_told_once_and_the_conversation_goes_on(at_terminal, tmp_path):
    (tmp_path / "file").write_text("")
    chat = at_terminal(f"One?\rTwo?\r{CTRL_D}", history=tmp_path / "file" / "history")
    assert users(chat) == ["One?", "Two?"]
    assert chat.screen._stream.getvalue().count("What you type is not kept") == 1


def test_a_damaged_history_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "history"
    path.write_bytes(b"# x\n+caf\xe9\n\n# y\n+fine\n")
    assert PrivateHistory(path, print).load_history_strings() == ["fine", "caf\ufffd"]


def test_a_history_that_is_no_file_of_ones_own_keeps_its_mode_and_is_never_waited_for(tmp_path):
    null, complaints = tmp_path / "null", []
    os.mkfifo(null, 0o666)
    null.chmod(0o666)
    history = PrivateHistory(null, complaints.append)
    assert history.load_history_strings() == []
    history.append_string("hello")
    assert stat.S_IMODE(null.stat().st_mode) == 0o666
    assert len(complaints) == 1
    history = PrivateHistory(Path(os.devnull), complaints.append)
    mode = Path(os.devnull).stat().st_mode
    history.append_string("hello")
    assert Path(os.devnull).stat().st_mode == mode


@pytest.fixture
def completed(at_terminal):
    """What a text completes to."""
    chat = at_terminal(CTRL_D)
    completer = chat.desk._fittings.completer

    def complete(text):
        return [one.text for one in completer.get_completions(Document(text), CompleteEvent())]

    return complete


def test_commands_pairs_models_modes_and_settings_complete(completed):
    assert completed("/re") == ["/reject", "/regen", "/retry", "/rename"]
    assert completed("/pair st") == ["starter"]
    assert completed("/draft sm") == ["small"]
    assert completed("/mode spec") == ["specreason"]
    assert completed("/set temp") == ["temperature"]
    assert completed("/set vi o") == ["on", "off"]
    assert completed("/export m") == ["md"]


def test_paths_complete_and_messages_do_not(completed, tmp_path):
    (tmp_path / "notes.md").write_text("")
    assert completed(f"/file {tmp_path}/no") == ["tes.md"]
    assert completed(f"/export md {tmp_path}/no") == ["tes.md"]
    assert completed("what about /re") == []
    assert completed("/undo 1 ") == []


def test_the_status_line_is_cut_to_the_window(at_terminal):
    chat = at_terminal(f"One?\r{CTRL_D}")
    assert chat.desk._fittings.toolbar(20) == " scripted"


@pytest.mark.parametrize(
    ("typed", "command", "text"),
    [
        ("/why 3", "/why", "3"),
        ("/system  two  words ", "/system", "two  words"),
        ("/undo", "/undo", ""),
        (" /undo", "", "/undo"),
        ('"""/undo"""', "", "/undo"),
        ("hello ", "", "hello"),
    ],
)
def test_a_slash_in_the_first_column_makes_a_command(typed, command, text):
    assert lines.read(typed) == lines.Line(command, text)


@pytest.mark.parametrize(
    ("typed", "is_open"), [('"""', True), ('"""a', True), ('"""a"""', False), ("a", False), ('""""""', False)]
)
def test_a_block_is_open_until_its_quotes_close(typed, is_open):
    assert lines.is_open(typed) == is_open
