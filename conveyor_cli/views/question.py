"""A question to the user while a view has the terminal, answered with one key."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from collections.abc import Callable

from conveyor_cli.engine.approval import Ask
from conveyor_cli.views.asked import asked

_KEYS = {b"y": True, b"Y": True, b"n": False, b"N": False, b"\r": False, b"\n": False}


def someone_types() -> bool:
    """Whether standard input is a terminal, on which a question can be answered."""
    return sys.stdin is not None and sys.stdin.isatty()


def asking(show: Callable[[str], None], runs: int = 1) -> Ask:
    """Asks whether a tool may be called. `show` is given the question, and at its end nothing.

    `runs`: in how many runs the answer counts.
    """

    async def ask(tool: str, arguments: str) -> bool:
        show(asked(tool, arguments, runs))
        try:
            return await _yes_pressed()
        finally:
            show("")

    return ask


async def _yes_pressed() -> bool:
    """The answer: no, unless they press y. What was typed before the question is no answer to it.

    The keys are not echoed: a view draws where they would appear.
    """
    loop = asyncio.get_running_loop()
    fd = sys.stdin.fileno()
    answered: asyncio.Future[bool] = loop.create_future()

    def read() -> None:
        key = os.read(fd, 1)
        if (not key or key in _KEYS) and not answered.done():
            answered.set_result(_KEYS.get(key, False))

    before = termios.tcgetattr(fd)
    silent = [*before]
    silent[3] &= ~(termios.ECHO | termios.ICANON)  # Ctrl-C stays a signal
    termios.tcsetattr(fd, termios.TCSAFLUSH, silent)
    loop.add_reader(fd, read)
    try:
        return await answered
    finally:
        loop.remove_reader(fd)
        termios.tcsetattr(fd, termios.TCSANOW, before)
