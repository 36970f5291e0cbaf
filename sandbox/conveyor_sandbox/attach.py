"""The attached standard streams of a container, as a channel."""

from __future__ import annotations

import asyncio
import json

_STDOUT = 1
_COMPLAINT = 2000
"""Characters kept of what comes over standard error."""
_REQUEST = (
    "POST /containers/{}/attach?stdin=1&stdout=1&stderr=1&stream=1 HTTP/1.1\r\n"
    "Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
)
_STREAM = (101, 200)
"""What an engine answers before it goes on with the bare stream."""


class AttachError(Exception):
    """The engine gives no stream; the message says why."""


class AttachChannel:
    """A container's standard streams, with the engine's framing taken off."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """`reader` and `writer`: a fresh connection to the engine."""
        self._reader = reader
        self._writer = writer
        self.complaint = ""
        """What came over standard error: why the guest did not start."""

    async def attach(self, container: str) -> None:
        """Make the connection one to a container's streams. Raises AttachError."""
        self._writer.write(_REQUEST.format(container).encode())
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
            raise AttachError("it closed the connection to the container") from error
        except (ValueError, IndexError) as error:
            raise AttachError("it does not speak HTTP") from error
        if status not in _STREAM:
            raise AttachError(await self._explanation() or f"HTTP status {status}")

    async def _explanation(self) -> str:
        try:
            text = await asyncio.wait_for(self._reader.read(_COMPLAINT), 1)
            return str(json.loads(text)["message"])
        except (TimeoutError, OSError, ValueError, LookupError, TypeError):
            return ""

    async def read(self) -> bytes:
        try:
            while True:
                header = await self._reader.readexactly(8)
                data = await self._reader.readexactly(int.from_bytes(header[4:], "big"))
                if header[0] == _STDOUT:
                    return data
                self.complaint = (self.complaint + data.decode(errors="replace"))[-_COMPLAINT:]
        except (asyncio.IncompleteReadError, OSError):
            return b""

    def write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    @property
    def unsent(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    def close(self) -> None:
        self._writer.transport.abort()
