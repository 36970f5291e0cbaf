"""The supervisor's side of tools of the host that the code calls: from a connection to a frame.

The code can say anything on these connections, and open as many as it likes. What it says is
passed on as text, of a limited length; how many calls are open at once is limited; the numbers by
which calls and replies find each other are ours, the code never sees them.
"""

from __future__ import annotations

import os
import select
import socket
import time
from functools import partial

from .frames import LineDecoder, decode, encode
from .nested import LONGEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional

    from .frames import Frame
    from .polling import Poller

_MOST = 64
"""Connections at once; further ones wait to be accepted."""
_WAITING = 1024
"""Connections that wait so; a further one waits in its `connect`."""
_LONGEST_LINE = 3 * LONGEST
"""JSON within JSON: quotes and backslashes count twice there."""
_MOST_HELD = 12 * LONGEST
"""Bytes of calls that are not complete, all together; and of replies that are not read."""


class _Link:
    """A connection: what it has said, and what it is yet to be told."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.lines = LineDecoder(_LONGEST_LINE)
        self.number: Optional[int] = None
        """The call that it asked for."""
        self.waits = False
        self.unsent = b""


def _number(link: _Link) -> int:
    return link.number or 0


class Calls:
    """Takes calls from the code, hands them to the host, and the host's replies back.

    `on_call` is told of each call and of each that nobody waits for any more.
    """

    def __init__(self, functions: Any, poller: Poller, on_call: Callable[[Frame], None]) -> None:
        self.functions = functions
        # An abstract name: there is no file, and no other network namespace in which it is known.
        self.address = "\0conveyor-%s" % os.urandom(8).hex()
        self._watch = poller.watch
        self._unwatch = poller.unwatch
        self._on_call = on_call
        self._links: Dict[int, _Link] = {}
        self._asked: Dict[int, _Link] = {}
        self._count = 0
        self._waited = 0.0
        self._waits_since: Optional[float] = None
        if functions:
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(self.address)
            self._listener.listen(_WAITING)
            self._listener.setblocking(False)  # noqa: FBT003 - its only signature
            self._listen()

    @property
    def waiting(self) -> bool:
        """Whether the main thread of the code says that it waits for a reply."""
        return self._waits_since is not None

    def waited(self) -> float:
        """For how many seconds it has done so, all in all."""
        if self._waits_since is None:
            return self._waited
        return self._waited + time.monotonic() - self._waits_since

    def _note_waiting(self) -> None:
        """A call has begun or ended."""
        waits = any(link.waits for link in self._asked.values())
        if waits != self.waiting:
            self._waited = self.waited()
            self._waits_since = time.monotonic() if waits else None

    def reply(self, frame: Frame) -> None:
        """The host's answer to a call, unless nobody waits for it any more."""
        link = self._asked.pop(frame["id"], None)
        if link is None:
            return
        link.unsent = encode({"ok": frame["ok"], "text": frame["text"]})
        self._send(link)
        self._hang_up_on_idle_ones()
        self._note_waiting()

    def _hang_up_on_idle_ones(self) -> None:
        """Of the replies that nobody reads, there is room for some: the oldest go first."""
        unread = sorted((it for it in self._links.values() if it.unsent), key=_number)
        held = sum(len(it.unsent) for it in unread)
        for link in unread[:-1]:
            if held <= _MOST_HELD:
                return
            held -= len(link.unsent)
            self._close(link)

    def _listen(self) -> None:
        self._watch(self._listener.fileno(), self._accept, select.POLLIN)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # it has gone already, or there is no descriptor left
            return
        connection.setblocking(False)  # noqa: FBT003
        link = _Link(connection)
        self._links[connection.fileno()] = link
        self._watch(connection.fileno(), partial(self._hear, link), select.POLLIN)
        if len(self._links) >= _MOST:
            self._unwatch(self._listener.fileno())

    def _hear(self, link: _Link) -> None:
        """What it asks. All that it says after that is nobody's; its end is what we wait for."""
        if link.number is not None:
            self._close(link)
            return
        try:
            data = link.connection.recv(65536)
            lines = link.lines.feed(data)
            if lines:
                self._ask(link, decode(lines[0]))
            elif not data or self._held() > _MOST_HELD:
                self._close(link)
        except BlockingIOError:
            pass
        except (OSError, ValueError):
            self._close(link)

    def _held(self) -> int:
        return sum(link.lines.held for link in self._links.values())

    def _ask(self, link: _Link, frame: Frame) -> None:
        tool, arguments = frame.get("tool"), frame.get("arguments")
        if not isinstance(tool, str) or not isinstance(arguments, str):
            raise ValueError("not a call")  # noqa: TRY004 - like all that is no call
        self._count += 1
        link.number, link.waits = self._count, frame.get("waits") is True
        self._asked[link.number] = link
        # Of its end, poll tells without being asked to.
        self._watch(link.connection.fileno(), partial(self._hear, link), 0)
        asked = {"ev": "call", "id": link.number, "tool": tool, "arguments": arguments}
        self._on_call({**asked, "waits": link.waits, "t": time.monotonic()})
        self._note_waiting()

    def _send(self, link: _Link) -> None:
        """As much of the reply as there is room for; then it is over."""
        try:
            link.unsent = link.unsent[link.connection.send(link.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            link.unsent = b""
        if link.unsent:
            fd = link.connection.fileno()
            self._watch(fd, partial(self._send, link), select.POLLOUT)
        else:
            self._close(link)

    def _close(self, link: _Link) -> None:
        fd = link.connection.fileno()
        self._unwatch(fd)
        del self._links[fd]
        link.connection.close()
        if len(self._links) == _MOST - 1:
            self._listen()
        if link.number is not None and self._asked.pop(link.number, None) is not None:
            self._on_call({"ev": "dropped", "id": link.number, "t": time.monotonic()})
            self._note_waiting()
