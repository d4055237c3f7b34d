"""`confspec ask` through main(argv) on tiny real models: the contract of streams, exit codes and errors."""

import io
import json
import sys

import pytest
from support.chat_templates import FAMILIES
from support.tiny_gguf import OPEN_THINK_TEMPLATE, THINKING_TEMPLATE, damage

from confspec_cli.app import main
from confspec_cli.errors import Exit

ENDLESS = {"<|im_end|>": -40, "<|end|>": -40}


@pytest.fixture
def speak(monkeypatch):
    """Give the next command this standard input (bytes), or a terminal's empty one."""

    def with_input(raw=None):
        stream = io.TextIOWrapper(io.BytesIO(raw or b""), encoding="utf-8")
        stream.isatty = lambda: raw is None
        monkeypatch.setattr(sys, "stdin", stream)

    with_input()
    return with_input


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("CONFSPEC_PAIR", "CONFSPEC_YES", "CONFSPEC_ACCEPT", "CONFSPEC_DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ask(tiny, speak):
    """Ask a pair of tiny models, the draft with another tokenizer than the target."""

    def run(*arguments, draft=None, target=None):
        draft = draft or tiny("llama", seed=2, bias={"Yes": 5, "No": 5})
        target = target or tiny("llama", seed=3, vocab="other", bias={"Yes": 5, "No": 5})
        return main(["ask", "--draft", str(draft), "--target", str(target), "-n", "60", "--threads", "2", *arguments])

    return run


def document(capsys):
    return json.loads(capsys.readouterr().out)


def test_the_reply_goes_to_stdout_and_nothing_else_does(ask, capsys):
    assert ask("Hello", "--mode", "target") in (Exit.OK, Exit.NO_ANSWER)
    out, err = capsys.readouterr()
    assert out.strip()
    assert "target" in err
    assert "\x1b" not in out + err


def test_quiet_says_nothing_but_the_reply(ask, capsys):
    ask("Hello", "-q", "--mode", "draft")
    assert "✓" not in capsys.readouterr().err


def test_the_draft_speculates_only_where_that_is_asked_for(ask, capsys):
    ask("Hello", "--format", "json")
    assert document(capsys)["parameters"]["speculation"] == "auto"
    ask("Hello", "--speculate", "draft", "--format", "json")
    assert document(capsys)["parameters"]["speculation"] == "draft"


def test_json_is_one_document_with_every_step_and_parameter(ask, capsys):
    ask("Hello", "--format", "json", "--accept", "0.9", "--reject", "0.1")
    found = document(capsys)
    assert found["schema_version"] == 2
    assert found["parameters"]["accept"] == 0.9
    assert set(found["models"]) == {"draft", "target"}
    assert found["steps"]
    for step in found["steps"]:
        assert step["origin"] in {"draft", "escalated", "target"}
        assert 0 <= step["p"] <= 1
        assert 0 <= step["label_mass"] <= 1
        assert step["tokens"] >= 0
    assert "".join(step["text"] for step in found["steps"]) == found["reply"]


def test_jsonl_is_one_event_a_line_and_replay_draws_it_again(ask, capsys, tmp_path):
    ask("Hello", "--format", "jsonl")
    lines = capsys.readouterr().out
    record = tmp_path / "run.jsonl"
    record.write_text(lines, encoding="utf-8")
    events = [json.loads(line)["event"] for line in lines.splitlines()]
    assert (events[0], events[-1]) == ("RunStarted", "RunFinished")
    assert main(["replay", str(record), "-q"]) == Exit.OK
    reply = json.loads(lines.splitlines()[-1])["reply"]
    assert capsys.readouterr().out.rstrip("\n") == reply.rstrip("\n")


def test_piped_text_goes_before_the_argument_and_a_dash_is_piped_text_alone(ask, speak, capsys):
    speak(b"first\n")
    ask("second", "--format", "jsonl")
    assert json.loads(capsys.readouterr().out.splitlines()[0])["prompt"] == "first\n\nsecond"
    speak(b"alone\n")
    ask("-", "--format", "jsonl")
    assert json.loads(capsys.readouterr().out.splitlines()[0])["prompt"] == "alone"


def test_the_system_prompt_can_be_replaced_or_left_out(ask, capsys):
    for given in ("Answer in verse.", ""):
        ask("Hello", "-s", given, "--format", "jsonl")
        assert json.loads(capsys.readouterr().out.splitlines()[0])["system"] == given


@pytest.mark.parametrize(
    ("flags", "bounds"),
    [
        (["--accept", "0"], (0.0, 0.0)),
        (["--reject", "1"], (1.0, 1.0)),
        (["--reject", "0.97"], (0.97, 0.97)),
        (["--accept", "0.5"], (0.5, 0.0)),
        (["--accept", "0.5", "--reject", "0.5"], (0.5, 0.5)),
    ],
)
def test_one_threshold_moves_the_other_along_where_they_would_cross(ask, capsys, flags, bounds):
    ask("Hello", "--format", "json", *flags)
    parameters = document(capsys)["parameters"]
    assert (parameters["accept"], parameters["reject"]) == bounds


def test_the_environment_stands_behind_the_flags(ask, capsys, monkeypatch):
    monkeypatch.setenv("CONFSPEC_ACCEPT", "0.7")
    ask("Hello", "--format", "json")
    assert document(capsys)["parameters"]["accept"] == 0.7
    ask("Hello", "--format", "json", "--accept", "0.8")
    assert document(capsys)["parameters"]["accept"] == 0.8


def test_a_drawn_seed_is_recorded_and_repeats_the_run(ask, capsys):
    ask("Hello", "--temperature", "1.2", "--format", "json")
    first = document(capsys)
    ask("Hello", "--temperature", "1.2", "--format", "json", "--seed", str(first["parameters"]["seed"]))
    assert document(capsys)["reply"] == first["reply"]


def test_a_thinking_model_s_thoughts_stay_off_stdout(ask, tiny, capsys):
    thinker = tiny("llama", seed=4, template=OPEN_THINK_TEMPLATE, bias={"</think>": 6})
    ask("Hello", "--mode", "target", "-q", target=thinker)
    plain = capsys.readouterr().out
    ask("Hello", "--mode", "target", "--format", "json", target=thinker)
    found = document(capsys)
    whole = "".join(step["text"] for step in found["steps"])
    assert "</think>" in whole
    assert plain.rstrip("\n") == whole.partition("</think>")[2].lstrip("\n").rstrip("\n")


def test_thinking_is_turned_on_and_off_where_the_template_knows_it(ask, tiny, capsys):
    thinker = tiny("llama", seed=4, template=THINKING_TEMPLATE, bias={"</think>": 6})
    for flag, thinking in ((None, True), ("--think", True), ("--no-think", False)):
        ask("Hello", "--mode", "target", "--format", "json", *([flag] if flag else []), target=thinker)
        assert document(capsys)["parameters"]["think"] is thinking


def test_a_style_of_thinking_nobody_knows_is_warned_of_once(ask, tiny, capsys):
    stranger = tiny("llama", template=FAMILIES["a switch without marks"].template)
    ask("Hello", draft=stranger, target=stranger)
    assert capsys.readouterr().err.count("may think in a style confspec does not know") == 1


@pytest.mark.parametrize("flags", [["--think"], ["--think-budget", "9"]])
def test_a_model_that_knows_no_thinking_says_so(ask, capsys, flags):
    assert ask("Hello", "--mode", "target", *flags) == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert "its chat template has no thinking marks" in err
    assert flags[0] not in err.splitlines()[-1]


def test_a_model_that_knows_no_thinking_can_be_told_to_leave_it(ask):
    assert ask("Hello", "--mode", "target", "-n", "300", "--no-think") in (Exit.OK, Exit.NO_ANSWER)


def test_a_budget_for_thinking_that_is_off_is_a_mistake(ask, tiny, capsys):
    thinker = tiny("llama", seed=4, template=THINKING_TEMPLATE)
    assert ask("Hello", "--mode", "target", "--no-think", "--think-budget", "9", target=thinker) == Exit.USAGE
    assert "told not to" in capsys.readouterr().err


def test_at_its_budget_a_real_thinker_is_closed_and_answers(ask, tiny, capsys):
    thinker = tiny("llama", seed=4, template=OPEN_THINK_TEMPLATE, bias={"</think>": -40, "<|im_end|>": -2})
    ask("Hello", "--mode", "target", "--format", "json", "--think-budget", "12", target=thinker)
    found = document(capsys)
    close = next(step for step in found["steps"] if step["origin"] == "injected")
    assert close["cause"] == "think_budget"
    assert sum(step["tokens"] for step in found["steps"] if step["n"] < close["n"]) == 12
    assert found["reply"]
    assert "Considering" not in found["reply"]


def test_a_thinker_told_not_to_think_never_shows_a_thought_on_stdout(ask, tiny, capsys):
    thinker = tiny("llama", seed=4, template=THINKING_TEMPLATE, bias={"</think>": 3})
    ask("Hello", "--mode", "target", "--no-think", "-q", target=thinker)
    plain = capsys.readouterr().out
    ask("Hello", "--mode", "target", "--no-think", "--format", "json", target=thinker)
    whole = "".join(step["text"] for step in document(capsys)["steps"])
    assert "</think>" in whole
    assert plain.rstrip("\n") == whole.partition("</think>")[2].strip("\n")


def test_files_go_before_what_was_piped_and_the_argument_with_their_names(ask, speak, capsys, tmp_path):
    one, two = tmp_path / "one.md", tmp_path / "two.txt"
    one.write_text("A ```` fence.\n", encoding="utf-8")
    two.write_text("Zwei: ü\n", encoding="utf-8")
    speak(b"piped\n")
    ask("and?", "-f", str(one), "--file", str(two), "--format", "jsonl")
    asked = json.loads(capsys.readouterr().out.splitlines()[0])["prompt"]
    assert asked == "one.md:\n`````\nA ```` fence.\n`````\n\ntwo.txt:\n```\nZwei: ü\n```\n\npiped\n\nand?"


@pytest.mark.parametrize(
    ("name", "words"),
    [("none.txt", "No such file:"), ("latin.txt", "not UTF-8 text: byte 0xe9"), (".", "directory")],
)
def test_a_file_that_is_no_text_is_a_mistake(speak, capsys, tmp_path, name, words):
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    assert main(["ask", "x", "-f", str(tmp_path / name)]) == Exit.USAGE
    assert words in capsys.readouterr().err


def test_a_task_puts_its_own_words_before_the_models(ask, capsys):
    for task, words in (("math", "boxed"), ("qa", "letter"), ("code", "fenced"), ("plain", "")):
        ask("Hello", "--task", task, "--format", "json")
        found = document(capsys)
        assert found["parameters"]["task"] == task
        assert words in found["system"]
        assert bool(found["system"]) is bool(words)


@pytest.mark.parametrize(
    ("question", "options", "task"),
    [
        ("Why is the sky blue?", [], "plain"),
        ("What is 17 times 23?", [], "math"),
        ("Write a Python function that adds.", [], "code"),
        ("Which?\n(A) one\n(B) two\n(C) three", [], "qa"),
        ("What is 17 times 23?", ["--task", "plain"], "plain"),
        ("Why is the sky blue?", ["--format-answer", "json"], "math"),
    ],
)
def test_without_a_task_it_is_told_from_the_question(ask, capsys, question, options, task):
    ask(question, "--format", "json", "-n", "5", *options)
    assert document(capsys)["parameters"]["task"] == task


def test_an_answer_that_fits_its_schema_is_all_of_stdout(ask, capsys, tmp_path):
    (tmp_path / "schema.json").write_text(
        '{"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}'
    )
    assert ask("Hello", "--mode", "target", "--schema", str(tmp_path / "schema.json")) == Exit.OK
    assert set(json.loads(capsys.readouterr().out)) == {"ok"}


def test_an_answer_cut_off_by_the_budget_is_exit_7(ask, tiny, capsys):
    talker = tiny("llama", seed=3, bias={'"': -40, "}": -80})
    assert ask("Hello", "--mode", "target", "--format-answer", "json", "-n", "12", target=talker) == Exit.SCHEMA
    out, err = capsys.readouterr()
    assert out.startswith("{")
    assert "cut off at 12 tokens" in err


def test_an_answer_the_grammar_could_not_hold_is_exit_7(ask, capsys, tmp_path):
    (tmp_path / "schema.json").write_text('{"type": "integer", "minimum": 5, "maximum": 4}')
    assert ask("Hello", "--mode", "target", "--schema", str(tmp_path / "schema.json")) == Exit.SCHEMA
    assert "does not fit the schema" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "must be an object"),
        ('{"type": "strin"}', "at #/type"),
        ('{"properties": {"n": {"minimum": "0"}}}', "at #/properties/n/minimum"),
        ('{"anyOf": null}', "at #/anyOf"),
        ('{"items": ' * 9000 + "{}" + "}" * 9000, "nested too deeply"),
        ('{"title": "' + "x" * 200_000 + '"}', "more than 100,000 characters"),
    ],
)
def test_a_schema_that_cannot_be_held_to_is_a_mistake_before_anything_is_loaded(speak, capsys, tmp_path, text, words):
    (tmp_path / "schema.json").write_text(text)
    assert main(["ask", "x", "--schema", str(tmp_path / "schema.json")]) == Exit.USAGE
    assert words in capsys.readouterr().err


