"""What a tool's own code prints goes to standard error: standard output is for the answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO, cast

_of_a_tool: ContextVar[bool] = ContextVar("of_a_tool", default=False)


class _Output:
    """In the place of `sys.stdout`: the same, but for what tools write.

    Not covered: what they write to its `buffer` or descriptor, and threads of their own.
    """

    def __init__(self, own: TextIO) -> None:
        self._own = own

    def write(self, text: str) -> int:
        stream = sys.stderr if _of_a_tool.get() and sys.stderr is not None else self._own
        return stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)


@contextmanager
def aside() -> Iterator[None]:
    """In here, and in the tasks and threads that begin in here, a tool's own code runs."""
    if sys.stdout is not None and not isinstance(sys.stdout, _Output):
        sys.stdout = cast("TextIO", _Output(sys.stdout))
    token = _of_a_tool.set(True)
    try:
        yield
    finally:
        _of_a_tool.reset(token)
