"""Exceptions of the model's code as plain data."""

from __future__ import annotations

import re
import sys
import traceback
from contextlib import suppress
from linecache import getline as line_of

from .aio import in_machinery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Optional

    from .frames import Frame

_SHOWN = 64 * 1024
"""Characters kept of a shown value, a message or a traceback."""
_NO_INPUT = "EOF when reading a line"
"""What `input()` says: standard input is empty in a sandbox."""
_NOT_PYTHON = re.compile(r"\s*(%%?|!)\s*[A-Za-z.]")
"""The start of a line that IPython would not have taken for Python."""


def is_good_exit(problem: BaseException) -> bool:
    """Whether it is `sys.exit()` without an error."""
    if not isinstance(problem, SystemExit):
        return False
    code = problem.code
    return code is None or (isinstance(code, int) and int(code) == 0)


def describe(problem: BaseException) -> Frame:
    """An exception that ended a unit, its traceback as Python would have printed it."""
    if isinstance(problem, SystemExit):
        return _describe_exit(problem)
    return _describe(problem, _kind(problem))


def describe_syntax(problem: BaseException, text: str) -> Frame:
    """What `compile` raised for a text."""
    _add_line(problem)
    error = _describe(problem, "syntax")
    line = (getattr(problem, "text", None) or text).lstrip()
    if _NOT_PYTHON.match(line):
        hint = "%r is for IPython; this is plain Python: use subprocess.run for shell commands"
        error["message"] = cut("%s (%s)" % (error["message"], hint % line.splitlines()[0][:80]))
        error["traceback"] += hint % line.splitlines()[0][:80] + "\n"
    return error


def _add_line(problem: BaseException) -> None:
    """The line, where the compiler looked for it in a file and found none."""
    if isinstance(problem, SyntaxError) and problem.text is None and problem.lineno:
        with suppress(BaseException):  # the code may have put anything there
            problem.text = line_of(str(problem.filename), problem.lineno)


def remember(problem: BaseException) -> None:
    """What ended the program, for `pdb.pm()` and its like in a later call."""
    problem.__traceback__ = _trace(problem)
    sys.last_type, sys.last_value = type(problem), problem
    sys.last_traceback = problem.__traceback__
    if sys.version_info >= (3, 12):
        sys.last_exc = problem


def _kind(problem: BaseException) -> str:
    if isinstance(problem, MemoryError):
        return "memory"
    if isinstance(problem, KeyboardInterrupt):
        return "interrupt"
    if isinstance(problem, EOFError) and problem.args[:1] == (_NO_INPUT,):
        return "input"
    return "exception"


def _describe_exit(problem: SystemExit) -> Frame:
    """Python prints no traceback for it, only what is not a number."""
    code = problem.code
    message = _text(code)
    printed = "" if isinstance(code, int) else message + "\n"
    return {"kind": "exit", "type": _name(problem), "message": message, "traceback": printed}


def _describe(problem: BaseException, kind: str) -> Frame:
    name, message = _name(problem), _text(problem)
    try:
        text = "".join(traceback.format_exception(type(problem), problem, _trace(problem)))
    except BaseException:  # noqa: BLE001 - it may be the model's code that is asked for its text
        text = "%s: %s\n" % (name, message)
    return {"kind": kind, "type": name, "message": message, "traceback": cut(text)}


def _trace(problem: BaseException) -> Optional[TracebackType]:
    """Its traceback, from the code's own first frame to its last."""
    trace = problem.__traceback__
    while trace is not None and in_machinery(trace.tb_frame):
        trace = trace.tb_next
    last = following = trace
    while following is not None:
        if not _is_ours(following.tb_frame.f_globals):
            last = following
        following = following.tb_next
    if last is not None:
        last.tb_next = None  # who handled an interrupt, or called a tool
    return trace


def _is_ours(names: dict) -> bool:  # type: ignore[type-arg] # not a type to subscript in 3.8
    return str(names.get("__name__")).startswith("conveyor_guest.")


def _name(problem: BaseException) -> str:
    return cut(str(type(problem).__qualname__))


def _text(value: object) -> str:
    try:
        return cut(str(value))
    except BaseException:  # noqa: BLE001 - a __str__ is the model's code too
        return "<not printable>"


def cut(text: str) -> str:
    """At most what is kept of a text, saying how much more there was."""
    if len(text) <= _SHOWN:
        return text
    return "%s… (%d characters more)" % (text[:_SHOWN], len(text) - _SHOWN)
