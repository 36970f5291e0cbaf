"""A TCP server in a thread of its own, on loopback, that answers as a test wants."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping

_PATIENCE = 60.0

Answer = Callable[[socket.socket, bytes], None]
"""Answers a request on its connection."""


class Answering:
    """Answers each request, up to its blank line or the end of what came at once, by a function."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._asked, self._hung_up = threading.Event(), threading.Event()
        self._open: list[socket.socket] = []
        self._serving = threading.Thread(target=self._serve, daemon=True)
        self._serving.start()

    def asked(self) -> None:
        """Wait until a request has come."""
        assert self._asked.wait(_PATIENCE)

    def hung_up(self) -> None:
        """Wait until a client has hung up."""
        assert self._hung_up.wait(_PATIENCE)

    def die(self) -> None:
        """Be gone, as a process is that is killed: connections are reset, no new ones taken."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # who waits in `accept` is woken
        self._listening.close()
        self._serving.join(_PATIENCE)
        for each in self._open:
            reset(each)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # it was closed
            while True:
                connection, _ = self._listening.accept()
                self._open.append(connection)
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while request := connection.recv(65536):
                if request.startswith(b"HEAD /robots.txt"):  # that a connection is there, only
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                    continue
                self._asked.set()
                self._answer(connection, request)
        self._hung_up.set()


def reset(connection: socket.socket) -> None:
    """Close a connection so that the other side sees it break."""
    with contextlib.suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.shutdown(socket.SHUT_RD)
    connection.close()


def nothing(_: socket.socket, __: bytes) -> None:
    """Keep silent."""


def dripping(connection: socket.socket, _: bytes) -> None:
    """A little, for ever."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    pause = threading.Event()
    while not pause.wait(0.05):
        connection.sendall(b" ")


def saying(*, body: bytes = b"", raw: bytes = b"", kind: str = "application/json") -> Answer:
    """These bytes, or this body of an answer that is well-formed; then the end."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    head += "Connection: close\r\n\r\n"

    def say(connection: socket.socket, _: bytes) -> None:
        connection.sendall(raw or head.encode() + body)
        connection.shutdown(socket.SHUT_WR)

    return say


def by_word(answers: Mapping[str, Answer], otherwise: Answer) -> Answer:
    """What a request is answered depends on the word that it holds."""

    def answer(connection: socket.socket, request: bytes) -> None:
        found = (it for word, it in answers.items() if word.encode() in request)
        next(found, otherwise)(connection, request)

    return answer


@contextlib.contextmanager
def answering(answer: Answer) -> Iterator[Answering]:
    """One that is gone afterwards."""
    server = Answering(answer)
    try:
        yield server
    finally:
        server.die()
