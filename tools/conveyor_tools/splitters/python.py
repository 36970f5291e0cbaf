"""Cuts Python into top-level statements, each as soon as no continuation can change it.

The release rule: a simple statement closes at its NEWLINE at bracket depth 0, and so does a clause
with its suite on the same line if no other clause can follow it. An indented block closes at the
next real token in column 0 that does not continue it, at that token's first character where this
settles it. The end of the call closes what is left.

Only a lexer is at work here: whether the text is valid Python is for the guest's own compiler to
say. On invalid text the cuts are arbitrary, but statements before the invalid place have been
released all the same.

A CR at the end of the text so far waits for the next character, which shows whether both are one
CR LF: a line that a lone CR ends closes one character later than others.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from conveyor_tools.splitters.base import AcceptsAll
from conveyor_tools.splitters.logical_line import (
    LOOKBEHIND,
    LogicalLine,
    joined_end,
    newline_end,
)
from conveyor_tools.splitters.scanning import Scanner, ScanningSplitter, Step

_BLANK = re.compile(r"[ \t\f]*")
_COMMENT = re.compile(r"[^\r\n]*")
_WORD = re.compile(r"[\w\x80-\U0010ffff]{0,9}")
"""The beginning of a name or keyword, longer than any of the keywords below."""

_OPENERS = ("if", "for", "while", "try", "async")
_CLAUSES: dict[str, tuple[str, ...]] = {
    "if": ("elif", "else"),
    "elif": ("elif", "else"),
    "for": ("else",),
    "while": ("else",),
    "try": ("except", "finally"),
    "except": ("except", "else", "finally"),
}
"""Which clauses may follow one in column 0. `else` depends on what it belongs to."""


class _Kind(Enum):
    """What a logical line is to its unit."""

    HEADER = auto()  # it stands in column 0: a statement, or a clause of one
    DECORATOR = auto()
    BODY = auto()


class PythonSplitter(ScanningSplitter, AcceptsAll):
    """Cuts the text of one call of Python code, for the given version of Python."""

    _lookbehind = LOOKBEHIND

    def __init__(self, version: tuple[int, ...] = (3, 12)) -> None:
        self._version = version
        super().__init__()

    def _begin_scan(self) -> Scanner:
        self._line = LogicalLine(self._version)
        self._begin_line()
        return self

    def _begin_unit(self) -> None:
        self._mark = self._start  # where its last line of code ended
        self._open = False  # a block, or a clause that another may follow
        self._allowed: tuple[str, ...] = ()  # clauses that may follow
        self._in_try = False
        self._decorated = False  # decorators wait for what they decorate

    def _begin_line(self) -> None:
        self.step: Step = self._between_lines
        self._kind = _Kind.BODY
        self._column_0 = True
        self._joined = False  # a backslash joined its beginning to the next line,
        self._joined_indented = False  # one that was indented

    def _code_end(self) -> int:
        """Where the last line of code ended, if no other was begun."""
        between_lines = self.step in (self._between_lines, self._comment)
        if self._joined and self._code is None:
            self._code = self._start  # a backslash and nothing after it: for the compiler to judge
        elif between_lines and self._code is not None and not self._joined:
            return self._mark
        return super()._code_end()

    def may_end(self) -> bool:
        """Whether the text could end here: False inside a string."""
        return not (self.step == self._in_line and self._line.in_string)

    # Between logical lines

    def _between_lines(self, text: str, pos: int) -> int | None:
        """Find the next real token, and what it means for the unit."""
        end = _BLANK.match(text, pos).end()  # type: ignore[union-attr] # it always matches
        if end > pos:
            self._column_0 = text[end - 1] == "\f"  # it counts the columns afresh
            return end
        char = text[pos]
        if char in "\r\n":
            after = newline_end(text, pos, final=self._final)
            if after is not None:
                self._begin_line()
            return after
        if char == "#":
            self.step = self._comment
            return pos + 1
        if char == "\\":
            after = joined_end(text, pos, final=self._final)
            if after != pos + 1:
                if after is not None:
                    self._join_line()
                return after
        if self._open and (self._joined_indented or not self._column_0):
            self._enter_line(_Kind.BODY)
            return pos
        return self._first_token(text, pos)

    def _join_line(self) -> None:
        """Of the columns where joined lines begin, the first that is not 0 counts."""
        self._joined = True
        self._joined_indented = self._joined_indented or not self._column_0

    def _comment(self, text: str, pos: int) -> int:
        """In a comment on a line of its own."""
        end = _COMMENT.match(text, pos).end()  # type: ignore[union-attr]
        if end < len(text):
            self.step = self._between_lines
        return end

    # Logical lines in column 0

    def _first_token(self, text: str, pos: int) -> int | None:
        """It continues the unit, or begins a new one."""
        word = _WORD.match(text, pos).group()  # type: ignore[union-attr]
        if self._open and not self._decorated:
            if self._may_become(word, text, pos, self._allowed):
                return None
            if word in self._allowed:
                in_try_else = word == "else" and self._in_try
                self._allowed = ("finally",) if in_try_else else _CLAUSES.get(word, ())
                self._enter_line(_Kind.HEADER)
                return pos
            self._close(text, pos, self._mark)
        if self._may_become(word, text, pos, _OPENERS):
            return None
        if self._code is None:
            self._code = self._offset + pos
        if word == "async":
            self.step = self._async
            return pos + len(word)
        self._enter_statement(word, text, pos)
        return pos

    def _async(self, text: str, pos: int) -> int | None:
        """After `async`: what it begins."""
        end = _BLANK.match(text, pos).end()  # type: ignore[union-attr]
        if end > pos:
            return end
        if text[pos] == "\\":
            after = joined_end(text, pos, final=self._final)
            if after is None or after > pos + 1:
                return after
        word = _WORD.match(text, pos).group()  # type: ignore[union-attr]
        if self._may_become(word, text, pos, _OPENERS):
            return None
        self._enter_statement(word, text, pos)
        return pos

    def _may_become(self, word: str, text: str, pos: int, keywords: tuple[str, ...]) -> bool:
        """Whether the text ends with a word that may still become one of the keywords."""
        if not word or self._final or pos + len(word) < len(text):
            return False
        return any(keyword.startswith(word) for keyword in keywords)

    def _enter_statement(self, word: str, text: str, pos: int) -> None:
        self._allowed = _CLAUSES.get(word, ()) if word in _OPENERS else ()
        self._in_try = word == "try"
        self._enter_line(_Kind.DECORATOR if text[pos] == "@" else _Kind.HEADER)

    # In logical lines

    def _enter_line(self, kind: _Kind) -> None:
        self._kind = kind
        self._line.begin()
        self.step = self._in_line

    def _in_line(self, text: str, pos: int) -> int | None:
        after = self._line.scan(text, pos, final=self._final)
        if self._line.ended:
            self._end_line(text, after)
        return after if after > pos else None

    def _end_line(self, text: str, pos: int) -> None:
        """A logical line ended at `pos`: it may close the unit."""
        self._mark = self._offset + pos
        if self._kind is _Kind.DECORATOR:
            self._open = self._decorated = True
        elif self._kind is _Kind.HEADER:
            self._decorated = False
            self._open = self._line.colon or bool(self._allowed)
            if not self._open:
                self._close(text, pos, self._mark)
        self._begin_line()
