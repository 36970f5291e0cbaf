"""The worker: the process that holds the interpreter of the model's code.

It does one thing at a time, as the supervisor asks: run a unit, or end a call. What it says over
its control socket is the model's code's word as much as its own; the supervisor treats it so.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import linecache
import re
import signal
import socket
import sys
import time
import traceback
import types
import warnings
from typing import Any, List, Optional, Tuple

from .frames import Frame, FrameDecoder, encode

_NEWLINE = re.compile(r"\r\n|\r|\n")
_FUTURE = 0
for _name in __future__.all_feature_names:
    _FUTURE |= getattr(__future__, _name).compiler_flag

_SHOWN = 64 * 1024
"""Characters kept of a shown value, a message or a traceback."""


class Call:
    """The text of a call as far as it has come, and what its units leave to each other."""

    def __init__(self, number: int) -> None:
        self.filename = "<call %d>" % number
        self.texts: List[str] = []
        self.flags = 0
        self.value: Any = None
        self._lines: List[str] = []

    def add(self, text: str) -> None:
        """Make the text known to tracebacks and `inspect`, which ask `linecache`."""
        shown = (
            text[1:] if self.texts and self.texts[-1][-1:] == "\r" and text[:1] == "\n" else text
        )
        self._lines += [line + "\n" for line in _NEWLINE.split(shown)]
        if self._lines[-1] == "\n":
            self._lines.pop()
        self.texts.append(text)
        linecache.cache[self.filename] = (len(self._lines), None, self._lines, self.filename)

    def compile(self, text: str, line: int) -> Tuple[Any, Any]:
        """The unit as code to execute, and its last expression as code to evaluate (or None)."""
        flags = self.flags | ast.PyCF_ONLY_AST
        try:
            tree = compile(text, self.filename, "exec", flags, dont_inherit=True)
        except SyntaxError as error:
            _move(error, line - 1)
            raise
        if line > 1:
            ast.increment_lineno(tree, line - 1)
        body = tree.body
        first = len(self.texts) == 1
        if body and _is_string(body[0]) and not first:
            body = [_nothing(body[0]), *body[1:]]  # only a call's first string is its __doc__
        shown = None
        if (
            body
            and isinstance(body[-1], ast.Expr)
            and not (first and len(body) == 1 and _is_string(body[0]))
        ):
            shown = ast.Expression(body[-1].value)
            body = body[:-1]
        tree.body = body
        code = compile(tree, self.filename, "exec", self.flags, dont_inherit=True)
        self.flags |= code.co_flags & _FUTURE
        if shown is not None:
            shown = compile(shown, self.filename, "eval", self.flags, dont_inherit=True)
        return code, shown

    def check(self) -> None:
        """Compile the call as a whole. Raises SyntaxError for what only the whole shows."""
        if len(self.texts) > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # each unit has given its own already
                compile("".join(self.texts), self.filename, "exec", dont_inherit=True)


def _is_string(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _nothing(node: ast.stmt) -> ast.stmt:
    return ast.copy_location(ast.Pass(), node)


def _move(error: SyntaxError, lines: int) -> None:
    """Count the error's lines from the top of the call instead of the unit."""
    for name in ("lineno", "end_lineno"):
        if getattr(error, name, None) is not None:
            setattr(error, name, getattr(error, name) + lines)


