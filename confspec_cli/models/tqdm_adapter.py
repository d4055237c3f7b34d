"""What huggingface_hub takes for a progress bar.

Knows as much of tqdm as huggingface_hub calls; draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable


def bar(total: int, advanced: Callable[[int], None]) -> type:
    """As much of a tqdm class as huggingface_hub uses, which draws nothing and tells `advanced`.

    It may be told of bytes written and of bytes transferred, the same bytes twice: the larger count says how far it is.
    """

    class Bar:
        def __init__(self, *_: object, initial: int = 0, **__: object) -> None:
            self.n = initial
            self.total = total
            self._transferred = 0

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None: ...

        def update(self, n: float = 1) -> None:
            self.n += int(n)
            self._tell()

        def update_transfer(self, n: float) -> None:
            self._transferred += int(n)
            self._tell()

        def _tell(self) -> None:
            advanced(min(max(self.n, self._transferred), total))

        def close(self) -> None: ...

        def refresh(self, *_: object, **__: object) -> None: ...

        def set_description(self, *_: object, **__: object) -> None: ...

        def set_postfix_str(self, *_: object, **__: object) -> None: ...

        def set_transfer_postfix_str(self, *_: object, **__: object) -> None: ...

    return Bar
