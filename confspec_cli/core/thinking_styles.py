"""How families of models mark their thinking.

An engine writes and reads these marks as `<think>` and `</think>`, the only ones known elsewhere, so that models of
different families can continue each other's text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ThinkingStyle:
    """The marks around a thought. `tells`: what a chat template of this style contains.

    `begin` opens a thought at the end of a prompt, `end` closes one there that the template opened, and `skip` is what
    goes there instead of a thought. `silent` marks say nothing to a reader.
    """

    name: str
    opens: str
    closes: str
    tells: tuple[str, ...]
    begin: str
    end: str
    skip: str = ""
    silent: tuple[str, ...] = ()


def _paired(name: str, opens: str, closes: str, *silent: str) -> ThinkingStyle:
    return ThinkingStyle(name, opens, closes, (opens,), opens, closes, silent=silent)


_HARMONY_TURN = "<|end|><|start|>assistant"
_HARMONY = ThinkingStyle(
    name="harmony",
    opens="<|channel|>analysis<|message|>",
    closes=f"{_HARMONY_TURN}<|channel|>final<|message|>",
    tells=("<|channel|>", "<|message|>"),
    begin="<|channel|>analysis<|message|>",
    end=f"{_HARMONY_TURN}<|channel|>final<|message|>",
    skip="<|channel|>final<|message|>",
    silent=(
        "<|channel|>final<|message|>",
        "<|channel|>commentary<|message|>",
        f"{_HARMONY_TURN}<|channel|>analysis<|message|>",
        f"{_HARMONY_TURN}<|channel|>commentary<|message|>",
    ),
)
_SOLAR = ThinkingStyle(
    name="solar",
    opens="<|think|>",
    closes="<|end|><|begin|>assistant<|content|>",
    tells=("<|think|>", "<|content|>"),
    begin="<|think|>",
    end="<|end|><|begin|>assistant<|content|>",
    skip="<|content|>",
    silent=("<|content|>",),
)
_GEMMA = ThinkingStyle(
    name="gemma",
    opens="<|channel>thought\n",
    closes="<channel|>",
    tells=("<|channel>",),
    begin="<|channel>thought\n",
    end="<channel|>",
)
THINK = ThinkingStyle("think", "<think>", "</think>", ("<think>",), begin="<think>\n", end="\n</think>\n\n")
STYLES = (
    _HARMONY,
    _SOLAR,
    _GEMMA,
    _paired("magistral", "[THINK]", "[/THINK]"),
    _paired("seed", "<seed:think>", "</seed:think>"),
    _paired("command", "<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    _paired("apertus", "<|inner_prefix|>", "<|inner_suffix|>"),
    _paired("kimi", "◁think▷", "◁/think▷"),
    THINK,
)
UNKNOWN = "unknown"
_HINT = re.compile("think|reasoning_effort", re.IGNORECASE)


def style_of(template: str) -> ThinkingStyle | None:
    """The style in which a chat template lets its model think; None where it says of no known one."""
    for style in STYLES:
        if all(sign in template for sign in style.tells):
            return style
    return None


def name_of_style(template: str) -> str:
    """The name of a chat template's style, UNKNOWN where it speaks of thinking in no marks we know, or nothing."""
    if style := style_of(template):
        return style.name
    return UNKNOWN if _HINT.search(template) else ""
