"""Sessions: every event on the disk the moment it has happened, and found again under a name."""

import json
import os
import random
import signal
import time
from contextlib import suppress

import pytest
from support.recorded_runs import Recorder, sample, texts
from support.scripted_runs import child, run

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.events import TextWritten
from confspec_cli.core.messages import Message
from confspec_cli.core.trace import Author
from confspec_cli.errors import Interrupted, StorageError, UsageError
from confspec_cli.runtime import signals
from confspec_cli.storage.event_lines import event_of
from confspec_cli.storage.session import SavedSession
from confspec_cli.storage.session_store import SessionStore


@pytest.fixture
def store(tmp_path):
    return SessionStore(tmp_path / "data" / "sessions")


def recorded(session, events=None):
    for event in events or sample():
        session.record(event)
    session.close()
    return session


def test_nothing_is_made_before_something_is_said(store):
    session = store.new("maths")
    session.change_system("Be brief.")
    session.close()
    assert not store.folder.exists()
    assert (session.name, session.system, session.turns()) == ("maths", "Be brief.", [])
    assert store.latest() is None
    assert list(store.list()) == []


def test_what_was_set_before_the_first_run_is_saved_with_it(store):
    session = store.new("maths")
    session.change_system("Be brief.")
    recorded(session)
    kinds = [json.loads(line)["event"] for line in session.path.read_text().splitlines()]
    assert kinds[:3] == ["SessionNamed", "SystemChanged", "RunStarted"]


def test_a_session_is_read_again_as_it_was(store):
    session = recorded(store.new("maths"))
    again = store.open("maths")
    assert again.id == session.id
    assert again.turns() == session.turns()
    assert again.messages() == (Message("user", "What is 6 * 7?"), Message("assistant", "".join(texts(sample()))))
    assert again.warnings == []


def test_only_its_owner_can_read_it(store):
    session = recorded(store.new())
    assert session.path.stat().st_mode & 0o777 == 0o600
    assert session.path.parent.stat().st_mode & 0o777 == 0o700


def test_every_event_but_text_is_on_the_disk_when_record_returns(store):
    session = store.new()
    saved = []
    for event in sample():
        session.record(event)
        saved += [] if isinstance(event, TextWritten) else [event]
        assert [event_of(line, "") for line in session.path.read_text().splitlines()] == saved
    session.close()


def test_a_session_is_gone_on_with_in_the_same_file(store):
    recorded(store.new("maths"))
    again = recorded(store.open("maths"))
    assert [turn.user for turn in store.open("maths").turns()] == ["What is 6 * 7?"] * 2
    assert len(again.messages()) == 4


def test_undoing_renaming_and_forgetting_only_ever_append(store):
    session = store.new("maths")
    for _ in range(3):
        recorded(session)
    before = session.path.read_bytes()
    assert session.undo() == 1
    session.forget(1, "It was about 42.")
    session.change_system("Be brief.")
    store.rename(session, "sums")
    session.close()
    assert session.path.read_bytes().startswith(before)
    again = store.open("sums")
    assert len(again.turns()) == 2
    assert [message.role for message in again.messages()] == ["system", "user", "assistant", "user", "assistant"]
    assert again.undo(5) == 1
    assert again.undo() == 0
    again.close()


def test_ids_sort_by_time_and_the_last_used_is_the_latest(store):
    first, second = recorded(store.new()), recorded(store.new())
    assert first.id < second.id
    assert [session.id for session in store.list()] == [second.id, first.id]
    assert store.latest().id == second.id
    os.utime(first.path, (time.time() + 5, time.time() + 5))
    assert store.latest().id == first.id
    assert [session.id for session in store.list()] == [first.id, second.id]
    assert first.used > second.used > first.created


def test_sessions_are_found_by_name_and_by_id(store):
    session = recorded(store.new("maths"))
    assert store.open(session.id).name == "maths"
    assert store.find("physics") is None
    assert store.find("20200101-000000-000000") is None
    with pytest.raises(UsageError, match='No session named "physics"'):
        store.open("physics")


def test_an_old_name_is_free_again(store):
    session = recorded(store.new("maths"))
    store.rename(session, "sums")
    session.close()
    assert store.find("maths") is None
    assert recorded(store.new("maths")).name == "maths"


