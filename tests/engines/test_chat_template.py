"""Chat templates: what each family's becomes, what fails as a sentence, and what takes too much."""

import pytest
from support.chat_templates import FAMILIES

from confspec_cli.core.messages import Message
from confspec_cli.core.thinking_styles import STYLES, UNKNOWN, name_of_style
from confspec_cli.engines.prompts.chat_template import ChatTemplate
from confspec_cli.errors import EngineError

SYSTEM, USER = Message("system", "S-text"), Message("user", "U-text")
SECOND_TURN = [SYSTEM, USER, Message("assistant", "A-text"), Message("user", "V-text")]
ECHO = "{%- for message in messages -%}{{ message.content }}{%- endfor -%}"


def chat(template):
    return ChatTemplate("some.gguf", template, "<bos>", "<eos>")


def text_of(pieces):
    return "".join(piece.text for piece in pieces)


@pytest.mark.parametrize("think", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_message_is_told_once_and_as_what_it_is(family, think):
    template = chat(FAMILIES[family].template)
    for messages in ([USER], [SYSTEM, USER], SECOND_TURN[1:], SECOND_TURN):
        pieces = template.conversation(messages, think)
        told = [(piece.role, piece.text) for piece in pieces if piece.role]
        assert sorted(told) == sorted((message.role, message.content) for message in messages)
        rest = [message for message in messages if message.role != "system"]
        assert [text for role, text in told if role != "system"] == [message.content for message in rest]


@pytest.mark.parametrize("family", FAMILIES)
def test_nobody_gave_tools_and_nothing_is_said_of_them(family):
    assert "TOOLS" not in text_of(chat(FAMILIES[family].template).conversation([SYSTEM, USER], False))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_style_of_thinking_is_known_by_the_template(family):
    assert name_of_style(FAMILIES[family].template) == FAMILIES[family].style


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.style not in ("", UNKNOWN)])
def test_the_prompt_ends_inside_a_thought_or_outside_as_it_should(family):
    template = chat(FAMILIES[family].template)
    style = template.style
    thinking, plain = (text_of(template.conversation(SECOND_TURN, think)) for think in (True, False))
    assert thinking.endswith((style.begin, style.opens))
    question = text_of(template.question("Is it so?"))
    for outside in (plain, question):
        assert outside.rfind(style.opens) <= outside.rfind(style.closes) or outside.endswith(style.skip or "\0")
    if style.skip:
        assert plain.endswith(style.skip)
        assert question.endswith(style.skip)


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.style in ("", UNKNOWN)])
def test_no_mark_is_put_into_a_prompt_whose_template_never_writes_it(family):
    template = chat(FAMILIES[family].template)
    assert not template.thinks
    said = text_of(template.conversation(SECOND_TURN, True)) + text_of(template.conversation(SECOND_TURN, False))
    assert not any(style.opens in said or style.closes in said for style in STYLES)


def test_a_question_closes_the_open_turn_and_opens_another():
    pieces = chat(FAMILIES["channels"].template).question("Is it so?")
    assert [piece.text for piece in pieces] == [
        "<|end|><|start|>user<|message|>",
        "Is it so?",
        "<|end|><|start|>assistant",
        "<|channel|>final<|message|>",
    ]


def test_a_system_prompt_that_is_refused_leads_the_first_user_turn():
    pieces = chat(FAMILIES["no system prompt, strict alternation"].template).conversation(SECOND_TURN, False)
    assert text_of(pieces) == "<bos>[INST] S-text\n\nU-text [/INST]A-text<eos>[INST] V-text [/INST]"


@pytest.mark.parametrize("messages", [[USER], [SYSTEM, USER]])
@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("{{ raise_exception('no, thanks.') }}", "no, thanks."),
        ("{{ 'a' + nothing }}", "'nothing' is undefined"),
        ("{{ 'a' + 1 }}", "can only concatenate"),
        ("{{ '{0} {1}'.format(1) }}", "out of range"),
        ("{{ 1 // 0 }}", "division"),
        ("{{ nothing.more }}", "undefined"),
        ("{{ messages[9].content }}", "no element 9"),
        ("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}", "recursion"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ 9**9**9**9 }}", "too large"),
        ("{{ 'x' * 10**11 }}", "too large"),
        ("{{ 'x' * 9999999 }}", "too large"),
        ("{{ ('x' * 9999).replace('x', 'y' * 999999) }}", "too much memory"),
        ("{{ 'x'.ljust(('9' * 10) | int) }}", "too much memory"),
        ("{{ messages | tojson(indent=('9' * 9) | int) }}", "too much memory"),
        ("{{ ('x' * 999999) | wordwrap(1) }}", "takes too long"),
        ("{{ '\\ud800' }}", "surrogates not allowed"),
        ("{{ ('x' * 99999) * 99999 }}", "output is too long"),
        ("{{ 'x' | center(9999999999) }}", "too large"),
        ("{{ '%9999999999d' % 1 }}", "output is too long"),
        ("{{ '{:>9999999999}'.format(1) }}", "output is too long"),
        ("{% for i in range(99999) %}{{ 'x' * 10000 }}{% endfor %}", "output is too long"),
        (
            "{% set x = namespace(a='x' * 99999) %}{% for i in range(99) %}{% set x.a = x.a ~ x.a %}{% endfor %}",
            "memory",
        ),
        ("{{ range(999999) | list }}", "Range too big"),
        ("{{ message.content }}", "undefined"),
        ("\ue0000\ue001", "drops or repeats a message"),
    ],
)
def test_a_template_that_fails_is_one_sentence(start, words, messages):
    with pytest.raises(EngineError) as problem:
        chat(start + ECHO).conversation(messages, False)
    assert words in str(problem.value)
    assert str(problem.value).startswith("The chat template of some.gguf ")
    assert "\n" not in str(problem.value)


def test_a_template_without_end_is_broken_off(monkeypatch):
    monkeypatch.setattr("confspec_cli.engines.prompts.template_sandbox.MOST_SECONDS", 0.05)
    loop = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}"
    with pytest.raises(EngineError, match="takes too long"):
        chat(loop + "{% endfor %}" * 3 + ECHO).conversation([USER], False)


@pytest.mark.parametrize("template", ["{% if %}", "{{ 'x' ", "{{ 99999999 }}", "{# " + "x" * 1_000_001 + " #}"])
def test_a_template_that_cannot_be_read_is_broken(template):
    with pytest.raises(EngineError, match="is broken"):
        chat(template)


def test_rendering_leaves_no_trace_function_behind():
    import sys
    import tracemalloc

    before = sys.gettrace(), tracemalloc.is_tracing()
    chat(ECHO).conversation([USER], False)
    assert (sys.gettrace(), tracemalloc.is_tracing()) == before
