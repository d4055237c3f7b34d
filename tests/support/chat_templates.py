"""Chat templates with the features of twenty-two families of models, in words of our own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A template and the name of its thinking style."""

    template: str
    style: str = ""


def _turns(turn: str, opening: str, before: str = "", after: str = "") -> str:
    """`before`, each message in a `turn`, and the `opening` of the next."""
    loop = "{%- for message in messages -%}" + turn + "{%- endfor -%}"
    return f"{before}{loop}{{%- if add_generation_prompt -%}}{opening}{{%- endif -%}}{after}"


_CHATML = "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
_CHATML_OPENING = "{{ '<|im_start|>assistant\n' }}"
_ALTERNATING = (
    "{%- if (message.role == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('Roles must alternate user/assistant/user/assistant/...') }}{%- endif -%}"
)
_NO_SYSTEM = "{%- if messages[0].role == 'system' -%}{{ raise_exception('System role not supported') }}{%- endif -%}"
_INST = (
    "{%- if message.role == 'user' -%}{{ '[INST] ' + message.content + ' [/INST]' }}"
    "{%- else -%}{{ message.content + eos_token }}{%- endif -%}"
)
_TOOLS_IF_GIVEN = "{%- if tools is not none -%}{{ 'TOOLS ' }}{%- endif -%}"
_HARMONY = (
    "{%- if message.role == 'assistant' -%}"
    "{{ '<|start|>assistant<|channel|>final<|message|>' + message.content + '<|end|>' }}{%- else -%}"
    "{{ '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' }}{%- endif -%}"
)
_SOLAR = (
    "{{ '<|begin|>' + message.role }}{%- if message.role == 'assistant' and message.thought -%}"
    "{{ '<|think|>' + message.thought + '<|end|><|begin|>assistant' }}{%- endif -%}"
    "{{ '<|content|>' + message.content + '<|end|>' }}"
)
_NEMO = (
    "{{ bos_token }}{%- if messages[0].role == 'system' -%}{%- set system = messages[0].content -%}"
    "{%- set loop_messages = messages[1:] -%}{%- else -%}{%- set loop_messages = messages -%}{%- endif -%}"
    + _TOOLS_IF_GIVEN
    + "{%- for message in loop_messages -%}"
    + _ALTERNATING
    + "{%- if message.role == 'user' and loop.last and system is defined -%}"
    "{{ '[INST]' + system + '\n\n' + message.content + '[/INST]' }}"
    "{%- elif message.role == 'user' -%}{{ '[INST]' + message.content + '[/INST]' }}"
    "{%- else -%}{{ message.content + eos_token }}{%- endif -%}{%- endfor -%}"
)