def test_a_name_stands_for_one_session(store):
    session = recorded(store.new("maths"))
    other = recorded(store.new())
    with pytest.raises(UsageError, match="already"):
        store.new("maths")
    with pytest.raises(UsageError, match="already"):
        store.rename(other, "maths")
    store.rename(session, "maths")


@pytest.mark.parametrize("name", ["", "a b", "../x", ".x", "-x", "a/b", "x" * 65, "20200101-000000-000000", "a\n"])
def test_a_name_is_safe_anywhere(store, name):
    with pytest.raises(UsageError, match="cannot be the name"):
        store.new(name)


def test_a_removed_session_is_gone(store):
    session = recorded(store.new("maths"))
    store.remove(session)
    assert list(store.list()) == []


def test_a_session_in_use_is_neither_removed_nor_recorded_in_by_another(store):
    session = store.new("maths")
    session.record(sample()[0])
    other = store.open("maths")
    with pytest.raises(StorageError, match="in use"):
        store.remove(other)
    with pytest.raises(StorageError, match="in use"):
        other.record(sample()[0])
    session.close()


def test_what_could_not_be_saved_is_kept_and_saved_with_the_next_event(store, tmp_path):
    session = store.new()
    (tmp_path / "data").write_text("in the way")
    events = [event for event in sample() if not isinstance(event, TextWritten)]
    with pytest.raises(StorageError):
        session.record(events[0])
    (tmp_path / "data").unlink()
    recorded(session, events[1:])
    assert SavedSession(session.path).turns() == session.turns()


def test_a_damaged_line_costs_that_line_and_is_told(store):
    session = recorded(store.new())
    lines = session.path.read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b"StepJudged" in line)
    lines[at : at + 1] = [b"\xff\xfe{\n", b"\n", b'{"event": "StepSalvaged"}\n']
    session.path.write_bytes(b"".join(lines))
    again = SavedSession(session.path)
    assert again.messages() == session.messages()
    assert [warning.partition(" of ")[0] for warning in again.warnings] == [f"Line {at + 1}", f"Line {at + 3}"]


def test_other_files_in_the_folder_are_no_sessions(store):
    recorded(store.new("maths"))
    (store.folder / "notes.jsonl").write_text("mine")
    (store.folder / "notes.txt").write_text("mine")
    assert [session.name for session in store.list()] == ["maths"]


def test_a_file_that_cannot_be_read_is_skipped_with_a_warning(store):
    recorded(store.new("maths"))
    (store.folder / "20260101-000000-000000.jsonl").mkdir()
    (store.folder / "20260101-000000-000001.jsonl").symlink_to("20260101-000000-000001.jsonl")
    os.mkfifo(store.folder / "20260101-000000-000002.jsonl")
    (store.folder / "99999999-999999-999999.jsonl").touch()
    assert [session.name for session in store.list()] == ["maths"]
    assert sorted(store.warnings)[-1].startswith("20260101-000000-000002.jsonl")
    assert len(store.warnings) == 3
    assert store.latest().name == store.open("maths").name == "maths"
    assert len(store.new("physics").warnings) == 3


def test_a_line_nested_too_deep_is_a_damaged_line(store):
    session = recorded(store.new("maths"))
    with session.path.open("a") as file:
        file.write("[" * 200_000 + "\n")
    (found,) = store.list()
    assert (len(found.turns()), len(found.warnings)) == (1, 1)


@pytest.mark.parametrize("moment", ["synced", "not yet"])
def test_an_event_whose_saving_was_interrupted_stands_once(store, monkeypatch, moment):
    session = store.new("maths")
    events = [event for event in sample() if not isinstance(event, TextWritten)]
    fsync, calls = os.fsync, []

    def interrupted(file):
        calls.append(file)
        if moment == "synced":
            fsync(file)
        if len(calls) == 3:
            raise Interrupted

    monkeypatch.setattr(os, "fsync", interrupted)
    for event in events:
        with suppress(Interrupted):
            session.record(event)
    session.close()
    lines = session.path.read_text().splitlines()[1:]
    assert [event_of(line, "") for line in lines] == events


