"""The attached standard streams of a container, as a channel."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker

_STDOUT = 1
_COMPLAINT = 2000
"""Characters kept of what comes over standard error."""


def attach(api: docker.APIClient, container: str) -> socket.socket:
    """A connection to a container's standard streams. Blocks; raises what the engine does."""
    params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    attached = api.attach_socket(container, params)
    raw: socket.socket = attached._sock  # noqa: SLF001 - the SDK offers no other way to it
    try:
        ours = raw.dup()
    finally:
        attached._response.close()  # noqa: SLF001 - nor to let go of it
        attached.close()
    ours.settimeout(None)
    return ours


class AttachChannel:
    """A container's standard streams, with the engine's framing taken off."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.complaint = ""
        """What came over standard error: why the guest did not start."""

    async def read(self) -> bytes:
        try:
            while True:
                header = await self._reader.readexactly(8)
                data = await self._reader.readexactly(int.from_bytes(header[4:], "big"))
                if header[0] == _STDOUT:
                    return data
                self.complaint = (self.complaint + data.decode(errors="replace"))[-_COMPLAINT:]
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    def write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    def close(self) -> None:
        self._writer.transport.abort()
