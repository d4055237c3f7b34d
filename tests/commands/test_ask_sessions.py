"""`confspec ask` and `confspec sessions`: runs are kept, gone on with, listed, shown and removed."""

import io
import json
import os
import sys
import time

import pytest

from confspec_cli.app import main
from confspec_cli.errors import Exit
from confspec_cli.storage.session_store import SessionStore


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    for variable, folder in (("CONFSPEC_CONFIG_DIR", "config"), ("CONFSPEC_MODELS", "models"), ("HF_HUB_CACHE", "hub")):
        monkeypatch.setenv(variable, str(tmp_path / folder))
    screen = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", screen)


@pytest.fixture
def ask(tiny, capsys):
    """Ask a tiny model; gives the exit code, the first event and stderr."""
    target = tiny("llama", seed=3)

    def run(*arguments):
        code = main(["ask", "--target", str(target), "--mode", "target", "-n", "12", "--format", "jsonl", *arguments])
        captured = capsys.readouterr()
        return code, json.loads((captured.out or "{}\n").splitlines()[0]), captured.err

    return run


@pytest.fixture
def run(capsys):
    """Run a command; gives the exit code, stdout and stderr."""

    def ran(*argv):
        code = main(argv)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return ran


@pytest.fixture
def sessions(own_sessions):
    """The sessions there are, in the order they were made."""
    return lambda: sorted(SessionStore(own_sessions).list(), key=lambda session: session.id)


def test_a_run_is_saved_as_a_session(ask, sessions):
    ask("Hello")
    (session,) = sessions()
    (turn,) = session.turns()
    assert turn.user == "Hello"
    assert not turn.cut_off


def test_continue_goes_on_with_the_session_last_used(ask, sessions):
    ask("Hello", "-s", "Be brief.")
    _, started, _ = ask("And then?", "-c")
    (session,) = sessions()
    assert [turn.user for turn in session.turns()] == ["Hello", "And then?"]
    assert started["system"] == "Be brief."
    assert [message.role for message in session.messages()] == ["system", "user", "assistant", "user", "assistant"]


def test_a_system_prompt_given_later_holds_from_then_on(ask, sessions):
    ask("Hello", "-s", "Be brief.")
    ask("And then?", "-c", "-s", "Be long.")
    assert ask("And?", "-c")[1]["system"] == "Be long."
    ask("And?", "-c", "-s", "")
    assert ask("And?", "-c")[1]["system"] == ""


def test_a_named_session_is_begun_and_then_gone_on_with(ask, sessions):
    ask("Hello", "--session", "maths")
    ask("Elsewhere")
    ask("And then?", "--session", "maths")
    first, second = sessions()
    assert (first.name, len(first.turns())) == ("maths", 2)
    assert (second.name, len(second.turns())) == ("", 1)


def test_the_conversation_counts_against_the_context(ask, sessions):
    ask("Hello", "--session", "maths")
    code, _, err = ask("word " * 240, "-c", "--context", "256")
    assert code == Exit.CONTEXT_FULL
    assert "tokens long" in err
    assert len(sessions()[0].turns()) == 1


@pytest.mark.parametrize("how", ["flag", "variable", "file"])
def test_saving_can_be_turned_off(ask, own_sessions, monkeypatch, tmp_path, how):
    if how == "variable":
        monkeypatch.setenv("CONFSPEC_NO_LOG", "1")
    if how == "file":
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "models.yaml").write_text("settings: {log: false}\n")
    ask("Hello", *(["--no-log"] if how == "flag" else []))
    assert not own_sessions.exists()


def test_asking_for_a_session_overrules_the_file(ask, sessions, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "models.yaml").write_text("settings: {log: false}\n")
    ask("Hello", "--session", "maths")
    ask("And then?", "-c")
    assert len(sessions()[0].turns()) == 2


def test_a_conversation_can_be_gone_on_with_unsaved(ask, sessions):
    ask("Hello", "-s", "Be brief.")
    assert ask("And then?", "-c", "--no-log")[1]["system"] == "Be brief."
    assert len(sessions()[0].turns()) == 1


@pytest.mark.parametrize("folder", ["/dev/null/sessions", "/proc/sessions"])
def test_a_folder_that_cannot_be_written_is_one_warning(ask, monkeypatch, folder):
    monkeypatch.setenv("CONFSPEC_SESSIONS", folder)
    code, started, err = ask("Hello")
    assert code in (Exit.OK, Exit.NO_ANSWER)
    assert started["event"] == "RunStarted"
    assert err.count("warning: this run is not being saved: /") == 1
    assert "cannot be" in err


def test_a_user_without_a_home_folder_is_one_warning(ask, monkeypatch):
    monkeypatch.delenv("CONFSPEC_SESSIONS")
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: (_ for _ in ()).throw(RuntimeError("no home")))
    code, _, err = ask("Hello")
    assert code in (Exit.OK, Exit.NO_ANSWER)
    assert err.count("not being saved: This user has no home folder.") == 1