class Worker:
    """Runs units in one `__main__` module, for as long as the session lasts."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._main = types.ModuleType("__main__")
        self._main.__dict__["__builtins__"] = sys.modules["builtins"]
        sys.modules["__main__"] = self._main
        self._call: Optional[Call] = None
        self._number = 0
        self._streams = (sys.stdout, sys.stderr)
        self._interrupt: Any = signal.default_int_handler

    def serve(self) -> None:
        """Do what the supervisor asks, until it hangs up."""
        decoder = FrameDecoder()
        signal.signal(signal.SIGINT, _ignore)
        while True:
            data = self._control.recv(65536)
            if not data:
                return
            for frame in decoder.feed(data):
                self._control.sendall(encode(self._do(frame)))

    def _do(self, frame: Frame) -> Frame:
        if self._call is None or frame["call"] != self._number:
            self._number = frame["call"]
            self._call = Call(self._number)
        done = self._run(self._call, frame) if frame["op"] == "run" else self._end(self._call)
        for stream in (sys.stdout, sys.stderr, *self._streams):
            # Anything can stand there: the code may have put it there, or closed it.
            with contextlib.suppress(BaseException):
                stream.flush()
        done.update(call=frame["call"], index=frame.get("index"))
        return done

    def _run(self, call: Call, frame: Frame) -> Frame:
        began = time.monotonic()
        self._control.sendall(
            encode({"ev": "started", "call": frame["call"], "index": frame["index"], "t": began})
        )
        call.add(frame["text"])
        call.value = None
        error: Optional[Frame] = None
        exited = False
        try:
            try:
                code, shown = call.compile(frame["text"], frame["line"])
            except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as problem:
                error = describe(problem, "syntax")
            else:
                self._execute(call, code, shown)
        except SystemExit as problem:
            exited = problem.code in (None, 0)
            if not exited:
                error = describe(problem, "exit")
        except BaseException as problem:  # noqa: BLE001 - whatever the code raises is its outcome
            error = describe(problem, _kind(problem))
        signal.signal(signal.SIGINT, _ignore)
        return {
            "ev": "finished",
            "status": "error" if error else "ok",
            "error": error,
            "exited": exited,
            "t0": began,
            "t1": time.monotonic(),
        }

    def _execute(self, call: Call, code: Any, shown: Any) -> None:
        """Run code as `__main__`, with the handlers for Ctrl-C that a script would have."""
        try:
            signal.signal(signal.SIGINT, self._interrupt)
            exec(code, self._main.__dict__)  # noqa: S102 - what a worker is for
            if shown is not None:
                call.value = eval(shown, self._main.__dict__)  # noqa: S307
        finally:
            self._interrupt = signal.getsignal(signal.SIGINT)
            signal.signal(signal.SIGINT, _ignore)

    def _end(self, call: Call) -> Frame:
        error: Optional[Frame] = None
        result = None
        try:
            call.check()
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as problem:
            error = describe(problem, "syntax")
        if error is None and call.value is not None:
            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                result = cut(repr(call.value))
            except BaseException as problem:  # noqa: BLE001 - a __repr__ is the model's code too
                error = describe(problem, _kind(problem))
            signal.signal(signal.SIGINT, _ignore)
        self._call = None
        return {
            "ev": "ended",
            "status": "error" if error else "ok",
            "error": error,
            "result": result,
            "t": time.monotonic(),
        }


def _ignore(number: int, frame: Any) -> None:
    """An interrupt that came between units. Unlike SIG_IGN, children do not inherit it."""


def _kind(problem: BaseException) -> str:
    if isinstance(problem, MemoryError):
        return "memory"
    if isinstance(problem, EOFError):
        return "input"
    if isinstance(problem, KeyboardInterrupt):
        return "interrupt"
    return "exception"


def describe(problem: BaseException, kind: str) -> Frame:
    """An exception as plain data, its traceback beginning at the model's code."""
    trace = problem.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") == __name__:
        trace = trace.tb_next
    try:
        message = str(problem)
    except BaseException:  # noqa: BLE001 - a __str__ is the model's code too
        message = "<message not printable>"
    try:
        text = "".join(traceback.format_exception(type(problem), problem, trace))
    except BaseException:  # noqa: BLE001
        text = type(problem).__name__ + ": " + message + "\n"
    name = type(problem).__qualname__
    return {"kind": kind, "type": name, "message": cut(message), "traceback": cut(text)}


def cut(text: str) -> str:
    """At most what is kept of a text, saying how much more there was."""
    if len(text) <= _SHOWN:
        return text
    return "%s… (%d characters more)" % (text[:_SHOWN], len(text) - _SHOWN)
