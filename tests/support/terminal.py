"""Commands in a pseudo-terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pexpect


def in_terminal(argv: Sequence[str], env: Mapping[str, str], *, rows: int = 24, width: int = 80) -> pexpect.spawn:
    """Start a command in a terminal of its own.

    The terminal echoes a key, such as ^C, between any two bytes of what the command writes, so in the middle of a
    character too: what cannot be decoded is replaced.
    """
    return pexpect.spawn(
        argv[0],
        list(argv[1:]),
        env=env,
        encoding="utf-8",
        codec_errors="replace",
        timeout=60,
        dimensions=(rows, width),
    )
