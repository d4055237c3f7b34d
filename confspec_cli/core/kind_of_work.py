"""What kind of work a question is, told from its words, where nobody said.

The rules look for signs that are hard to take for anything else. A question without one is `plain`: the models read it
as it is, with nothing added that it did not ask for.
"""

from __future__ import annotations

import re

from confspec_cli.core.tasks import TaskName

_I = re.IGNORECASE
_LONG = 2000  # characters that are more than a question
_FENCED = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1|\Z)", re.DOTALL | re.MULTILINE)
_SENTENCE = re.compile(r"(?<=[.?!:])\s+|\n+")

_CHOICE = re.compile(r"(?:^|\s)\(?([A-E])[).:](?=\s)")

_LANGUAGE = (
    r"\b(?:python|java|javascript|typescript|rust|golang|c\+\+|c#|kotlin|swift|ruby|php|perl|haskell|scala|lua|julia|bash"
    r"|shell|powershell|sql|sqlite|html|css|awk|numpy|pandas|react|django|flask)(?!\w)"
)
_CODE_ITSELF = r"\b(?:functions?|unit tests?|regular expression|regex|sql query|docstring|source code|algorithm)\b"
_CODE_IN = r"\b(?:programs?|scripts?|class|classes|methods?|modules?|one-?liner|code|query|snippet|decorator|tests?)\b"
_POLITE = r"^\W*(?:(?:please|can you|could you|now) )*"
_WRITE = (
    rf"{_POLITE}(?:write|implement|create|make|code|program|complete|fix|debug|correct|refactor|rewrite|port|translate"
    r"|convert|generate|build|develop|add|give me|show me|i need|i want|optimi[sz]e)\b[^.?!\n]{0,80}"
)
_CODE = [
    re.compile(pattern, _I)
    for pattern in (
        _WRITE + _CODE_ITSELF,
        rf"{_WRITE}{_LANGUAGE}[^.?!\n]{{0,60}}{_CODE_IN}",
        rf"{_WRITE}{_CODE_IN}[^.?!\n]{{0,60}}{_LANGUAGE}",
        rf"^\W*(?:an? |the )?{_LANGUAGE}[^.?!\n]{{0,30}}(?:{_CODE_ITSELF}|{_CODE_IN}) (?:that|which|to|for)\b",
        rf"{_POLITE}(?:fix|debug|refactor|complete|finish|optimi[sz]e)\b[^?\n]{{0,40}}\bcode\b",
    )
]
_SOURCE = re.compile(
    r"^(?:def \w+\(|class \w+[(:]|from \w[\w.]* import |#include\b|(?:pub )?fn \w+|func \w+\()", re.MULTILINE
)
_TALKS_ABOUT = re.compile(
    r"^\W*(?:what|why|how|who|when|where|which|does|do|is|are|can|explain|describe|summari[sz]e|review|tell)\b", _I
)

_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_QUANTITY = re.compile(
    rf"(?<![\w.])(?<![a-z]/)\.?{_NUMBER}(?!\w*[-/]\d)|\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve|fourteen|fifteen"
    r"|twenty|thirty|forty|fifty|hundred|thousand|twice|half|double|dozens?|third|quarter)\b",
    _I,
)
_WORKED_OUT = [
    re.compile(pattern, _I)
    for pattern in (
        rf"{_NUMBER}\s*(?:[+*×·÷^=]|\s[-/x]\s)\s*\(?-?{_NUMBER}",
        r"\d\s*(?:%|percent) (?:of|off|from)\b|\d (?:times|plus|minus|divided by|multiplied by|modulo|squared|cubed)\b",
        r"\b[a-z]\s*\^\s*\d|\b\d*[a-z]\s*[-+=]\s*\d|\d!(?:\s|$)|\b(?:square|cube) root of\b|\\\[",
        r"\\(?:frac|sqrt|sum|int|cdot|times|boxed|binom|log|sin|cos|tan|le|ge|begin)\b|\$[^$\n]*[\d\\^=][^$\n]*\$",
        r"\b(?:equations?|polynomials?|derivatives? of|integral of|hypotenuse|logarithm) [^?]*\d",
        r"\b(?:prime (?:number|factor)s?|factorial|remainder when|greatest common divisor|common multiple) [^?]*\d",
        r"\b(?:perimeter|circumference|radius|area) of (?:the|a|this|an)\b",
        r"\b(?:consecutive|positive|negative|odd|even) integers?\b|\bperfect (?:square|cube)s?\b",
        r"\bhow many (?:ways|digits|divisors)\b",
        r"\b(?:arithmetic|geometric) (?:sequence|series|mean|progression)\b|\bcommon fraction\b|\bcomplex numbers?\b",
    )
]
_HOW_MUCH = re.compile(
    r"\bhow (?:many|much|long|far|old|tall|fast)\b|\bwhat (?:is|was|are|will be|fraction|percent\w*|number)\b|\bfind\b"
    r"|\bcalculate\b|\bin total\b|\b(?:altogether|combined|average|sum|difference|product|profit|each|per)\b"
    r"|\bwie ?viele?\b",
    _I,
)


def kind_of(question: str) -> TaskName:
    """The kind of work that a question is."""
    prose = _FENCED.sub("\n", question).strip()
    if len(prose) > _LONG:  # a text to read, and below it what is asked about it
        question = prose = prose.rpartition("\n\n")[2][-_LONG:]
    if "ABC" in "".join(_CHOICE.findall(prose)):
        return TaskName.QA
    if _is_code(question, prose):
        return TaskName.CODE
    return TaskName.MATH if _is_math(prose) else TaskName.PLAIN


def _is_code(question: str, prose: str) -> bool:
    """Whether code is to be written, and not only talked about."""
    sentences = _SENTENCE.split(prose)
    if any(pattern.search(sentence) for sentence in sentences for pattern in _CODE):
        return True
    return bool(_SOURCE.search(question)) and not any(map(_TALKS_ABOUT.match, (sentences[0], sentences[-1])))


def _is_math(prose: str) -> bool:
    """Whether something is to be worked out: a sum, a formula, or how much some quantities make."""
    if any(pattern.search(prose) for pattern in _WORKED_OUT):
        return True
    quantities = _QUANTITY.findall(prose)
    is_in_figures = any(one[-1].isdigit() for one in quantities)
    return len(quantities) >= (2 if is_in_figures else 3) and bool(_HOW_MUCH.search(prose))
