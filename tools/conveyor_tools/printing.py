"""What a tool's own code prints goes to standard error: standard output is for the answer.

While something else has the terminal, it is given what tools print instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO, cast

_of_a_tool: ContextVar[bool] = ContextVar("of_a_tool", default=False)
_show: Callable[[str], None] | None = None


class _Output:
    """In the place of `sys.stdout` or `sys.stderr`: the same, but for what tools write.

    Not covered: what they write to its `buffer` or descriptor, and threads of their own.
    """

    def __init__(self, own: TextIO, elsewhere: Callable[[], TextIO | None]) -> None:
        self._own = own
        self._elsewhere = elsewhere

    def write(self, text: str) -> int:
        if not _of_a_tool.get():
            return self._own.write(text)
        if _show is not None:
            _show(text)
            return len(text)
        return (self._elsewhere() or self._own).write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)


def is_aside() -> bool:
    """Whether a tool's own code runs here."""
    return _of_a_tool.get()


@contextmanager
def aside() -> Iterator[None]:
    """In here, and in the tasks and threads that begin in here, a tool's own code runs."""
    if sys.stdout is not None and not isinstance(sys.stdout, _Output):
        sys.stdout = cast("TextIO", _Output(sys.stdout, lambda: sys.stderr))
    if sys.stderr is not None and not isinstance(sys.stderr, _Output):
        sys.stderr = cast("TextIO", _Output(sys.stderr, lambda: None))
    token = _of_a_tool.set(True)
    try:
        yield
    finally:
        _of_a_tool.reset(token)


@contextmanager
def given_to(show: Callable[[str], None]) -> Iterator[None]:
    """In here, what tools print is given to `show`, from whatever thread prints it."""
    global _show  # noqa: PLW0603 - as there is one terminal
    before, _show = _show, show
    try:
        yield
    finally:
        _show = before
