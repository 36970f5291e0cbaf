"""What the user of a prompt types, or pipes in, line by line."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import platformdirs
from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

_AHEAD = 16
"""Pieces of input that are read before they are asked for."""


async def piped_lines() -> AsyncGenerator[str, None]:
    """The lines of standard input, until it ends."""
    rest = ""
    async with aclosing(piped_text()) as pieces:
        async for text in pieces:
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                yield line.strip()
    yield rest.strip()


async def piped_text() -> AsyncGenerator[str, None]:
    """Standard input as it comes, until it ends.

    Read by a thread that nobody waits for, since a silent pipe cannot be interrupted; and from the
    descriptor, since the thread must not hold a lock of `sys.stdin` when the interpreter ends.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[bytes] = asyncio.Queue()
    taken = threading.Semaphore(_AHEAD)

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            while data := os.read(0, 65536):
                taken.acquire()
                loop.call_soon_threadsafe(arrived.put_nowait, data)
            loop.call_soon_threadsafe(arrived.put_nowait, b"")

    threading.Thread(target=read, name="piped-lines", daemon=True).start()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := await arrived.get():
        taken.release()
        yield decoder.decode(data)
    yield decoder.decode(b"", final=True)


async def typed_lines() -> AsyncGenerator[str, None]:
    """What is typed at a prompt, with a history that stays. Ctrl-C clears it, Ctrl-D ends."""
    session: PromptSession[str] = PromptSession(history=_history("repl_history"))
    while True:
        try:
            line = await session.prompt_async("> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        yield line.strip()


async def typed_code(is_complete: Callable[[str], bool]) -> AsyncGenerator[str, None]:
    """Code that is typed at a prompt: lines, up to one with which they are complete."""
    session: PromptSession[str] = PromptSession(history=_history("shell_history"))
    text = ""
    while True:
        try:
            text += await session.prompt_async("... " if text else ">>> ") + "\n"
        except KeyboardInterrupt:
            text = ""
        except EOFError:
            return
        if text and is_complete(text):
            yield text
            text = ""


def _history(name: str) -> History:
    """The history file; for this talk only where it cannot be written."""
    path = platformdirs.user_state_path("conveyor") / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))
