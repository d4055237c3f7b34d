"""The conversation at a terminal, on scripted models: what is said, taken back and told."""

import pytest
from support.scripted_chat import REWRITTEN, STEPS, ScriptedPool, flat, opened, pool, talk

from confspec_cli.core.events import RunStarted
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Author
from confspec_cli.errors import EngineError, StorageError
from confspec_cli.repl.command_table import COMMANDS
from confspec_cli.repl.loop import converse
from confspec_cli.storage.session_store import SessionStore

REPLY = STEPS[0] + REWRITTEN[1] + STEPS[2]


@pytest.fixture
def store(tmp_path):
    return SessionStore(tmp_path / "sessions")


def test_a_message_is_answered_and_remembered():
    chat, text = talk("What is it?", "And again?")
    assert [turn.user for turn in chat.record.turns()] == ["What is it?", "And again?"]
    assert [message.role for message in chat.record.messages()] == ["system", *("user", "assistant") * 2]
    assert chat.record.turns()[0].reply == REPLY
    assert "This is the first step of it." in text


def test_a_second_turn_reads_only_what_is_new_and_the_statistics_say_so():
    models = pool(doubt="never")
    _chat, text = talk("/set stats on", "word " * 200, "Short one?", models=models)
    first, second = [line for line in text.splitlines() if line.startswith("prompt: ")]
    draft_first = int(first.split("draft ")[1].split(",")[0])
    draft_second = int(second.split("draft ")[1].split(",")[0])
    assert draft_first > 200
    assert draft_second == 2
    assert "target 0" in second  # it was never asked, so it has read nothing


def test_an_empty_line_asks_nothing():
    chat, _ = talk("", "   ", '"""\n"""')
    assert chat.record.turns() == []


def test_ctrl_c_at_the_prompt_stays_and_says_how_to_leave():
    _, text = talk("^C", "^C")
    assert text.count("Press Ctrl-D (or type /quit) to exit.") == 2


def test_quit_leaves():
    chat, _ = talk("/quit", "never asked")
    assert chat.desk.typed == ["never asked"]


def test_a_line_of_three_quotes_is_a_message_even_if_it_begins_with_a_slash():
    chat, _ = talk('"""\n/not a command\nat all\n"""', " /nor this")
    assert [turn.user for turn in chat.record.turns()] == ["/not a command\nat all", "/nor this"]


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("/undoo", 'did you mean "/undo"?'),
        ("/xyzzy", "Unknown command /xyzzy."),
        ("/why", "There is no answer yet."),
        ("/undo", "There is no answer yet."),
        ("/undo x", '/undo takes a number of turns, not "x".'),
        ("/regen later", "/regen takes target or nothing"),
        ("/file", "/file takes the path"),
        ("/file /no/such/file", "No such file: /no/such/file."),
        ("/mode both", 'Unknown mode "both".'),
        ("/accept 2", 'accept must be a number from 0 to 1, not "2".'),
        ("/accept nan", 'accept must be a number from 0 to 1, not "nan".'),
        ("/set temperatur 1", 'did you mean "temperature"?'),
        ("/set max_tokens 0", "max_tokens must be a number from 1 to 2147483647"),
        ("/set top_k 99999999999", 'top_k must be a number from 1 to 2147483647, not "99999999999".'),
        ("/set temperature inf", "temperature must be a number from 0 to 100"),
        ("/set vi maybe", 'Only on or off is possible here, not "maybe".'),
        ("/set speculate luck", "speculate must be off, ngram, draft or auto"),
        ("/steps some", "/steps takes show or hide"),
        ("/pair nobody", 'Unknown pair "nobody".'),
        ("/save", "There is no folder to save sessions in."),
        ("/rename x", "This chat is not being saved."),
        ("/load", "/load takes the name or id"),
        ("/export pdf x", "/export takes a format and a path."),
        ("/help nothing", "Unknown command /nothing"),
    ],
)
def test_a_mistake_is_a_sentence_and_a_new_prompt(typed, says):
    chat, text = talk(typed, "still here?")
    assert says in text
    assert len(chat.record.turns()) == 1