def test_what_contradicts_itself_is_a_mistake(speak, capsys, tmp_path):
    (tmp_path / "schema.json").write_text("{}")
    assert main(["ask", "x", "--schema", str(tmp_path / "schema.json"), "--format-answer", "json"]) == Exit.USAGE
    assert main(["ask", "x", "-x", "--format", "json"]) == Exit.USAGE
    assert "confspec ask x --format json" in capsys.readouterr().err


def test_a_reply_with_nothing_to_extract_is_exit_8_with_a_sentence(ask, tiny, capsys):
    brief = tiny("llama", seed=3, bias={"<|im_end|>": 12})
    assert ask("Hello", "--mode", "target", "-x", target=brief) == Exit.NO_ANSWER
    out, err = capsys.readouterr()
    assert out == ""
    assert "Nothing to extract" in err


def test_the_token_budget_is_exit_8_with_what_there_is(ask, tiny, capsys):
    endless = tiny("llama", bias=ENDLESS)
    assert ask("Hello", "--mode", "target", "-n", "20", target=endless) == Exit.NO_ANSWER
    out, err = capsys.readouterr()
    assert out.strip()
    assert "20 tokens" in err


def test_a_context_that_fills_in_the_middle_is_exit_6_with_what_there_is(ask, tiny, capsys):
    endless = tiny("llama", bias=ENDLESS)
    code = ask("Hello", "--mode", "target", "--context", "256", "-n", "900", target=endless)
    assert code == Exit.CONTEXT_FULL
    out, err = capsys.readouterr()
    assert len(out) > 200
    assert "context" in err


