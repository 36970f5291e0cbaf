"""The supervisor's way to the host: standard input and output, or a socket that the host offers."""

from __future__ import annotations

import os
import socket
import sys

from .frames import FrameDecoder, encode
from .guard import Guard
from .processes import ALONE, end_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, NoReturn

    from .frames import Frame


def leave() -> NoReturn:
    """End: the host is gone. As first process of a namespace, we take all others with us."""
    if not ALONE:
        from shutil import rmtree

        end_all()
        rmtree(os.getcwd(), ignore_errors=True)
    os._exit(0)


def receive(fd: int) -> bytes:
    """What can be read from one of the descriptors that end when the host is gone."""
    try:
        return os.read(fd, 65536) or leave()
    except OSError:
        leave()


class Host:
    """The host, as far as the supervisor knows it."""

    def __init__(self) -> None:
        self.read_fd = 0
        self._write_fd = 1

    def greet(self) -> Frame:
        """Take the host's opening, say hello, change to the better way; returns the opening.

        Its filters have become the guard.
        """
        decoder = FrameDecoder()
        frames: List[Frame] = []
        while not frames:
            frames = decoder.feed(receive(0))
        opening = frames[0]
        hello: Dict[str, Any] = {
            "ev": "hello",
            "python": list(sys.version_info[:3]),
            "channel": "stdio",
        }
        guard = opening["guard"] = Guard(opening["filters"])
        hello["guard"] = guard.why_not
        if opening["socket"] and self._connect(opening["socket"], opening["token"]):
            hello["channel"] = "socket"
        os.write(1, encode(hello))
        return opening

    def _connect(self, path: str, token: str) -> bool:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            link.connect(path)
            link.sendall(token.encode("ascii") + b"\n")
        except OSError:
            link.close()
            return False
        self.read_fd = self._write_fd = link.detach()
        return True

    def send(self, frame: Frame) -> None:
        """Send a frame, waiting for room."""
        rest = encode(frame)
        try:
            while rest:
                rest = rest[os.write(self._write_fd, rest) :]
        except OSError:
            leave()

    def receive(self) -> bytes:
        """What the host sent."""
        return receive(self.read_fd)