@pytest.mark.parametrize("wanted", [["-c"], ["--session", "maths"]])
def test_a_session_in_use_elsewhere_is_refused_before_the_run(ask, own_sessions, wanted):
    ask("Hello", "--session", "maths")
    session = SessionStore(own_sessions).open("maths")
    session.lock()
    code, out, err = ask("And then?", *wanted)
    session.close()
    assert (code, out) == (Exit.STORAGE, {})
    assert err.count("in use") == 1
    assert len(SessionStore(own_sessions).open("maths").turns()) == 1


def test_a_run_that_could_not_begin_leaves_no_session_of_its_name(ask, own_sessions):
    code, _, _ = ask("Hello " * 5000, "--session", "maths")
    assert code == Exit.CONTEXT_FULL
    assert list(own_sessions.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["-c"], "No saved session yet"),
        (["-c", "--session", "maths"], "not both"),
        (["--session", "a/b"], "cannot be the name"),
    ],
)
def test_a_session_that_cannot_be_is_a_usage_error(ask, argv, words):
    code, _, err = ask("Hello", *argv)
    assert code == Exit.USAGE
    assert words in err


# confspec sessions


@pytest.fixture
def two(ask, sessions):
    """A named session of two turns, then one of another."""
    ask("Hello", "--session", "maths", "-s", "Be brief.")
    ask("And then?\n# Not a heading", "-c")
    ask("Elsewhere", "-s", "")
    return sessions()


def test_the_list_has_a_line_for_each(two, run):
    for argv in (["sessions"], ["sessions", "list"]):
        code, out, err = run(*argv)
        assert (code, err) == (0, "")
        header, first, second = out.splitlines()
        assert header.split() == ["NAME", "LAST", "USED", "TURNS", "TITLE"]
        assert (first.split()[0], first.split()[-2:]) == (two[1].id, ["1", "Elsewhere"])
        assert (second.split()[0], second.split()[-2:]) == ("maths", ["2", "Hello"])


def test_the_list_begins_with_the_session_last_used(two, run):
    later = time.time() + 5
    os.utime(two[0].path, (later, later))
    assert [line.split()[0] for line in run("sessions")[1].splitlines()] == ["NAME", "maths", two[1].id]


def test_search_finds_the_sessions_that_hold_all_words(two, run):
    def found(*words):
        return [line.split()[0] for line in run("sessions", "search", *words)[1].splitlines()[1:]]

    assert found("hello") == ["maths"]
    assert found("HEADING", "hello") == ["maths"]
    assert found("maths") == ["maths"]
    assert found("elsewhere", "hello") == []
    assert run("sessions", "search", "nowhere")[2].startswith("No session mentions nowhere")


def test_prune_deletes_what_was_not_used_for_that_long_and_nothing_else(two, run):
    long_ago = time.time() - 31 * 24 * 3600
    os.utime(two[0].path, (long_ago, long_ago))
    code, _, err = run("sessions", "prune", "--older-than", "30d")
    assert code == Exit.USAGE
    assert "add --yes" in err
    assert two[0].path.exists()
    code, _, err = run("sessions", "prune", "--older-than", "30d", "-y")
    assert code == Exit.OK
    assert "Deleted 1 session." in err
    assert not two[0].path.exists()
    assert two[1].path.exists()
    assert "more than 30d ago" in run("sessions", "prune", "--older-than", "30d")[2]


@pytest.mark.parametrize("age", ["30", "d", "-1d", "1.5d", "30 days", "99999d", ""])
def test_an_age_that_is_none_deletes_nothing(two, run, age):
    code, _, err = run("sessions", "prune", f"--older-than={age}", "-y")
    assert code == Exit.USAGE
    assert "is not an age" in err
    assert two[0].path.exists()


def test_the_list_as_json_has_the_paths(two, run, own_sessions):
    document = json.loads(run("sessions", "list", "--json")[1])
    assert document["folder"] == str(own_sessions)
    assert [session["name"] for session in document["sessions"]] == [None, "maths"]
    assert document["sessions"][1]["path"] == str(two[0].path)
    assert document["sessions"][1]["turns"] == 2


def test_no_sessions_is_said_so(run):
    code, out, err = run("sessions")
    assert (code, out) == (0, "")
    assert err.startswith("No saved sessions in ")


def test_show_draws_the_steps_again_below_what_was_said(two, run):
    code, out, err = run("sessions", "show", "maths")
    assert code == 0
    assert "> Hello\n" in err
    assert "> And then?\n> # Not a heading\n" in err
    assert err.count("1 · target") == 2
    assert out == "".join(turn.reply.strip("\n") + "\n" for turn in two[0].turns())