FAULTS = [
    (["ask"], Exit.USAGE, "No question given"),
    (["ask", "   "], Exit.USAGE, "No question given"),
    (["ask", "x", "-p", "startr"], Exit.MODEL_MISSING, 'did you mean "starter"'),
    (["ask", "x", "--draft", "no-such-model"], Exit.MODEL_MISSING, "no-such-model"),
    (["ask", "x", "--draft", "/no/such.gguf", "--mode", "draft"], Exit.USAGE, "No such file: /no/such.gguf"),
    (["ask", "x"], Exit.MODEL_MISSING, "Not downloaded yet"),
    (["ask", "x", "--accept", "1.5"], Exit.USAGE, "not between 0 and 1"),
    (["ask", "x", "--reject", "-0.1"], Exit.USAGE, "not between 0 and 1"),
    (["ask", "x", "--accept", "nan"], Exit.USAGE, "not between 0 and 1"),
    (["ask", "x", "--accept", "0.2", "--reject", "0.8"], Exit.USAGE, "below --reject"),
    (["ask", "x", "--mode", "target", "--accept", "0.2"], Exit.USAGE, "has no gate"),
    (["ask", "x", "--mode", "both"], Exit.USAGE, "both"),
    (["ask", "x", "--no-such-flag"], Exit.USAGE, "no-such-flag"),
    (["askk", "x"], Exit.USAGE, "askk"),
]


