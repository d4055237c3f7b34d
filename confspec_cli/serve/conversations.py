"""Where requests are saved: one that repeats a conversation and adds to it continues the session of that one."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from confspec_cli.core.events import RunFinished
from confspec_cli.core.messages import Message
from confspec_cli.runtime.session_saver import Saving
from confspec_cli.serve.chat_request import ChatRequest
from confspec_cli.storage.session import SavedSession
from confspec_cli.storage.session_store import SessionStore

_MOST = 1024  # conversations that can be gone on with


class Conversations:
    """Saves runs as sessions in `store`; without one, nothing is saved. May be used from several threads."""

    def __init__(self, store: SessionStore | None) -> None:
        self._store = store
        self._sessions: OrderedDict[str, Path] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def saving(self, chat: ChatRequest) -> Iterator[Saving]:
        """The session of a request, while it runs."""
        if self._store is None or chat.no_log:
            yield Saving(None, is_saved=False)
            return
        with self._lock:
            path = self._sessions.pop(_digest(chat.before), None) if chat.before else None
        session = SavedSession(path) if path and path.exists() else self._store.new()
        with Saving(session, is_saved=True) as saving:
            yield saving
        last = session.events[-1] if session.events else None
        if isinstance(last, RunFinished):
            said = (*chat.before, Message("user", chat.question), Message("assistant", last.reply))
            with self._lock:
                self._sessions[_digest(said)] = session.path
                while len(self._sessions) > _MOST:
                    self._sessions.popitem(last=False)


def _digest(messages: Iterable[Message]) -> str:
    turns = json.dumps([[message.role, message.content] for message in messages])
    return hashlib.sha256(turns.encode()).hexdigest()