def test_help_lists_every_command_and_key():
    _, text = talk("/help", "/help why")
    assert all(name in text for name in COMMANDS)
    assert "Ctrl-X Ctrl-E" in text
    assert "Alt-a" in text


def test_every_command_that_was_promised_is_there():
    wanted = "help quit pair draft target mode system set accept reject steps why regen undo edit file stats context"
    wanted += " save load list rename new export copy retry"
    assert {f"/{name}" for name in wanted.split()} == set(COMMANDS)


def test_why_tells_the_verdict_the_thresholds_and_the_rejected_text():
    _, text = talk("What is it?", "/why", "/why 1", "/why 9")
    judged = text.partition("Step 2 of 3.")[2]
    assert "draft: verdict 0.56 · label mass 0.90 · least likely token 0.90" in judged
    assert "target: verdict 0.11 · label mass 0.90" in judged
    assert "0.11 < 0.50 needed" in flat(judged)
    assert "✗ draft      And this is the second one." in judged
    assert "↻ target     And here is the second one." in judged
    assert "Step 1 of 3. The draft's confidence 0.99 reached 0.95" in flat(text)
    assert "The last answer has no step 9; its steps are 1 to 3." in text


def test_steps_shows_the_last_answer_again_with_numbers():
    _, text = talk("What is it?", "/steps")
    assert "draft: verdict 0.99" in text


def test_undo_takes_turns_back_and_the_models_are_told_no_more_of_them():
    chat, text = talk("One?", "Two?", "Three?", "/undo 2")
    assert [turn.user for turn in chat.record.turns()] == ["One?"]
    assert "Removed the last 2 turns; 1 left." in text


def test_regen_replaces_the_last_answer_and_with_target_the_target_writes_it_alone():
    chat, _ = talk("One?", "/regen target", "Two?")
    first, second = chat.record.turns()
    assert first.reply == "".join(REWRITTEN)
    assert first.started.mode == "target"
    assert second.started.mode == "confspec"


def test_regen_at_temperature_0_says_so_before_it_spends_time():
    chat, text = talk("One?", "/regen", "/retry")
    assert text.count("Temperature is 0, so the answer would be the same.") == 2
    assert len([event for event in chat.record.events if isinstance(event, RunStarted)]) == 1
    assert "/set temperature 0.7" in text


@pytest.mark.parametrize("change", ["/set accept 0.5", "/system Be brief.", "/mode target", "/set temperature 0.5"])
def test_regen_asks_again_where_something_has_changed(change):
    chat, _ = talk("One?", change, "/regen")
    assert len([event for event in chat.record.events if isinstance(event, RunStarted)]) == 2


@pytest.mark.parametrize("typed", ["/exit", "/bye", "/quit", "exit", "quit", "Quit"])
def test_leaving_has_many_names(typed):
    chat, _ = talk(typed, "never asked")
    assert chat.desk.typed == ["never asked"]


def test_a_space_makes_exit_a_message():
    chat, _ = talk(" exit", "exit the loop")
    assert [turn.user for turn in chat.record.turns()] == ["exit", "exit the loop"]


def test_clear_starts_a_new_chat_and_h_is_help():
    chat, text = talk("One?", "/clear", "/h")
    assert chat.record.turns() == []
    assert "Started a new chat." in text
    assert "/why [N]" in text


def test_only_a_name_that_is_nearly_right_is_suggested():
    _, text = talk("/copies", "/statz")
    assert "Unknown command /copies." in text
    assert 'did you mean "/stats"?' in text


def test_what_was_typed_meanwhile_follows_what_comes_back_to_the_prompt():
    chat = opened("^C")
    chat.pending, chat.typed = "One?", "and"
    converse(chat)
    assert chat.desk.given[0] == "One?\nand"


