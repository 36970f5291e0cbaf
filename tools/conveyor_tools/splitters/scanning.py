"""What splitters of code have in common: the text, how far it is scanned, and its units.

A language's scanner goes through the text step by step, and says where a unit ends. The time is
linear in the text, however it is chopped: each character is looked at once, except for the few that
could not be judged without the next one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Protocol

from conveyor_tools.splitters.base import Unit
from conveyor_tools.splitters.lines import count_lines

Step = Callable[[str, int], "int | None"]
"""Looks at the text from a position on. Returns where to go on, or None: it needs more text."""


class Scanner(Protocol):
    """What goes through the text: the splitter itself, or a lexer of its own."""

    step: Step
    """The next one; it may put another in its place."""


class ScanningSplitter(ABC):
    """Feeds a language's scanner with the text of one call, and makes the units.

    A step may look at `_final`, note in `_code` where the unit's code begins, and `_close` it.
    Positions count from the beginning of the text at hand, offsets from that of the call's text.
    """

    _lookbehind: ClassVar[int] = 0
    """How many characters before its position a step may look at, if there were as many."""
    _line_ends: ClassVar[str] = "\r\n"
    _count_lines = staticmethod(count_lines)

    def __init__(self) -> None:
        self._units: list[Unit] = []  # those closed, and not given out yet
        self._count = 0
        self._start = 0  # the offset where the unit under way begins
        self._first_line = 1  # the line it begins on
        self._final = False  # whether no more text comes
        self._begin_text()

    def _begin_text(self) -> None:
        """Nothing has been scanned of the unit under way."""
        # What was scanned of it lies in _parts, except for what the steps under way have passed.
        # They look at _tail and what follows; up to _base, it lies in _parts or is released.
        self._parts: list[str] = []
        self._tail = ""
        self._base = 0
        self._offset = self._start  # where _tail begins
        self._code: int | None = None  # where the code of the unit under way begins
        self._scanner = self._begin_scan()
        self._begin_unit()

    # For the language

    @abstractmethod
    def _begin_scan(self) -> Scanner:
        """The scan begins, or begins again with the unit under way."""

    @abstractmethod
    def _begin_unit(self) -> None:
        """A unit begins."""

    def _code_end(self) -> int:
        """The text is complete: the offset where the code of its last unit ends."""
        return self._offset + self._base

    @abstractmethod
    def may_end(self) -> bool:
        """Whether the text could end here: False inside a string."""

    # The text

    @property
    def released(self) -> int:
        """How many characters of the text have been given out in units."""
        return self._start

    def feed(self, text: str) -> list[Unit]:
        """Take more text; return the units that it closed."""
        text = self._tail + text
        scanner = self._scanner
        pos = self._base
        size = len(text)
        while pos < size:
            after = scanner.step(text, pos)
            if after is None:
                break
            pos = after
        base = self._base
        if pos > base:
            self._parts.append(text[base:pos])
        past = pos - self._lookbehind
        if past > 0:
            text = text[past:]
            pos -= past
            self._offset += past
        self._tail = text
        self._base = pos
        units, self._units = self._units, []
        return units

    def flush(self) -> list[Unit]:
        """The text is complete: return what is left, blanks after the code as a unit of its own."""
        self._final = True
        units = self.feed("")
        text = "".join(self._parts)
        cut = self._code_end() - self._start
        if code := text[:cut]:
            units.append(self._unit(code))
            self._code = None
        if rest := text[cut:]:
            units.append(self._unit(rest))
        return units

    def truncate(self, length: int) -> None:
        """Forget the text beyond its first `length` characters, none of which is released."""
        text = "".join(self._parts) + self._tail[self._base :]
        self._begin_text()
        self.feed(text[: length - self._start])

    # Units

    def _close(self, text: str, pos: int, end: int | None = None) -> None:
        """Release the unit. What was scanned goes up to `pos` in `text`, and the unit up to there.

        If it ended before that, `end` is the offset: what follows begins the next unit.
        """
        self._parts.append(text[self._base : pos])
        self._base = pos
        whole = "".join(self._parts)
        cut = len(whole) if end is None else end - self._start
        self._units.append(self._unit(whole[:cut]))
        self._parts = [whole[cut:]]
        self._code = None
        self._begin_unit()

    def _unit(self, text: str) -> Unit:
        """The next unit. Its text ends with its code, unless it is blank."""
        line, code = self._first_line, self._code
        ended = self._count_lines(text)
        last = line + ended - (text[-1] in self._line_ends)
        first = line
        if code is not None and code > self._start:
            first += self._count_lines(text[: code - self._start])
        unit = Unit(self._count, text, line, (first, last), blank=code is None)
        self._count += 1
        self._start += len(text)
        self._first_line += ended
        return unit
