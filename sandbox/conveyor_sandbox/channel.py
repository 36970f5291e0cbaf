"""The byte stream to a guest, whatever carries it."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Channel(Protocol):
    """Bytes in both directions. Reading ends with b"" when the other side is gone."""

    async def read(self) -> bytes:
        """The next bytes, as soon as there are any."""

    def write(self, data: bytes) -> None:
        """Send; buffered without bound, returns at once."""

    def close(self) -> None:
        """Hang up: the guest ends, and everything in its sandbox with it."""


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
        self._writer.write(data)

    def close(self) -> None:
        self._writer.close()
