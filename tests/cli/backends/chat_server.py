"""A real HTTP server that replays recorded answers of servers of chat completions, byte by byte."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What a POST is answered with: a status, and a body in pieces of `chop` bytes."""

    body: str = ""
    status: int = 200
    type: str = "text/event-stream; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    chop: int = 1000
    hold: threading.Event | None = None
    """Waited for before what comes then."""
    then: str = "end"
    """`end`: the body ends as it should; `drop`: the connection does; `wait`: nothing comes.

    `hang up`: the connection ends before there is any answer.
    """


@dataclass
class Asked:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: Any


class ReplayServer(ThreadingHTTPServer):
    """Answers POSTs with one answer after the other, GETs with a list of models."""

    daemon_threads = True

    def __init__(self, *answers: Answer | str, models: list[str] | int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = [Answer(it) if isinstance(it, str) else it for it in answers]
        self.models = models
        self.asked: list[Asked] = []
        self.hung_up = threading.Event()
        """Set when a client closed its connection before its answer had ended."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ReplayServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        models = self.server.models
        if isinstance(models, int):
            self._whole(Answer("{}", models, "application/json"))
        else:
            listed = {"object": "list", "data": [{"id": it, "object": "model"} for it in models]}
            self._whole(Answer(json.dumps(listed), type="application/json"))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append(Asked(self.path, headers, json.loads(body)))
        answer = self.server.answers.pop(0)
        if answer.then == "hang up":
            self.close_connection = True
            return
        if answer.type.startswith("text/event-stream"):
            self._streamed(answer)
        else:
            self._whole(answer)

    def _whole(self, answer: Answer) -> None:
        data = answer.body.encode()
        self._head(answer, {"Content-Length": str(len(data))})
        self.wfile.write(data)

    def _streamed(self, answer: Answer) -> None:
        self._head(answer, {"Transfer-Encoding": "chunked"})
        data = answer.body.encode()
        # The kernel must not put pieces together: each is to be read for itself.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(data), answer.chop):
            piece = data[start : start + answer.chop]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if answer.hold is not None:
            answer.hold.wait(60)
        if answer.then == "end":
            self.wfile.write(b"0\r\n\r\n")
            return
        if answer.then == "wait":
            with contextlib.suppress(OSError):
                assert self.connection.recv(1) == b""
            self.server.hung_up.set()
        self.close_connection = True

    def _head(self, answer: Answer, more: dict[str, str]) -> None:
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.type, **answer.headers, **more}.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def serving(*answers: Answer | str, models: list[str] | int = 404) -> Iterator[ReplayServer]:
    """A server with these answers; `models` is the list of them, or the status had instead."""
    server = ReplayServer(*answers, models=models)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
