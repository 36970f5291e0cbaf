"""Handlers for signals that may lie on top of each other, with no moment between without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

Handlers = Mapping[int, Callable[[], None]]

_NONE: Handlers = {}
_outer: ContextVar[Handlers] = ContextVar("handlers in force", default=_NONE)


@contextmanager
def handling(handlers: Handlers) -> Iterator[None]:
    """Handle these signals so in the running loop; afterwards as before."""
    loop = asyncio.get_running_loop()
    outer = _outer.get()
    token = _outer.set({**outer, **handlers})
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        _outer.reset(token)
        for number in handlers:
            if number in outer:
                loop.add_signal_handler(number, outer[number])
            else:
                loop.remove_signal_handler(number)