def test_show_takes_the_last_used_and_says_less_when_quiet(two, run):
    code, out, err = run("sessions", "show", "-q")
    assert code == 0
    assert ">" not in err
    assert out.strip("\n") == two[1].turns()[0].reply.strip("\n")


def test_show_as_json_has_the_document_of_every_run(two, run):
    for argv in (
        ["show", "maths", "--json"],
        ["show", "maths", "--format", "json"],
        ["export", "maths", "--format", "json"],
    ):
        document = json.loads(run("sessions", *argv)[1])
        assert document["name"] == "maths"
        assert [turn["prompt"] for turn in document["turns"]] == ["Hello", "And then?\n# Not a heading"]
        assert [turn["cut_off"] for turn in document["turns"]] == [False, False]
        assert document["turns"][0]["steps"]


def test_a_session_file_can_be_replayed(two, run):
    code, out, err = run("replay", str(two[0].path), "-q")
    assert code == 0
    assert "warning" not in err
    assert len(out.splitlines()) >= 2


def test_an_export_is_markdown(two, run):
    code, out, _ = run("sessions", "export", "maths")
    assert code == 0
    headings = [line for line in out.splitlines() if line.startswith("## ")]
    assert headings == ["## System", "## You", "## confspec", "## You", "## confspec"]
    assert out.startswith("# maths\n\n## System\n\nBe brief.\n\n## You\n\nHello\n")


def test_a_session_can_be_renamed(two, run, sessions):
    assert run("sessions", "rename", two[1].id, "elsewhere")[0] == 0
    assert [session.name for session in sessions()] == ["maths", "elsewhere"]
    assert run("sessions", "rename", "elsewhere", "maths")[0] == Exit.USAGE


def test_removing_says_what_goes(two, run, sessions):
    code, out, err = run("sessions", "rm", "maths", two[0].id, "--yes")
    assert (code, out) == (0, "")
    assert err == f"maths: 2 turns, {two[0].path}\nDeleted 1 session.\n"
    assert [session.id for session in sessions()] == [two[1].id]


def test_removing_asks_and_does_nothing_where_nobody_answers(two, run, sessions, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    code, _, err = run("sessions", "rm", "maths")
    assert code == Exit.USAGE
    assert "--yes" in err
    assert len(sessions()) == 2


@pytest.mark.parametrize(("answer", "left"), [("y", 1), ("n", 2)])
def test_removing_goes_by_the_answer(two, run, sessions, monkeypatch, answer, left):
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: answer == "y")
    assert run("sessions", "rm", "maths")[0] == 0
    assert len(sessions()) == left


def test_an_unknown_name_removes_nothing(two, run, sessions):
    code, _, err = run("sessions", "rm", "maths", "physics", "--yes")
    assert code == Exit.USAGE
    assert 'No session named "physics"' in err
    assert len(sessions()) == 2


@pytest.mark.parametrize("command", ["show", "export"])
def test_without_sessions_there_is_none_to_show(run, command):
    code, _, err = run("sessions", command)
    assert code == Exit.USAGE
    assert "No saved session" in err


PAIRS = """\
models:
  one: {{files: [{{name: one.gguf, sources: [{{path: {one}}}]}}]}}
  two: {{files: [{{name: two.gguf, sources: [{{path: {two}}}]}}]}}
default_pair: usual
pairs:
  usual: {{draft: one, target: one}}
  other: {{draft: one, target: two}}
"""


def test_a_conversation_goes_on_with_its_own_pair_unless_another_is_named(tiny, tmp_path, monkeypatch, sessions):
    (tmp_path / "own").mkdir()
    places = {"one": tiny("llama", seed=2), "two": tiny("llama", seed=3, vocab="other")}
    (tmp_path / "own" / "models.yaml").write_text(PAIRS.format(**places))
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "own"))
    monkeypatch.delenv("CONFSPEC_PAIR", raising=False)
    for arguments in (["-p", "other"], ["-c"], ["-c", "-p", "usual"], ["-c"], ["-c", "--mode", "target"]):
        main(["ask", "-q", "-n", "4", "--context", "1024", "Hello", *arguments])
    (session,) = sessions()
    had = [{author: card.name for author, card in turn.started.models.items()} for turn in session.turns()]
    other, usual = {"draft": "one", "target": "two"}, {"draft": "one", "target": "one"}
    assert had == [other, other, usual, usual, {"target": "one"}]


def test_sessions_that_cannot_be_read_are_skipped_with_a_warning(two, run, own_sessions):
    (own_sessions / "20260101-000000-000000.jsonl").mkdir()
    code, out, err = run("sessions")
    assert (code, len(out.splitlines())) == (Exit.OK, 3)
    assert err == "warning: 20260101-000000-000000.jsonl was skipped: it is not a file.\n"
