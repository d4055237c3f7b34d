"""The keyboard during a run, read by a separate thread: Alt and a letter acts, everything else is typed ahead.

POSIX only. Terminals send Alt as Esc, so Esc and then the letter is the same.
"""

from __future__ import annotations

import codecs
import os
import select
import termios
import threading
import tty
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TextIO

from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys

ESC_SECONDS = 2.0
"""How long after Esc a letter still acts; later it is text again."""

_LOCAL = 3  # index of the local modes in what termios knows of a terminal
_ENTERED = {Keys.ControlM: "\n", Keys.ControlJ: "\n", Keys.ControlI: "\t"}


class Typing:
    """Tells keys that act from text. `text` is what was typed, with Backspace, Ctrl-W and Ctrl-U obeyed."""

    def __init__(self, act: Callable[[str], bool]) -> None:
        self.text = ""
        self._act = act
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._parser = Vt100Parser(self._take)
        self._after_esc = False

    def feed(self, data: bytes) -> None:
        """Take in what the terminal sent."""
        self._parser.feed(self._decoder.decode(data))

    def expire(self) -> None:
        """Forget an Esc that no key has followed."""
        self._parser.flush()
        self._after_esc = False

    def _take(self, press: KeyPress) -> None:
        after_esc, self._after_esc = self._after_esc, press.key == Keys.Escape
        if after_esc and self._act(press.key.lower()):
            return
        match press.key:
            case Keys.ControlH:
                self.text = self.text[:-1]
            case Keys.ControlW:
                kept = self.text.rstrip()
                self.text = kept[: len(kept) - len(kept.split()[-1])] if kept else ""
            case Keys.ControlU:
                self.text = self.text[: self.text.rfind("\n") + 1]
            case Keys.BracketedPaste:
                self.text += press.data.replace("\r", "\n")
            case Keys():
                self.text += _ENTERED.get(press.key, "")
            case _:
                self.text += press.data


class LiveKeys:
    """Inside this context, Alt and a key in `actions` calls its action on the thread, and is noted for the main thread.

    It does nothing if `stream` is not a terminal. On exit, however it happens, the terminal is restored.
    """

    def __init__(self, stream: TextIO, actions: Mapping[str, Callable[[], None]]) -> None:
        self._stream = stream
        self._actions = actions
        self._pressed: deque[str] = deque()
        self._typing = Typing(self._act)
        self._thread: threading.Thread | None = None

    def pressed(self) -> list[str]:
        """The keys pressed since the last call."""
        return [self._pressed.popleft() for _ in range(len(self._pressed))]

    @property
    def typed(self) -> str:
        """The text typed so far, without the Enter at its end: nothing is sent before a person has seen it."""
        return self._typing.text.rstrip("\n")

    def pause(self) -> None:
        """Give the terminal back, as it was."""
        if self._thread:
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)

    def resume(self) -> None:
        """Take the terminal again: keys come one by one and are not echoed. What was typed before is kept."""
        if self._thread:
            tty.setcbreak(self._terminal, termios.TCSADRAIN)
            mode = termios.tcgetattr(self._terminal)
            mode[_LOCAL] |= termios.NOFLSH  # or Ctrl-C would throw away what was typed and not read yet
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, mode)

    def __enter__(self) -> LiveKeys:
        if self._stream.isatty():
            self._terminal = self._stream.fileno()
            self._before = termios.tcgetattr(self._terminal)
            self._wake, self._waker = os.pipe()
            self._thread = threading.Thread(target=self._listen, name="keys", daemon=True)
            self.resume()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is None:
            return
        try:
            os.write(self._waker, b"x")
            self._thread.join()
            os.close(self._wake)
            os.close(self._waker)
        finally:
            self.pause()
            self._thread = None

    def _listen(self) -> None:
        while True:
            ready, _, _ = select.select([self._terminal, self._wake], [], [], ESC_SECONDS)
            if self._wake in ready and self._terminal not in ready:  # all that was typed is read first
                return
            if not ready:
                self._typing.expire()
                continue
            try:
                data = os.read(self._terminal, 1024)
            except OSError:  # the terminal is gone
                return
            if not data:
                return
            self._typing.feed(data)

    def _act(self, key: str) -> bool:
        if key not in self._actions:
            return False
        self._actions[key]()
        self._pressed.append(key)
        return True
