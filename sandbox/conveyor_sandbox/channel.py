"""The byte stream to a guest, whatever carries it."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Channel(Protocol):
    """Bytes in both directions. Reading ends with b"" when the other side is gone."""

    async def read(self) -> bytes:
        """The next bytes, as soon as there are any."""

    def write(self, data: bytes) -> None:
        """Send; buffered without bound, returns at once. Nothing happens after the end."""

    @property
    def unsent(self) -> int:
        """Bytes that the other side has not taken yet, and that are kept here."""

    def close(self) -> None:
        """Hang up at once: the guest ends, and everything in its sandbox with it."""


class StreamChannel:
    """A channel over asyncio streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        try:
            return await self._reader.read(65536)
        except ConnectionError:
            return b""

    def write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    @property
    def unsent(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    def close(self) -> None:
        # Not `close`, which waits until all is sent: a guest that hangs never takes it. A pipe
        # whose other end was killed has closed itself, and does not bear to be closed again.
        if not self._writer.transport.is_closing():
            self._writer.transport.abort()
