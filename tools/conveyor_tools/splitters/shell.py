"""Cuts a shell's text into complete commands, each as soon as its newline is there.

The release rule: a command closes at the newline at which nothing is open: no quote, substitution,
here-document, compound command, and no `&&`, `||` or `|` before it. What stands on one line is one
unit. The end of the call closes what is left.

Only as much of the grammar is at work here as that takes (see `shell_grammar`): what is wrong with
a text is for the shell to say. The time is linear in the text, however it is chopped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from conveyor_tools.splitters.base import AcceptsAll, Unit
from conveyor_tools.splitters.shell_lexer import ShellLexer

_BEFORE_CODE = re.compile(r"(?:[ \t]*+(?:#[^\n]*+)?+\n)*+")


@dataclass(frozen=True, slots=True)
class OpenUnit(Unit):
    """The last one of a call whose text ends in the middle of a command."""


class ShellSplitter(AcceptsAll):
    """Cuts the text of one call of shell commands, as bash understands it."""

    def __init__(self) -> None:
        self._units: list[Unit] = []
        self._count = 0
        self._start = 0  # where the unit under way begins, in characters of the whole text
        self._first_line = 1  # the line it begins on
        self._begin_text()

    def _begin_text(self) -> None:
        """Nothing has been scanned of the unit under way."""
        self._lexer = ShellLexer(self._end_line)
        # Its scanned text lies in _parts, and before _pos in the text being scanned; what could
        # not be judged yet is the tail.
        self._parts: list[str] = []
        self._tail = ""
        self._base = 0

    @property
    def released(self) -> int:
        """How many characters of the text have been given out in units."""
        return self._start

    def feed(self, text: str) -> list[Unit]:
        """Take more text; return the units that it closed."""
        text = self._tail + text
        lexer = self._lexer
        pos = self._base = 0
        size = len(text)
        while pos < size:
            after = lexer.step(text, pos)
            if after is None:
                break
            pos = after
        if pos > self._base:
            self._parts.append(text[self._base : pos])
        self._tail = text[pos:]
        units, self._units = self._units, []
        return units

    def flush(self) -> list[Unit]:
        """The text is complete: return what is left."""
        self._lexer.final = True
        units = self.feed("")
        complete = self._lexer.finish()
        text = "".join(self._parts)
        if text:
            units.append(self._unit(text, complete=complete))
        return units

    def may_end(self) -> bool:
        """Whether the text could end here: False inside a string or a here-document."""
        return not self._lexer.strings

    def truncate(self, length: int) -> None:
        """Forget the text beyond its first `length` characters, none of which is released."""
        text = "".join(self._parts) + self._tail
        self._begin_text()
        self.feed(text[: length - self._start])

    def _end_line(self, text: str, pos: int) -> None:
        """A newline between commands, before `pos`: it may close the unit."""
        if self._lexer.met_code and self._lexer.level.complete:
            self._parts.append(text[self._base : pos])
            self._base = pos
            self._units.append(self._unit("".join(self._parts), complete=True))
            self._parts = []
            self._lexer.met_code = False

    def _unit(self, text: str, *, complete: bool) -> Unit:
        """The next unit. Its text ends with its code, unless it is blank."""
        ended = text.count("\n")
        before = _BEFORE_CODE.match(text).group().count("\n")  # type: ignore[union-attr]
        last = self._first_line + ended - text.endswith("\n")
        first = min(self._first_line + before, last)
        blank = not self._lexer.met_code
        kind = Unit if complete or blank else OpenUnit
        unit = kind(self._count, text, self._first_line, (first, last), blank=blank)
        self._count += 1
        self._start += len(text)
        self._first_line += ended
        return unit
