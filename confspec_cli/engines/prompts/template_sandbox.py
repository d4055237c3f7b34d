"""Jinja templates of strangers, rendered within limits: of time, of output, and of what an expression may build.

A chat template comes with a model file, and whoever made the file wrote it.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

MOST_SECONDS = 1.0  # of processor time; a real template takes milliseconds
_LONGEST_TEMPLATE, _LONGEST_TEXT = 1_000_000, 1_000_000  # characters
_GREATEST = 1_000_000  # of the whole numbers an expression may use
_MOST_BYTES = 256 << 20  # of objects alive at the same time
_WIDE = re.compile(r"\d{5}")  # a width in a format: it fills the memory in a single step
_TEMPLATE_FILE = "<template>"

FAILURES = (
    jinja2.TemplateError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    NameError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""All that a template can fail with: its expressions are those of Python."""


class TemplateLimitError(RuntimeError):
    """A template takes more than any honest one does."""


class _GenerationTags(Extension):
    """`{% generation %}` marks what is trained on; here it means nothing."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which no operator builds what fills the memory."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Make `str.format` safe."""
        wrapped = super().wrap_str_format(value)
        if wrapped is not None and _WIDE.search(value.__self__):
            raise TemplateLimitError("its output is too long")
        return wrapped

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Compute `left operator right`."""
        if operator == "%" and isinstance(left, str) and _WIDE.search(left):
            raise TemplateLimitError("its output is too long")
        if operator == "**" and (abs(left) > _GREATEST or abs(right) > 64):
            raise TemplateLimitError("it uses numbers that are too large")
        if operator == "*":
            sized, times = (right, left) if hasattr(right, "__len__") else (left, right)
            if hasattr(sized, "__len__") and isinstance(times, int) and len(sized) * times > _LONGEST_TEXT:
                raise TemplateLimitError("its output is too long")
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, int) and abs(result) > _GREATEST:
            raise TemplateLimitError("it uses numbers that are too large")
        if hasattr(result, "__len__") and len(result) > _LONGEST_TEXT:
            raise TemplateLimitError("its output is too long")
        return result


class SandboxedTemplate:
    """One template, compiled. Raises one of FAILURES, in compiling and in rendering."""

    def __init__(self, source: str) -> None:
        if len(source) > _LONGEST_TEMPLATE:
            raise TemplateLimitError(f"it has more than {_LONGEST_TEMPLATE:,} characters")
        environment = _Environment(trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTags, loopcontrols])
        environment.filters["tojson"] = _to_json
        del environment.filters["format"]  # `%` does the same, and is watched
        environment.globals |= {"raise_exception": _raise, "strftime_now": _strftime_now}
        tree = environment.parse(source)
        if any(isinstance(const.value, int) and const.value > _GREATEST for const in tree.find_all(nodes.Const)):
            raise TemplateLimitError("it uses numbers that are too large")
        self._template = environment.from_string(tree)

    def render(self, **variables: Any) -> str:
        """The text that the template makes of these variables."""
        text = _within_limits(lambda: self._template.generate(**variables))
        text.encode()  # half of a surrogate pair cannot be told to a model
        return text


def _within_limits(produce: Callable[[], Iterable[str]]) -> str:
    """The text, broken off where it takes too long or grows too long."""
    deadline = time.thread_time() + MOST_SECONDS

    def watch(frame: FrameType, _event: str, _argument: object) -> Any:
        if time.thread_time() > deadline:
            raise TemplateLimitError("it takes too long")
        if tracemalloc.get_traced_memory()[0] > most_bytes:
            raise TemplateLimitError("it takes too much memory")
        return watch if frame.f_code.co_filename == _TEMPLATE_FILE else None

    before, written, length = sys.gettrace(), list[str](), 0
    was_tracing = tracemalloc.is_tracing()
    tracemalloc.start()
    most_bytes = tracemalloc.get_traced_memory()[0] + _MOST_BYTES
    sys.settrace(watch)
    try:
        with _little_memory():
            for text in produce():
                written.append(text)
                length += len(text)
                if length > _LONGEST_TEXT:
                    raise TemplateLimitError("its output is too long")
    except MemoryError:
        raise TemplateLimitError("it takes too much memory") from None
    finally:
        sys.settrace(before)
        if not was_tracing:
            tracemalloc.stop()
    return "".join(written)


@contextmanager
def _little_memory() -> Iterator[None]:
    """Let what needs much more memory than there is now fail, where the system can tell how much that is.

    A single call, such as `replace`, can fill the memory of the machine with nobody looking in between.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        yield
        return
    limits = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * resource.getpagesize() + 2 * _MOST_BYTES
    others = [one for one in limits if one != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([most, *others]), limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def _raise(message: object) -> NoReturn:
    raise jinja2.TemplateError(str(message))


def _strftime_now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)


def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
    """As JSON, without the escapes for HTML that Jinja's own filter writes."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)
