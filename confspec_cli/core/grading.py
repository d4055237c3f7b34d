"""Final answers: what a reply gives as its answer, and the code blocks in it. Comparing them is not done here."""

from __future__ import annotations

import re
import textwrap
from enum import Enum

from confspec_cli.core.choice_letters import bare_letter, chosen_letter

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?:(\{)|(-?[\w.]+))")
_BETWEEN_BOXES = re.compile(r"[\s$,;]*(?:\\text\{)?(?:and|or)?[}\s$,;]*")
_NUMBER = r"[-+\u2212$\u20ac\u00a3]*\d[\d,./]*\s*%?"
_STATED = re.compile(
    rf"""
    ^\#{{4}}\s+(?P<marked>{_NUMBER})\s*$                              # "#### 7", as GSM8K has it
    | ^[^\n:]{{0,60}}?\banswer(?:\s+is)?\W*?:\W*?(?P<labelled>[^\n]+)     # "Answer: 7", "the final answer is: 7"
    | ^\W*(?:final\s+)?answer[*_\s]*\n+(?P<headed>[^\n]+)             # a heading, and the answer below it
    | \banswer\s+is\s+(?P<said>[^\n]+?)(?=\.?\s*$|\.\s)              # "The answer is 7."
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_FENCE = re.compile(r"([ \t]*)(?:[-*+]\s+|\d+[.)]\s+)?(`{3,}|~{3,})([^`]*)$")

_NO_PROGRAM = {"bash", "cmd", "console", "log", "output", "plain", "plaintext", "powershell", "sh", "shell", "stdout"}
_NO_PROGRAM |= {"terminal", "text", "txt", "zsh"}


class Answer(str, Enum):
    """What a final answer looks like."""

    BOXED = "boxed"  # \\boxed{…}, or stated: "Answer: …"
    CHOICE = "choice"  # the letter of a choice
    CODE = "code"  # the last fenced code block
    NONE = "none"  # there is none to be recognised


def final_answer(reply: str, kind: Answer = Answer.BOXED) -> str | None:
    """The final answer of a reply, or None: for a choice its letter, else what is boxed or stated."""
    match kind:
        case Answer.CODE:
            return code_block(reply)
        case Answer.CHOICE:
            return _choice(reply)
        case Answer.NONE:
            return None
    return _boxed_or_stated(reply)


def extract(reply: str, kind: Answer) -> str | None:
    """What a program wants of a reply: its last code block or its final answer, whichever `kind` looks for first."""
    if kind in (Answer.CODE, Answer.NONE):
        return code_block(reply) or _boxed_or_stated(reply)
    return final_answer(reply, kind) or code_block(reply)


def code_block(reply: str) -> str | None:
    """The program of a reply: its last fenced code block, without the fences.

    A block that is labelled as a program comes before one without a label, and that before output and shell commands.
    """
    blocks = _labelled_blocks(reply)
    ranks = [0 if label in _NO_PROGRAM else 2 if label else 1 for label, _ in blocks]
    return next((block for rank, (_, block) in zip(ranks[::-1], blocks[::-1], strict=True) if rank == max(ranks)), None)


def code_blocks(reply: str) -> list[str]:
    """What stands in the fenced code blocks, empty ones apart; one cut off counts only where no other was closed."""
    return [block for _, block in _labelled_blocks(reply)]


def _labelled_blocks(reply: str) -> list[tuple[str, str]]:
    """The code blocks, each after the language it is labelled with."""
    found: list[tuple[str, str]] = []
    opened = label = ""
    lines: list[str] = []
    for line in reply.split("\n"):
        fence = _FENCE.match(line)
        if opened and fence and fence[2].startswith(opened) and not fence[3].strip():
            found.append((label, textwrap.dedent("\n".join(lines))))
            opened = ""
        elif opened:
            lines.append(line)
        elif fence:
            opened, label, lines = fence[2], fence[3].strip().split(" ")[0].lower(), []
    closed = [(label, block) for label, block in found if block]
    cut_off = textwrap.dedent("\n".join(lines)).rstrip("\n") if opened else ""
    return closed or [(label, cut_off)] * bool(cut_off)


def _choice(reply: str) -> str | None:
    boxed = _boxed(reply)
    return bare_letter(boxed or reply) or chosen_letter(reply) or boxed or _stated(reply, in_prose=False)


def _boxed_or_stated(reply: str) -> str | None:
    return _boxed(reply) or _stated(reply, in_prose=True)


def _boxed(reply: str) -> str | None:
    """What is in the last box of a reply that is not empty, with the boxes listed right before it."""
    answer, end = None, 0
    for box in _BOX.finditer(reply):
        inside = _braced(reply, box.start(1)) if box[1] else box[2]
        if inside is None or not inside.strip():
            continue
        follows_on = answer is not None and _BETWEEN_BOXES.fullmatch(reply, end, box.start())
        answer = f"{answer}, {inside.strip()}" if follows_on else inside.strip()
        end = box.start(1) + len(inside) + 2 if box[1] else box.end()
    return answer


def _stated(reply: str, in_prose: bool) -> str | None:
    """What the last line that states the answer gives, without emphasis; `in_prose`: "The answer is …" counts too."""
    found = [one for one in _STATED.finditer(reply) if in_prose or one.lastgroup != "said"]
    return found[-1][found[-1].lastgroup or 0].strip().strip("*_$` ") or None if found else None


def _braced(text: str, start: int) -> str | None:
    """What stands between the brace at `start` and the one that closes it."""
    depth = 0
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start + 1 : position]
    return None
