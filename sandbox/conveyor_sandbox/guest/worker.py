"""The worker: the process that holds the interpreter of the model's code.

It does one thing at a time, as the supervisor asks: run a unit, or end a call. What it says over
its control socket is the model's code's word as much as its own; the supervisor treats it so.
"""

from __future__ import annotations

import atexit
import sys
from contextlib import suppress
from gc import get_objects
from io import BufferedRandom, BufferedWriter, TextIOWrapper
from os import _exit, getcwd, getpid, write
from socket import CMSG_SPACE, MSG_CMSG_CLOEXEC
from sys import gettrace, settrace
from time import monotonic

from .aio import COROUTINE, SessionLoop
from .call import Call
from .checkpoint import NotFrozen, freeze
from .failures import cut, describe, describe_syntax, is_good_exit, remember
from .figures import Figures
from .frames import FrameDecoder, encode
from .script import Script
from .settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any, NoReturn, Optional

    from .frames import Frame
    from .nested import Nested

_REFUSALS = (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError)
"""What `compile` raises for a text that it does not like."""


_FILES = (TextIOWrapper, BufferedWriter, BufferedRandom)
_ROOM = CMSG_SPACE(4)
"""Bytes of a descriptor that comes with a message."""


class Worker:
    """Runs units in one `__main__` module, for as long as the session lasts."""

    def __init__(self, control: socket.socket, nested: Nested) -> None:
        self._control = control
        self._channel = -1
        self._pid = getpid()
        self._script = Script()
        self._hook = sys.excepthook
        nested.define(self._script.names)
        self._call: Optional[Call] = None
        self._number = 0
        self._streams = (sys.stdout, sys.stderr)
        self._settings = Settings()
        self._errands = {"checkpoint": self._checkpoint, "flush": self._flush_files}
        self._loop = SessionLoop(self._settings)
        self._figures = Figures(getcwd())

    def serve(self) -> None:
        """Do what the supervisor asks, until it hangs up."""
        decoder = FrameDecoder()
        while True:
            data = self._receive()
            if not data:
                return
            for frame in decoder.feed(data):
                errand = self._errands.get(frame["op"], self._do)
                answer = errand(frame)
                if answer is not None:
                    self._control.sendall(encode(answer))

    def _checkpoint(self, frame: Frame) -> Optional[Frame]:
        """Leave a frozen copy behind. None: this is the copy, which is the worker now."""
        self._flush()
        why_not = None
        try:
            if freeze(self._control, self._channel):
                self._pid = getpid()
                return None
        except NotFrozen as problem:
            why_not = str(problem)
        answer = {"ev": "checkpointed", "call": frame["call"], "index": frame["index"]}
        return {**answer, "why_not": why_not, "t": monotonic()}

    def _flush_files(self, frame: Frame) -> Frame:
        """What the code has written to files that it left open is to be in them."""
        for thing in get_objects():
            if type(thing) in _FILES:
                with suppress(BaseException):
                    thing.flush()
        return {**frame, "ev": "flushed", "t": monotonic()}

    def _receive(self) -> bytes:
        """Wait for what the supervisor has to say. Tasks of the code go on meanwhile.

        A channel that comes with it is for a checkpoint.
        """
        self._loop.wait(self._control)
        if getpid() != self._pid:  # a task forked
            self._end_child(0)
        data, rights, _, _ = self._control.recvmsg(65536, _ROOM, MSG_CMSG_CLOEXEC)
        for _, _, descriptors in rights:
            self._channel = int.from_bytes(descriptors[:4], sys.byteorder)
        return data

    def _do(self, frame: Frame) -> Frame:
        if self._call is None or frame["call"] != self._number:
            self._number = frame["call"]
            self._call = Call(self._number, self._script.file)
            self._script.begin_call()
        done = self._run(self._call, frame) if frame["op"] == "run" else self._end(self._call)
        self._flush()
        if getpid() != self._pid:
            self._leave_child(done)
        done.update(call=frame["call"], index=frame.get("index"))
        return done

    def _flush(self) -> None:
        # Anything can stand there: the code may have put it there, closed or deleted it.
        for stream in (getattr(sys, "stdout", None), getattr(sys, "stderr", None), *self._streams):
            with suppress(BaseException):
                stream.flush()  # type: ignore[union-attr]

    def _run(self, call: Call, frame: Frame) -> Frame:
        began = {"ev": "started", "call": frame["call"], "index": frame["index"], "t": monotonic()}
        self._settings.begin()
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
                call.value = self._execute(frame["text"], code, shown)
            except BaseException as problem:  # noqa: BLE001 - what the code raises is its outcome
                exited = is_good_exit(problem)
                error = None if exited else describe(problem)
                remember(problem)
                self._call_hook(problem)
        return {"ev": "finished", "error": error, "exited": exited, "t": monotonic()}

    def _execute(self, text: str, code: Any, shown: Any) -> Any:
        """Run code as `__main__`; returns the value of the expression."""
        names = self._script.names
        with suppress(Exception):  # without it, it may well run all the same
            self._script.before(text)
            self._loop.enter(text)
        try:
            self._settings.restore()
            self._loop.see()
            self._settings.trace()
            if (code.co_flags | (shown.co_flags if shown is not None else 0)) & COROUTINE:
                return self._loop.run((code, shown), names)
            exec(code, names)  # noqa: S102 - what a worker is for
            return eval(shown, names) if shown is not None else None  # noqa: S307
        finally:
            trace = gettrace()
            settrace(None)
            self._settings.lay_aside(trace)
            self._loop.unsee()
            self._script.after()

    def _call_hook(self, problem: BaseException) -> None:
        """A script's own `sys.excepthook` is told of what ends it."""
        hook = getattr(sys, "excepthook", None)
        if hook is self._hook or not callable(hook) or isinstance(problem, SystemExit):
            return
        try:
            self._settings.restore()
            self._settings.trace()
            hook(type(problem), problem, problem.__traceback__)
        except BaseException as another:  # noqa: BLE001 - it is the model's code too
            write(2, ("Error in sys.excepthook:\n" + describe(another)["traceback"]).encode())
        finally:
            trace = gettrace()
            settrace(None)
            self._settings.lay_aside(trace)

    def _end(self, call: Call) -> Frame:
        error: Optional[Frame] = None
        result = None
        self._call = None
        try:
            call.check()
        except _REFUSALS as problem:
            error = describe_syntax(problem, "")
        if error is None:
            self._save_figures()
        if error is None and call.value is not None:
            try:
                result = cut(self._represent(call.value))
            except BaseException as problem:  # noqa: BLE001 - a __repr__ is the model's code too
                error = describe(problem)
        return {"ev": "ended", "error": error, "result": result, "t": monotonic()}

    def _save_figures(self) -> None:
        """That one could not be saved does not make the call fail."""
        try:
            self._settings.restore()
            self._figures.save_open()
        except BaseException as problem:  # noqa: BLE001 - matplotlib runs the model's code too
            write(2, ("a figure was not saved:\n" + describe(problem)["traceback"]).encode())
        finally:
            trace = gettrace()
            settrace(None)
            self._settings.lay_aside(trace)

    def _represent(self, value: Any) -> str:
        try:
            self._settings.restore()
            self._settings.trace()
            return repr(value)
        finally:
            trace = gettrace()
            settrace(None)
            self._settings.lay_aside(trace)

    def _leave_child(self, done: Frame) -> NoReturn:
        """The code forked, and its child came to the end of its unit: that is the child's end.

        It must not answer for its parent. It ends as a script does, which it knows no further text
        of.
        """
        error = done["error"]
        if error is None:
            self._end_child(0)
        write(2, error["traceback"].encode("utf-8", "replace"))
        code = error["message"] if error["kind"] == "exit" else "1"
        self._end_child(int(code) & 0xFF if code.lstrip("-").isdecimal() else 1)

    def _end_child(self, code: int) -> NoReturn:
        with suppress(BaseException):
            atexit._run_exitfuncs()  # noqa: SLF001 - there is no other way
        self._flush()
        _exit(code)