@pytest.mark.parametrize(
    ("argv", "code", "words"), FAULTS, ids=lambda value: " ".join(value) if isinstance(value, list) else None
)
def test_a_mistake_is_one_sentence_with_its_exit_code_and_no_output(speak, capsys, argv, code, words):
    assert main(argv) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "Traceback" not in err


def test_what_is_missing_is_named_with_its_size_and_the_command_that_pulls_it(speak, capsys):
    speak(b"piped")
    assert main(["ask"]) == Exit.MODEL_MISSING
    err = capsys.readouterr().err
    assert "491.4 MB" in err
    assert "confspec pull starter" in err


def test_piped_bytes_that_are_not_text_are_refused_by_offset(speak, capsys):
    speak(b"caf\xe9")
    assert main(["ask", "what is this?"]) == Exit.USAGE
    assert "0xe9 at offset 3" in capsys.readouterr().err


@pytest.mark.parametrize("how", ["text", "truncated", "offset", "empty", "nan"])
def test_a_damaged_model_is_one_sentence(ask, tiny, capsys, how):
    assert ask("Hello", "--mode", "target", target=damage(tiny("llama", seed=3), how)) == Exit.FAILURE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("confspec: ")
    assert len(err.strip().splitlines()) <= 2


def test_a_model_without_a_chat_template_is_refused_by_name(ask, tiny, capsys):
    assert ask("Hello", "--mode", "target", target=tiny("llama", template=None)) == Exit.FAILURE
    assert "has no chat template" in capsys.readouterr().err


def test_a_prompt_longer_than_the_context_is_exit_6_before_anything_is_computed(ask, capsys):
    assert ask("word " * 600, "--context", "256") == Exit.CONTEXT_FULL
    out, err = capsys.readouterr()
    assert out == ""
    assert "--context 2048" in err or "--context 4096" in err


def test_an_unknown_key_in_models_yaml_names_the_nearest_known_one(speak, capsys, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "models.yaml").write_text("schema: 1\npairs:\n  starter:\n    gte: {accept: 1}\n")
    assert main(["ask", "x"]) == Exit.USAGE
    err = capsys.readouterr().err
    assert "gte" in err
    assert '"gate"' in err


def test_debug_brings_the_traceback_back(speak, monkeypatch):
    monkeypatch.setenv("CONFSPEC_DEBUG", "1")
    with pytest.raises(Exception, match="No question given"):
        main(["ask"])
