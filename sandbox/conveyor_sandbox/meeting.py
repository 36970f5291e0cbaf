"""A Unix socket where a guest on this machine meets us: faster than its standard streams."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket

from conveyor_sandbox.channel import StreamChannel
from conveyor_sandbox.errors import SandboxDied
from conveyor_sandbox.handshake import SocketOffer
from conveyor_sandbox.owner import owned_tempdir


class Meeting:
    """The socket, in a folder of its own that the guest sees at `seen_at`.

    Whoever says the token is the guest. The folder goes with `close`.
    """

    def __init__(self, seen_at: str) -> None:
        name = secrets.token_hex(8)
        self.offer = SocketOffer(f"{seen_at}/{name}", secrets.token_hex(16))
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.folder = owned_tempdir()
        try:
            path = self.folder / name
            self._listener.bind(str(path))
            self._listener.setblocking(False)  # noqa: FBT003 - its only signature
            self._listener.listen(1)
            path.chmod(0o777)  # the guest is another user
            self.folder.chmod(0o711)
        except BaseException:
            self.close()
            raise

    async def accept(self) -> StreamChannel:
        """The guest that said in its hello that it came. Raises SandboxDied if it is not there."""
        # It connected and said the token before its hello, so nothing here has to wait.
        expected = self.offer.token.encode() + b"\n"
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            raise SandboxDied("the guest did not come to the sandbox's socket") from None
        try:
            connection.setblocking(False)  # noqa: FBT003
            said = connection.recv(len(expected))
        except OSError:
            said = b""
        if said != expected:
            connection.close()
            raise SandboxDied("someone else connected to the sandbox's socket")
        return StreamChannel(*await asyncio.open_unix_connection(sock=connection))

    def close(self) -> None:
        """Take the socket and its folder away; an accepted connection stays."""
        self._listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)