FAMILIES = {
    "default system prompt": Family(
        _turns(
            _CHATML,
            _CHATML_OPENING,
            "{%- if messages[0].role != 'system' -%}{{ '<|im_start|>system\nBe helpful.<|im_end|>\n' }}{%- endif -%}"
            "{%- if tools -%}{{ 'TOOLS' }}{%- endif -%}",
        )
    ),
    "a switch that writes an empty thought": Family(
        _turns(
            _CHATML,
            _CHATML_OPENING + "{%- if enable_thinking is defined and enable_thinking is false -%}"
            "{{ '<think>\n\n</think>\n\n' }}{%- endif -%}",
        ),
        "think",
    ),
    "a prompt that opens the thought": Family(
        _turns(
            "{%- if message.role == 'assistant' -%}{{ '<A>' + message.content.split('</think>')[-1] + eos_token }}"
            "{%- else -%}{{ '<U>' + message.content }}{%- endif -%}",
            "{{ '<A><think>\n' }}",
            "{{ bos_token }}",
        ),
        "think",
    ),
    "an empty thought on one line": Family(
        _turns(
            "{{ '<|' + message.role + '|>\n' + message.content }}",
            "{{ '<|assistant|>' }}{%- if not enable_thinking -%}{{ '\n<think></think>' }}{%- endif -%}",
        ),
        "think",
    ),
    "a switch of another name": Family(
        _turns(
            "{{ '<' + message.role + '>' + message.content }}",
            "{{ '<assistant>' }}{%- if thinking -%}{{ '<think>' }}{%- else -%}{{ '</think>' }}{%- endif -%}",
        ),
        "think",
    ),
    "a thought always opened, and tools asked after": Family(
        _turns(
            "{{ ']~b]' + message.role + '\n' + message.content + '[e~[\n' }}",
            "{{ ']~b]ai\n<think>\n' }}",
            _TOOLS_IF_GIVEN,
        ),
        "think",
    ),
    "a date and a soft switch": Family(
        _turns(
            _CHATML,
            _CHATML_OPENING + "{%- if not enable_thinking -%}{{ '<think>\n\n</think>\n' }}{%- endif -%}",
            "{{ 'Today is ' + strftime_now('%d %B %Y') + '\n' }}",
        ),
        "think",
    ),
    "a beginning of text, and tools asked after": Family(
        _turns(
            "{{ '<|h|>' + message['role'] + '<|/h|>\n\n' + message['content'] | trim + '<|eot|>' }}",
            "{{ '<|h|>assistant<|/h|>\n\n' }}",
            "{{ bos_token }}" + _TOOLS_IF_GIVEN,
        )
    ),
    "the system prompt in the last user turn": Family(_NEMO),
    "no system prompt, strict alternation": Family(
        "{{ bos_token }}" + _NO_SYSTEM + "{%- for message in messages -%}" + _ALTERNATING + _INST + "{%- endfor -%}"
    ),
    "no system prompt, another word for assistant": Family(
        _turns(
            "{{ '<turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' + message.content | trim"
            " + '</turn>\n' }}",
            "{{ '<turn>model\n' }}",
            "{{ bos_token }}" + _NO_SYSTEM,
        )
    ),
    "a system prompt that is dropped": Family(
        "{%- for message in messages if message.role != 'system' -%}{{ message.role + ': ' + message.content + '\n' }}"
        "{%- endfor -%}{{ 'assistant: ' }}"
    ),
    "channels with a name": Family(
        _turns(
            "{{ '<|turn>' + message.role + '\n' + message.content + '<turn|>\n' }}",
            "{{ '<|turn>model\n' }}{%- if not enable_thinking -%}{{ '<|channel>thought\n<channel|>' }}{%- endif -%}",
            "{%- if enable_thinking -%}{{ '<|think|>\n' }}{%- endif -%}",
        ),
        "gemma",
    ),
    "marks in square brackets": Family(
        _turns(
            "{%- if message.role == 'system' -%}{{ '[SYS]' + message.content + ' Think in [THINK]...[/THINK].[/SYS]' }}"
            "{%- else -%}" + _INST + "{%- endif -%}",
            "",
            "{{ bos_token }}",
        ),
        "magistral",
    ),
    "channels": Family(_turns(_HARMONY, "{{ '<|start|>assistant' }}"), "harmony"),
    "a thought in a turn of its own": Family(_turns(_SOLAR, "{{ '<|begin|>assistant' }}"), "solar"),
    "a budget of thinking": Family(
        _turns(
            "{{ bos_token + message.role + '\n' + message.content + eos_token }}",
            "{{ bos_token + 'assistant\n' }}{%- if thinking_budget is defined and thinking_budget == 0 -%}"
            "{{ '<seed:think></seed:think>' }}{%- endif -%}",
        ),
        "seed",
    ),
    "a response with marks too": Family(
        _turns(
            "{{ '<|T|>' + message.role + '<|START_RESPONSE|>' + message.content + '<|END_RESPONSE|>' }}",
            "{{ '<|T|>bot' }}{%- if not enable_thinking -%}{{ '<|START_THINKING|><|END_THINKING|>' }}{%- endif -%}",
        ),
        "command",
    ),
    "a prefix and a suffix": Family(
        _turns(
            "{%- if message.thoughts -%}{{ '<|inner_prefix|>' + message.thoughts + '<|inner_suffix|>' }}{%- endif -%}"
            "{{ '<|' + message.role + '|>' + message.content }}",
            "{{ '<|assistant|>' }}",
        ),
        "apertus",
    ),
    "triangles": Family(_turns(_CHATML, _CHATML_OPENING + "{{ '◁think▷' }}"), "kimi"),
    "a switch without marks": Family(
        _turns(_CHATML, _CHATML_OPENING, "{%- if enable_thinking -%}{{ '<|deliberate|>\n' }}{%- endif -%}"),
        "unknown",
    ),
    "marks for training": Family(
        _turns(
            "{%- if message.role == 'assistant' -%}{% generation %}{{ 'A: ' + message.content + '\n' }}"
            "{% endgeneration %}{%- else -%}{{ 'Q: ' + message.content + '\n' }}{%- endif -%}",
            "{{ 'A: ' }}",
        )
    ),
}
