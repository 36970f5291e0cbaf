"""Cuts the arguments of a call, as JSON, into what can be done early and the call itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from conveyor_sandbox.reports import Failure
from conveyor_tools.answer import failure_of
from conveyor_tools.errors import ArgumentsError
from conveyor_tools.function import Effects, FunctionTool
from conveyor_tools.json_scanner import NO_OBJECT
from conveyor_tools.schema_stream import Closed, Rejection, SchemaStream
from conveyor_tools.splitters.base import Unit

_LINE_END = re.compile(r"\r\n|\r|\n")


class Role(Enum):
    """What is done at a unit."""

    EARLY = auto()
    """The tool is told of an argument, before the call starts."""
    CALL = auto()
    """The call starts, with the arguments so far."""
    LATER = auto()
    """The running call is given one more argument."""


@dataclass(frozen=True, slots=True)
class ArgumentUnit(Unit):
    """A unit of an argument tool's call, with what it says."""

    role: Role = Role.CALL
    arguments: Mapping[str, Any] = field(default_factory=dict)


class ArgumentSplitter:
    """Cuts the text of one call, and says at once when it cannot become a valid one.

    There is a unit for each argument that the tool does something about early, one for the call,
    which is released as soon as all is there that it declares to need, and one for each argument
    that comes after that.
    """

    def __init__(self, tool: FunctionTool) -> None:
        self._tool = tool
        self._ready_when = tool.declaration.ready_when
        self._begin()

    def _begin(self) -> None:
        self._stream = SchemaStream(self._tool.stream_schema)
        self.released = 0
        """How many characters of the text have been given out in units."""
        self.problem: Failure | None = None
        """Why the text can no longer become a valid call."""
        self._index = 0
        self._line = 1
        self._arguments: dict[str, Any] = {}
        self._called = False
        self._parts: list[str] = []
        self._length = 0

    def feed(self, text: str) -> list[Unit]:
        """Take more text; return the units that it closed."""
        begin, self._length = self._length, self._length + len(text)
        self._parts.append(text)
        units: list[Unit] = []
        if self.problem is None:
            for closed in self._stream.feed(text):
                units += self._close(closed)
            if self.problem is None:
                units += self._end(text, begin)
        return units

    def flush(self) -> list[Unit]:
        """The text is complete: what is left of it has nothing to run."""
        self._stream.flush()
        if self.problem is None and self._stream.problem is not None:
            self._refuse(ArgumentsError(self._stream.problem.why))
        rest = self._length > self.released
        return [Unit(*self._cut(self._length), blank=True)] if rest else []

    def may_end(self) -> bool:
        """Whether the text could end here: not inside a string."""
        return not self._stream.in_string

    def truncate(self, length: int) -> None:
        """Forget the text beyond its first `length` characters, none of which is released."""
        text = "".join(self._parts)[:length]
        self._begin()
        self.feed(text)

    def _close(self, closed: Closed) -> list[Unit]:
        """An argument has its value."""
        if self.problem is not None:
            return []
        name, arguments = closed.key, {closed.key: closed.value}
        try:
            self._tool.check(name, closed.value)
        except Exception as problem:  # noqa: BLE001 - of the tool's own code, any
            self._refuse(problem)
            return []
        self._arguments.update(arguments)
        if self._called:
            return [self._unit(closed.end, Role.LATER, arguments)]
        if self._ready_when is not None and self._ready_when <= self._arguments.keys():
            return [self._call(closed.end)]
        if name in self._tool.early:
            return [self._unit(closed.end, Role.EARLY, arguments)]
        return []

    def _end(self, text: str, begin: int) -> list[Unit]:
        """The object may be complete, or refused, with the text that begins there."""
        problem, end = self._stream.problem, self._stream.end
        if problem is not None:
            self._refuse(ArgumentsError(_told(problem)))
        elif end is not None:
            units = [] if self._called else [self._call(end)]
            if text[max(0, end - begin) :].strip():
                self._refuse(ArgumentsError("the arguments have ended: nothing may follow them"))
            return units
        return []

    def _call(self, end: int) -> Unit:
        self._called = True
        external = self._tool.effects_of(self._arguments) is not Effects.PURE
        return self._unit(end, Role.CALL, dict(self._arguments), external=external)

    def _unit(
        self, end: int, role: Role, arguments: Mapping[str, Any], *, external: bool = False
    ) -> Unit:
        """The call waits for what is done early; nothing else waits for anything."""
        index, text, line, span = self._cut(end)
        after = None if role is Role.CALL else ()
        return ArgumentUnit(
            index,
            text,
            line,
            span,
            after=after,
            external=external,
            role=role,
            arguments=arguments,
        )

    def _cut(self, end: int) -> tuple[int, str, int, tuple[int, int]]:
        """The next piece of the text: its index, itself, its first line, its span."""
        text = "".join(self._parts)[self.released : end]
        self.released = end
        index, line = self._index, self._line
        before = len(_LINE_END.findall(text[: len(text) - len(text.lstrip())]))
        self._index += 1
        self._line += len(_LINE_END.findall(text))
        return index, text, line, (line + before, self._line)

    def _refuse(self, problem: Exception) -> None:
        found = failure_of(problem)
        self.problem = Failure("arguments", found.type, found.message)


def _told(problem: Rejection) -> str:
    """Also to a model that wrote its one argument bare, or the object as a text."""
    if problem.why == NO_OBJECT:
        return 'the arguments must be a JSON object, {"name": value}, with nothing around it'
    return problem.why
