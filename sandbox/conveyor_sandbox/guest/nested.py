"""Functions of the host in the model's code: tools that it calls as if they were its own.

Each call is a connection of its own to the supervisor, closed when the caller no longer waits: so
threads, tasks of an event loop and children made by `os.fork` call side by side, and an interrupted
call is over for the host too.
"""

from __future__ import annotations

import json
from _thread import get_ident
from os import register_at_fork

# What the model's code may put in the place of names in modules must not be met here.
from socket import AF_UNIX, SOCK_STREAM, socket
from sys import _getframe
from weakref import WeakSet

from .frames import LineDecoder, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Dict, Optional

    from .frames import Frame

LONGEST = 1024 * 1024
"""Characters of a call's arguments as JSON."""
_ASYNC = 0x80 | 0x200
"""Flags of the code of coroutines and of asynchronous generators."""
_WITHIN = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<lambda>")
"""Code that is part of the function around it, as far as its writer is concerned."""
_FUNCTION = "def {name}{signature}:\n    return _call({name!r}, _locals())\n"

_to_json = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_from_json = json.JSONDecoder().decode


class ToolError(Exception):
    """A tool failed, or was not allowed to run. The message says why."""


ToolError.__module__ = "__main__"  # as the code sees it, and tracebacks show it


class _Text(str):
    """An annotation, shown without quotes: its type may not exist here."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Nested:
    """The functions that the host offers, and the way to it."""

    def __init__(self, address: str, functions: Any) -> None:
        self._address = address
        self._functions = functions
        self._main = get_ident()
        self._open: WeakSet[socket] = WeakSet()

    def _let_go(self) -> None:
        """A child: its parent's calls are not its own, and end when the parent hangs up."""
        for link in tuple(self._open):
            link.close()

    def define(self, names: Dict[str, Any]) -> None:
        """Put the functions among these names."""
        if self._functions:
            register_at_fork(after_in_child=self._let_go)
            names["ToolError"] = ToolError
        for function in self._functions:
            names[function["name"]] = self._make(function)

    def _make(self, function: Dict[str, str]) -> Any:
        name = function["name"]
        # A function with parameters of its own: so Python itself says which are missing, and `help`
        # and `inspect.signature` show them. The text comes from the host's own tools.
        scope = {"__name__": __name__, "_call": self._call, "_locals": locals}
        text = _FUNCTION.format(**function)
        exec(compile(text, "<tools>", "exec", dont_inherit=True), scope)  # noqa: S102
        made: Any = scope[name]
        made.__annotations__ = {key: _Text(it) for key, it in made.__annotations__.items()}
        made.__doc__ = function["doc"]
        made.__module__ = "__main__"
        return made

    def _call(self, name: str, arguments: Dict[str, Any]) -> Any:
        """Call a tool: returns its result or, in asynchronous code, a coroutine of it."""
        given = {key: value for key, value in arguments.items() if value is not ...}
        try:
            text = _to_json(given)
        except (TypeError, ValueError, RecursionError) as problem:
            raise TypeError("%s() takes plain data: %s" % (name, problem)) from None
        if len(text) > LONGEST:
            raise ToolError("the arguments have more than %d characters as JSON" % LONGEST)
        waits = get_ident() == self._main
        request = encode({"tool": name, "arguments": text, "waits": waits})
        if _is_async(_getframe(2)):
            return self._answer_later(request)
        link = self._connect()
        try:
            return _result(_receive(link, request))
        finally:
            link.close()

    def _connect(self) -> socket:
        try:
            link = socket(AF_UNIX, SOCK_STREAM)
            self._open.add(link)
            link.settimeout(None)  # the code may have set another default
            link.connect(self._address)
        except OSError as problem:
            raise ToolError("the tool cannot be reached: %s" % problem) from None
        return link

    async def _answer_later(self, request: bytes) -> Any:
        from asyncio import get_running_loop

        loop = get_running_loop()
        decoder = LineDecoder()
        link = self._connect()
        try:
            link.setblocking(False)  # noqa: FBT003 - its only signature
            await loop.sock_sendall(link, request)
            while True:
                data = await loop.sock_recv(link, 65536)
                lines = decoder.feed(data)
                if lines or not data:
                    return _result(decode(lines[0]) if lines else None)
        finally:
            link.close()


def _receive(link: socket, request: bytes) -> Optional[Frame]:
    decoder = LineDecoder()
    link.sendall(request)
    while True:
        data = link.recv(65536)
        lines = decoder.feed(data)
        if lines or not data:
            return decode(lines[0]) if lines else None


def _result(reply: Optional[Frame]) -> Any:
    if reply is None:
        raise ToolError("the tool did not answer")
    if not reply["ok"]:
        raise ToolError(reply["text"])
    return _from_json(reply["text"])


def _is_async(frame: Optional[FrameType]) -> bool:
    """Whether the code that calls is asynchronous, in which a call is awaited."""
    while frame is not None and frame.f_code.co_name in _WITHIN:
        frame = frame.f_back
    return frame is not None and bool(frame.f_code.co_flags & _ASYNC)