def test_edit_puts_the_question_on_the_prompt_and_replaces_the_turn_when_sent():
    chat, _ = talk("One?", "/edit", "Better?")
    assert chat.desk.given == ["", "", "One?", ""]
    assert [turn.user for turn in chat.record.turns()] == ["Better?"]


def test_an_edit_that_is_not_sent_changes_nothing():
    chat, _ = talk("One?", "/edit", "^C", "Two?")
    assert [turn.user for turn in chat.record.turns()] == ["One?", "Two?"]


def test_a_file_goes_before_the_next_message_and_no_other(tmp_path):
    path = tmp_path / "notes.md"
    path.write_text("eggs: 16\n```\n")
    chat, _ = talk(f"/file {path}", "How many?", "And?")
    assert chat.record.turns()[0].user == "notes.md:\n````\neggs: 16\n```\n````\n\nHow many?"
    assert chat.record.turns()[1].user == "And?"


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"\xff\xfe")
    assert "is not UTF-8 text" in flat(talk(f"/file {tmp_path / 'x.bin'}")[1])


def test_copy_hands_the_answer_to_the_terminal_and_says_how():
    _, text = talk("One?", "/copy")
    assert "\x1b]52;c;" in text
    assert "OSC 52" in text


def test_a_failing_model_is_a_sentence_and_its_turn_is_taken_back():
    def fail(_):
        raise EngineError("llama.cpp failed.", "/pair starter")

    models = pool()
    models.scripted[Author.DRAFT].labels = fail
    chat, text = talk("One?", models=models)
    assert "llama.cpp failed." in text
    assert chat.record.turns() == []


def test_the_kind_of_work_is_told_from_the_first_question_and_stands_above_it(store):
    chat, text = talk(
        *("What is 17 times 23?", "Why?", "/new", "Why is the sky blue?"), store=store, record=store.new(), task=None
    )
    assert chat.config.task.name is TaskName.PLAIN
    assert text.count("scripted · math · ") == 1
    assert text.count("scripted · plain · ") == 1
    assert text.index("· math ·") < text.index("· plain ·")


def test_stats_add_up_over_the_conversation():
    chat, text = talk("One?", "Two?", "/stats")
    assert chat.stats.accepted.whole == 6
    assert chat.stats.seconds == pytest.approx(sum(turn.stats.seconds for turn in chat.record.turns()))
    assert "accepted by draft   4 of 6 checked (67%)" in text


def test_context_tells_what_it_is_full_of():
    _, text = talk("One?", "/context")
    assert "of 4,096 tokens" in text
    assert "system prompt (always kept)" in text
    assert "One?" in text.rpartition("always stays")[2]


def test_the_status_line_says_what_plays_and_how_it_goes_and_fits():
    chat, _ = talk("One?")
    line = chat.toolbar(120)
    for part in ("scripted", "context ", "accept 0.95 reject 0.00", "accepted 2/3 67%", "mode confspec", "CPU"):
        assert part in line
    assert len(chat.toolbar(30)) <= 30


def test_the_run_of_a_turn_is_recorded_with_its_whole_prompt():
    chat, _ = talk("One?", "Two?")
    events = [event for turn in chat.record.turns() for event in turn.events if isinstance(event, RunStarted)]
    assert [event.prompt for event in events] == ["One?", "Two?"]


def test_an_answer_stopped_before_it_began_gives_the_question_back():
    models = pool()
    models.interrupt.set()
    for engine in models.scripted.values():
        engine.interrupt = models.interrupt
    chat, text = talk("One?", "^C", models=models)
    assert chat.record.turns() == []
    assert chat.desk.given == ["", "One?", ""]
    assert "your question is back on the prompt" in text


def test_a_status_line_without_models_says_so_and_completion_is_empty(store):
    class Gone(ScriptedPool):
        @property
        def engines(self):
            raise EngineError("The models are not loaded.", "/pair NAME")

        def names(self, kind):
            raise StorageError("models.yaml cannot be read.")

    chat = opened(models=Gone(pool().scripted))
    assert "not loaded" in chat.toolbar(100)
    assert chat.words("pair") == []
