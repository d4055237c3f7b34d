"""What models write, drawn for a terminal: code in colours, light Markdown, LaTeX's commonest signs as characters.

Only for what is shown: what is piped, copied or saved stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.style import Style

Pieces = list[tuple[str, str]]
"""A text in pieces, with a style each."""

_FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*([\w+#-]*)\s*")
_HEADING = re.compile(r"#{1,6} +(.+?)#*")
_SPAN = re.compile(r"(`[^`]+`)")
_INLINE = re.compile(r"(?<![\w*])\*\*(?=\S)(.+?)(?<=\S)\*\*(?![\w*])|(?<!`)`([^`]+)`(?!`)|\\boxed\{([^{}]*)\}")
_STYLES = ("bold", "cyan", "bold")  # of what _INLINE finds: strong, code, boxed
# Yellow, magenta and green are left to the marks, which tell who wrote a step.
_THEME = {
    ("Comment",): Style(dim=True),
    ("Keyword",): Style(bold=True),
    ("Operator", "Word"): Style(bold=True),
    ("Literal",): Style(color="cyan"),
    ("Name", "Function"): Style(color="blue"),
    ("Name", "Class"): Style(color="blue"),
}
_SIGNS = {
    **dict(zip(("times", "cdot", "div", "pm", "neq", "ne", "leq", "le", "geq", "ge"), "×·÷±≠≠≤≤≥≥", strict=True)),
    **dict(zip(("approx", "equiv", "infty", "sum", "int", "in", "degree", "circ"), "≈≡∞∑∫∈°°", strict=True)),
    **dict(zip(("alpha", "beta", "gamma", "theta", "lambda", "pi", "sigma", "Delta"), "αβγθλπσΔ", strict=True)),
    **dict(zip(("to", "rightarrow", "Rightarrow", "implies", "cdots", "ldots", "dots"), "→→⇒⇒⋯……", strict=True)),
    **dict.fromkeys(("left", "right", "displaystyle"), ""),
    **dict.fromkeys(("quad", "qquad"), " "),
}
_SIGN = re.compile(rf"\\({'|'.join(sorted(_SIGNS, key=len, reverse=True))})(?![A-Za-z])")
_FRACTION = re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}")
_ROOT = re.compile(r"\\sqrt\{([^{}]*)\}")
_WORDS = re.compile(r"\\(?:text|mathrm|mathbf|textbf)\{([^{}]*)\}")
_DELIMITER = re.compile(r"\\[()\[\]] ?|(?<=\d)\\(?=[%$])|\\(?=[%$]\d?)")
_SIMPLE = re.compile(r"[\w.,√]*")
_DEEP = 3  # fractions within fractions


def draw(text: str, language: str | None, base: str = "") -> tuple[Pieces, str | None]:
    """The text in pieces, and whether code goes on after it: its language, or None.

    `language` is the same of the text before. `base` is a style for everything.
    """
    pieces: Pieces = []
    code: list[str] = []
    for line in text.splitlines(keepends=True):
        fence = _FENCE.fullmatch(line)
        if fence:
            pieces += [*_highlighted(code, language), (line, "dim")]
            language, code = (fence[2] if language is None else None), []
        elif language is not None:
            code.append(line)
        else:
            pieces += _prose(line)
    pieces += _highlighted(code, language)
    return [(piece, f"{base} {style}".strip()) for piece, style in pieces if piece], language


def signs(text: str) -> str:
    """The text with LaTeX's commonest signs as characters."""
    if "\\" not in text:
        return text
    text = _WORDS.sub(r"\1", text)
    for _ in range(_DEEP):
        text = _ROOT.sub(lambda found: f"√{_whole(found[1])}", text)
        text = _FRACTION.sub(lambda found: f"{_whole(found[1])}/{_whole(found[2])}", text)
    return _DELIMITER.sub("", _SIGN.sub(lambda found: _SIGNS[found[1]], text))


def _whole(part: str) -> str:
    """A part of a fraction or below a root, in brackets unless it is one word."""
    return part if _SIMPLE.fullmatch(part) else f"({part})"


def _prose(line: str) -> Iterator[tuple[str, str]]:
    written = line.rstrip("\n")
    words = "".join(part if part[:1] == "`" else signs(part) for part in _SPAN.split(written))
    if heading := _HEADING.fullmatch(words):
        yield heading[1].replace("**", ""), "bold"
    else:
        end = 0
        for found in _INLINE.finditer(words):
            yield words[end : found.start()], ""
            kind = found.lastindex or 1
            yield found[kind], _STYLES[kind - 1]
            end = found.end()
        yield words[end:], ""
    yield line[len(written) :], ""


def _highlighted(lines: list[str], language: str | None) -> Iterator[tuple[str, str]]:
    """Code in colours, as far as its language is known."""
    code = "".join(lines)
    if not language or not code:
        yield code, ""
        return
    from rich.syntax import ANSISyntaxTheme, Syntax  # noqa: PLC0415 - slow to import, and few replies have code

    text = Syntax("", language, theme=ANSISyntaxTheme(_THEME)).highlight(code)[
        : len(code)
    ]  # it ends with a newline of its own
    for piece in text.divide(sorted({edge for span in text.spans for edge in (span.start, span.end)})):
        style = Style.combine([Style(), *(span.style for span in piece.spans if isinstance(span.style, Style))])
        yield piece.plain, str(style) if style else ""
