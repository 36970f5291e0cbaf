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
from conveyor_tools.splitters.scanning import Scanner, ScanningSplitter
from conveyor_tools.splitters.shell_lexer import ShellLexer

_BEFORE_CODE = re.compile(r"(?:[ \t]*+(?:#[^\n]*+)?\n)*")


@dataclass(frozen=True, slots=True)
class OpenUnit(Unit):
    """The last one of a call whose text ends in the middle of a command."""


class ShellSplitter(ScanningSplitter, AcceptsAll):
    """Cuts the text of one call of shell commands, as bash understands it."""

    _line_ends = "\n"

    def _begin_scan(self) -> Scanner:
        self._lexer = ShellLexer(self._end_line)
        self._complete = True  # whether the last command is, as far as is known
        return self._lexer

    def _begin_unit(self) -> None:
        self._lexer.met_code = False

    def _code_end(self) -> int:
        self._complete = self._lexer.finish()
        return super()._code_end()

    def may_end(self) -> bool:
        """Whether the text could end here: False inside a string or a here-document."""
        return not self._lexer.strings

    def flush(self) -> list[Unit]:
        """The text is complete: return what is left."""
        self._lexer.final = True
        return super().flush()

    def _end_line(self, text: str, pos: int) -> None:
        """A newline between commands, before `pos`: it may close the unit."""
        if self._lexer.met_code and self._lexer.level.complete:
            self._close(text, pos)

    def _unit(self, text: str) -> Unit:
        if self._lexer.met_code:
            self._code = self._start + _BEFORE_CODE.match(text).end()  # type: ignore[union-attr] # it always matches
        unit = super()._unit(text)
        if self._complete or unit.blank:
            return unit
        return OpenUnit(unit.index, unit.text, unit.line, unit.span)

    @staticmethod
    def _count_lines(text: str) -> int:
        return text.count("\n")
