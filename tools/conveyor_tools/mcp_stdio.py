"""An MCP server as a child process: messages a line each, on its standard streams.

Not the `mcp` package's own transport: that reads lines of any length, inherits standard error, and
leaves the server's children behind when this program is killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from conveyor_tools import mcp_guard

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

LONGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes of one message. A server that sends a longer one is given up."""
_TAIL = 4000
"""Bytes of what the server wrote to standard error that are kept."""
_GRACE_S = 1.0
"""Seconds that a server has to end by itself once its input is closed."""
_LONGEST_END_S = 6.0
_KEPT_ENV = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER")
"""What a server gets of our environment: no keys and tokens, which the task names if it must."""


class Notes:
    """What a server said beside the protocol: shown when something goes wrong."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """Keep the end of it all."""
        self._chunks.append(chunk[-_TAIL:])
        self._size += len(self._chunks[-1])
        while self._size - len(self._chunks[0]) >= _TAIL:
            self._size -= len(self._chunks.popleft())

    @property
    def last_lines(self) -> str:
        """The last lines, as one."""
        text = b"".join(self._chunks).decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return " | ".join(lines[-3:])[-500:]


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a server: little of ours, and what the task gives it."""
    return {name: os.environ[name] for name in _KEPT_ENV if name in os.environ} | dict(extra)


@asynccontextmanager
async def stdio(
    command: Sequence[str],
    env: Mapping[str, str],
    cwd: Path | None,
    notes: Notes,
    on_end: Callable[[str], None],
) -> AsyncIterator[TransportStreams]:
    """The streams to and from a server, which is ended with all its children at the end.

    `on_end` is called as soon as the server says no more, with what happened.

    Raises:
        OSError: the command cannot be started.
    """
    guard = [sys.executable, "-I", "-S", mcp_guard.__file__, str(_GRACE_S)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *guard, *command, stdin=pipe, stdout=pipe, stderr=pipe, env=dict(env), cwd=cwd,
        limit=LONGEST_MESSAGE, start_new_session=True,
    )  # fmt: skip
    to_session, session_reads = anyio.create_memory_object_stream[Any](0)
    session_writes, from_session = anyio.create_memory_object_stream[Any](0)
    tasks = [
        asyncio.create_task(_read(process, to_session, notes, on_end)),
        asyncio.create_task(_write(process, from_session)),
        asyncio.create_task(_note(process, notes)),
    ]
    try:
        yield session_reads, session_writes
    finally:
        session_reads.close()
        session_writes.close()
        await _end(process)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        to_session.close()
        from_session.close()


async def _read(
    process: asyncio.subprocess.Process,
    to_session: MemoryObjectSendStream[SessionMessage | Exception],
    notes: Notes,
    on_end: Callable[[str], None],
) -> None:
    """Pass on what the server says. Lines that are no messages are kept as notes: some print."""
    happened = "the server has ended"
    assert process.stdout is not None
    try:
        async with to_session:
            while line := await process.stdout.readline():
                try:
                    message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                except (ValueError, RecursionError):
                    notes.add(line)
                    continue
                await to_session.send(SessionMessage(message))
    except ValueError:
        happened = f"the server sent a message of more than {LONGEST_MESSAGE} bytes"
    except (anyio.ClosedResourceError, anyio.BrokenResourceError):
        pass  # the session is over
    finally:
        on_end(happened)
    while await process.stdout.read(65536):
        pass  # the process counts as ended only when its output has been read


async def _write(
    process: asyncio.subprocess.Process,
    from_session: MemoryObjectReceiveStream[SessionMessage],
) -> None:
    assert process.stdin is not None
    with from_session, suppress(ConnectionError):
        async for message in from_session:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(text.encode() + b"\n")
            await process.stdin.drain()


async def _note(process: asyncio.subprocess.Process, notes: Notes) -> None:
    assert process.stderr is not None
    while chunk := await process.stderr.read(4096):
        notes.add(chunk)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close the server's input, which makes the guard end it; kill both if that fails."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_LONGEST_END_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    # Nothing public closes the pipes, which a child that got away (not on Linux) keeps open.
    transport: asyncio.SubprocessTransport | None = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()
