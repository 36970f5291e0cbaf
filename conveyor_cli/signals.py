"""Handlers for signals that may lie on top of each other, with no moment between without one."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

_STUCK = 1.0
"""Seconds after which a loop that has not heard of a signal is held up by something."""

Handlers = Mapping[int, Callable[[], None]]

_NONE: Handlers = {}
_outer: ContextVar[Handlers] = ContextVar("handlers in force", default=_NONE)


@contextmanager
def handling(handlers: Handlers) -> Iterator[None]:
    """Handle these signals so in the running loop; afterwards as before.

    A loop that is held up hears of nothing, as by a tool that blocks in an `async def`. Then the
    second signal interrupts whatever that is, as in any program.

    What whoever started the program had ignored stays so: `nohup` does that, and a shell for what
    it starts in the background.
    """
    loop = asyncio.get_running_loop()
    outer = _outer.get()
    handlers = {it: do for it, do in handlers.items() if signal.getsignal(it) != signal.SIG_IGN}
    token = _outer.set({**outer, **handlers})
    for number, handler in handlers.items():
        _install(loop, number, handler)
    try:
        yield
    finally:
        _outer.reset(token)
        for number in handlers:
            if number in outer:
                _install(loop, number, outer[number])
            else:
                loop.remove_signal_handler(number)


def _install(loop: asyncio.AbstractEventLoop, number: int, handler: Callable[[], None]) -> None:
    unheard: list[float] = []

    def heard() -> None:
        unheard.clear()
        handler()

    def arrived(_number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        unheard.append(now)
        if now - unheard[0] > _STUCK:
            raise KeyboardInterrupt

    loop.add_signal_handler(number, heard)
    signal.signal(number, arrived)  # beside the loop's own way of hearing of it
    signal.siginterrupt(number, False)  # noqa: FBT003 - as the loop has it
