"""Values of arguments that are still to be written when a call starts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")
_NOT_YET = object()

waiting: ContextVar[Callable[[], AbstractContextManager[None]]] = ContextVar(
    "waiting", default=nullcontext
)
"""What surrounds the wait for a value: a call's time limit stands still in it."""


class Later(Generic[Value]):
    """A value to be awaited: `await limit`. `Later(10)`, as a default, is there at once.

    The value is what the model wrote, once that argument is closed, or the default, once the call
    is. So a function gets the same value whenever it starts.
    """

    def __init__(self, value: Value | Any = _NOT_YET) -> None:
        self._value = value
        self._given: asyncio.Event | None = None

    @property
    def is_there(self) -> bool:
        """Whether the value is known."""
        return self._value is not _NOT_YET

    @property
    def value(self) -> Value:
        """The value, which is there."""
        assert self.is_there
        return self._value

    def give(self, value: Value) -> None:
        """Now it is known. The first value stays."""
        if not self.is_there:
            self._value = value
            if self._given is not None:
                self._given.set()

    def __await__(self) -> Generator[Any, None, Value]:
        if not self.is_there:
            if self._given is None:
                self._given = asyncio.Event()
            with waiting.get()():
                yield from self._given.wait().__await__()
        return self.value
