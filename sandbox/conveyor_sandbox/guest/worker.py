"""The worker: the process that holds the interpreter of the model's code.

It does one thing at a time, as the supervisor asks: run a unit, or end a call. What it says over
its control socket is the model's code's word as much as its own; the supervisor treats it so.
"""

from __future__ import annotations

import sys
import types
from contextlib import suppress
from os import _exit, getpid, write
from time import monotonic

from .call import Call
from .failures import cut, describe, describe_syntax
from .frames import FrameDecoder, encode
from .settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any, Optional

    from .frames import Frame
    from .nested import Nested

_REFUSALS = (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError)
"""What `compile` raises for a text that it does not like."""


class Worker:
    """Runs units in one `__main__` module, for as long as the session lasts."""

    def __init__(self, control: socket.socket, nested: Nested) -> None:
        self._control = control
        self._pid = getpid()
        self._main = types.ModuleType("__main__")
        self._main.__dict__["__builtins__"] = sys.modules["builtins"]
        sys.modules["__main__"] = self._main
        nested.define(self._main.__dict__)
        self._call: Optional[Call] = None
        self._number = 0
        self._streams = (sys.stdout, sys.stderr)
        self._settings = Settings()

    def serve(self) -> None:
        """Do what the supervisor asks, until it hangs up."""
        decoder = FrameDecoder()
        while True:
            data = self._control.recv(65536)
            if not data:
                return
            for frame in decoder.feed(data):
                answer = self._do(frame)
                self._control.sendall(encode(answer))

    def _do(self, frame: Frame) -> Frame:
        if self._call is None or frame["call"] != self._number:
            self._number = frame["call"]
            self._call = Call(self._number)
        done = self._run(self._call, frame) if frame["op"] == "run" else self._end(self._call)
        self._flush()
        if getpid() != self._pid:
            _leave_child(done)
        done.update(call=frame["call"], index=frame.get("index"))
        return done

    def _flush(self) -> None:
        # Anything can stand there: the code may have put it there, closed or deleted it.
        for stream in (getattr(sys, "stdout", None), getattr(sys, "stderr", None), *self._streams):
            with suppress(BaseException):
                stream.flush()  # type: ignore[union-attr]

    def _run(self, call: Call, frame: Frame) -> Frame:
        began = {"ev": "started", "call": frame["call"], "index": frame["index"], "t": monotonic()}
        self._control.sendall(encode(began))
        call.add(frame["text"])
        call.value = None
        error: Optional[Frame] = None
        exited = False
        try:
            code, shown = call.compile(frame["text"], frame["line"])
        except _REFUSALS as problem:
            error = describe_syntax(problem, frame["text"])
        else:
            try:
                call.value = self._execute(code, shown)
            except BaseException as problem:  # noqa: BLE001 - what the code raises is its outcome
                exited = isinstance(problem, SystemExit) and problem.code in (None, 0)
                error = None if exited else describe(problem)
        return {"ev": "finished", "error": error, "exited": exited, "t": monotonic()}

    def _execute(self, code: Any, shown: Any) -> Any:
        """Run code as `__main__`; returns the value of the expression."""
        names = self._main.__dict__
        try:
            self._settings.restore()
            exec(code, names)  # noqa: S102 - what a worker is for
            return eval(shown, names) if shown is not None else None  # noqa: S307
        finally:
            self._settings.lay_aside()

    def _end(self, call: Call) -> Frame:
        error: Optional[Frame] = None
        result = None
        self._call = None
        try:
            call.check()
        except _REFUSALS as problem:
            error = describe_syntax(problem, "")
        if error is None and call.value is not None:
            try:
                result = cut(self._represent(call.value))
            except BaseException as problem:  # noqa: BLE001 - a __repr__ is the model's code too
                error = describe(problem)
        return {"ev": "ended", "error": error, "result": result, "t": monotonic()}

    def _represent(self, value: Any) -> str:
        try:
            self._settings.restore()
            return repr(value)
        finally:
            self._settings.lay_aside()


def _leave_child(done: Frame) -> None:
    """The code forked, and its child came to the end of its unit: that is the child's end.

    It must not answer for its parent. It ends as a script does, which it knows no further text of.
    """
    error = done["error"]
    if error is None:
        _exit(0)
    write(2, error["traceback"].encode("utf-8", "replace"))
    code = error["message"] if error["kind"] == "exit" else "1"
    _exit(int(code) & 0xFF if code.lstrip("-").isdecimal() else 1)