def test_three_ctrl_c_while_a_step_is_synced_double_nothing(store, monkeypatch):
    session, fsync = store.new("maths"), os.fsync
    calls = []

    def pressed(file):
        fsync(file)
        calls.append(file)
        if len(calls) == 3:
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(os, "fsync", pressed)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signals.raise_errors()
    try:
        for question in ("one", "two"):
            with suppress(Interrupted), signals.stopping(Interrupt()):
                for event in run((*session.messages(), Message("user", question))):
                    session.record(event)
            signals.forget()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    session.close()
    kinds = [json.loads(line)["event"] for line in session.path.read_text().splitlines()]
    assert (len(calls) > 3, kinds.count("RunStarted"), kinds.count("RunFinished")) == (True, 2, 1)
    first, second = store.open("maths").turns()
    assert (first.cut_off, second.cut_off) == (True, False)
    assert [[step.n for step in turn.steps] for turn in (first, second)] == [[1], [1, 2, 3]]


def test_a_name_that_another_process_is_beginning_is_refused(store):
    theirs, mine = store.new("maths"), store.new("maths")
    store.claim(theirs)
    with pytest.raises(StorageError, match='just started the session "maths"'):
        store.claim(mine)
    theirs.close()
    assert list(store.folder.iterdir()) == []
    store.claim(mine)
    recorded(mine)
    assert len(store.open("maths").turns()) == 1


def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file cannot be read"):
        SessionStore(tmp_path / "file").list()


def test_a_run_that_never_finished_is_a_turn_marked_as_cut_off(store):
    record = Recorder()
    record.draft("First.\n\n")
    record.begin(Author.DRAFT, "half", provisional=True)
    session = recorded(store.new("maths"), record.events)
    (turn,) = store.open("maths").turns()
    assert turn.cut_off
    assert turn.reply == "First.\n\n"
    recorded(session)
    assert [turn.cut_off for turn in store.open("maths").turns()] == [True, False]


LIVES_AND_IS_KILLED = """
import sys
from pathlib import Path
from confspec_cli.core.messages import Message
from confspec_cli.core.events import StepCommitted
from confspec_cli.storage.session_store import SessionStore
from support.scripted_runs import run

store = SessionStore(Path(sys.argv[1]))
session = store.latest() or store.new("maths")
steps = tuple(f"This is step {n} of very many.\\n\\n" for n in range(1000))
for event in run((*session.messages(), Message("user", f"turn {len(session.turns())}")), delay=0.0005, steps=steps):
    session.record(event)
    if isinstance(event, StepCommitted):
        print(event.step.n, flush=True)
"""


def test_a_session_killed_again_and_again_loses_at_most_the_step_in_flight(store):
    """Each child is killed at a random moment; what it told of must be saved, and the next child goes on from there."""
    choice = random.Random(7)
    told = []
    for _ in range(5):
        with child(LIVES_AND_IS_KILLED, str(store.folder)) as process:
            lines = [process.stdout.readline()]
            time.sleep(choice.uniform(0.0, 0.3))
            process.kill()
            lines += process.stdout.read().splitlines()
        told.append(len(lines))
        turns = store.open("maths").turns()
        assert len(turns) == len(told)
        for n, (turn, steps) in enumerate(zip(turns, told, strict=True)):
            assert turn.user == f"turn {n}"
            assert turn.cut_off
            assert steps <= len(turn.steps) <= steps + 1
            assert turn.reply == "".join(f"This is step {k} of very many.\n\n" for k in range(len(turn.steps)))


def test_a_scripted_conversation_goes_on_where_it_was(store):
    session = store.new("maths")
    for question in ("one", "two"):
        for event in run((*session.messages(), Message("user", question))):
            session.record(event)
    session.close()
    assert [message.role for message in store.open("maths").messages()] == ["user", "assistant"] * 2
    assert [turn.finished.answer for turn in store.open("maths").turns()] == ["42", "42"]


def test_a_file_of_another_program_under_the_name_of_a_session_is_never_added_to(store, tmp_path):
    foreign = tmp_path / "diary"
    foreign.write_text("Dear diary,\n")
    store.folder.mkdir(parents=True)
    (store.folder / "20990101-000000-000000.jsonl").symlink_to(foreign)
    assert store.latest() is None
    assert store.warnings == ["20990101-000000-000000.jsonl was skipped: it is no session."]
    with pytest.raises(StorageError, match="holds no records of confspec"):
        store.open("20990101-000000-000000").record(sample()[0])
    assert foreign.read_text() == "Dear diary,\n"
