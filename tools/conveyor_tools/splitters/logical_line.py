"""Finds where a logical line of Python ends: past its strings, brackets, comments and joined lines.

A lexer that knows where strings and brackets end, and nothing more. On text that is not valid
Python it goes on in some way or other.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from conveyor_tools.splitters.scanning import Step

LOOKBEHIND = 3
"""Characters before a quote that show whether it opens an f-string."""

# Runs of code end where something must be noted. Strings and brackets that end in the text at hand
# and hold nothing of note (a brace would matter in an f-string) are part of a run: this is faster.
# Groups are repeated so often and no more, since `re` keeps a way back for each time: possessive
# ones find too little before Python 3.11.5.
_PLAIN = r"""[^'"()\[\]{}#\\\r\n]++|'[^'\\\r\n{}]++'|"[^"\\\r\n{}]++\""""
_WHOLE = rf"{_PLAIN}|\((?:{_PLAIN}){{0,99}}\)|\[(?:{_PLAIN}){{0,99}}\]"
_CODE = re.compile(rf"(?:{_WHOLE}){{0,999}}")
_IN_BRACKETS = re.compile(rf"(?:[\r\n]|{_WHOLE}){{0,999}}")
_IN_FIELD = re.compile(r"[^'\"()\[\]{}#\\:]*")
_COMMENT = re.compile(r"[^\r\n]*")
_STRINGS = {
    "'": re.compile(r"[^'\\\r\n]*"),
    '"': re.compile(r'[^"\\\r\n]*'),
    "'''": re.compile(r"[^'\\]*"),
    '"""': re.compile(r'[^"\\]*'),
}
_F_STRINGS = {
    "'": re.compile(r"[^'\\\r\n{}]*"),
    '"': re.compile(r'[^"\\\r\n{}]*'),
    "'''": re.compile(r"[^'\\{}]*"),
    '"""': re.compile(r'[^"\\{}]*'),
}
_CHARACTER_NAME = re.compile(r"[^'\"\\\r\n{}]*")
# The lexer takes every character beyond ASCII for one of a name, as CPython's does.
_F_PREFIX = re.compile(r"(?<![\w\x80-\U0010ffff])(?:[fF]([rR]?)|([rR])[fF])$")
_FT_PREFIX = re.compile(r"(?<![\w\x80-\U0010ffff])(?:[fFtT]([rR]?)|([rR])[fFtT])$")


class _Field(NamedTuple):
    """A replacement field, and the f-string that goes on after it."""

    quote: str
    raw: bool
    spec: bool  # it stands in the format specification of another field
    depth: int  # of brackets inside it


class LogicalLine:
    """The logical line under way: scan from its first token to its NEWLINE, then begin the next.

    The version of Python matters for f-strings: from 3.12 on, quotes and newlines may stand inside
    their replacement fields; from 3.14 on, the same holds for t-strings. Before, they are scanned
    as any other string.
    """

    def __init__(self, version: tuple[int, ...]) -> None:
        self._prefix: re.Pattern[str] | None = None
        if version >= (3, 12):
            self._prefix = _FT_PREFIX if version >= (3, 14) else _F_PREFIX
        self._final = False
        self._step: Step = self._code
        self._depth = 0  # of brackets, those of replacement fields included
        self._quote = ""  # of the string under way
        self._raw = False
        self._spec = False  # in the format specification of a replacement field
        self._fields: list[_Field] = []  # those that we are in
        self.ended = False
        """Whether its NEWLINE has been scanned."""
        self.colon = False
        """Whether its last token so far is a colon."""

    def begin(self) -> None:
        """The next logical line begins."""
        self.ended = self.colon = False

    def scan(self, text: str, pos: int, *, final: bool) -> int:
        """Go on from `pos`; return how far we came: to the end of the line, or of what is certain.

        Before `pos` must stand the last LOOKBEHIND characters that were scanned, if there were as
        many. `final`: no text follows, so that all of it is scanned.
        """
        self._final = final
        size = len(text)
        while pos < size and not self.ended:
            after = self._step(text, pos)
            if after is None:
                break
            pos = after
        return pos

    @property
    def in_string(self) -> bool:
        """Whether the text scanned so far ends inside a string (and not in a field's code)."""
        return self._step not in (self._code, self._comment)

    # Code

    def _code(self, text: str, pos: int) -> int | None:
        """Outside strings and comments."""
        run = _IN_FIELD if self._fields else _IN_BRACKETS if self._depth else _CODE
        end = run.match(text, pos).end()  # type: ignore[union-attr] # it always matches
        if end > pos:
            token = text[pos:end].rstrip(" \t\f")
            if token:
                self.colon = token[-1] == ":"
            return end
        char = text[pos]
        if char in "\r\n":
            after = newline_end(text, pos, final=self._final)
            self.ended = after is not None
            return after
        if char == "#":
            self._step = self._comment
            return pos + 1
        if char == "\\":
            return joined_end(text, pos, final=self._final)
        self.colon = False
        if char in "'\"":
            return self._open_string(text, pos)
        if char in "([{":
            self._depth += 1
        elif self._fields and self._depth == self._fields[-1].depth:
            self._field_end(char)
        elif self._depth and char != ":":
            self._depth -= 1
        return pos + 1

    def _comment(self, text: str, pos: int) -> int:
        end = _COMMENT.match(text, pos).end()  # type: ignore[union-attr]
        if end < len(text):
            self._step = self._code
        return end

    # Strings

    def _open_string(self, text: str, pos: int) -> int | None:
        quote = text[pos]
        if text.startswith(quote * 3, pos):
            quote *= 3
        elif not self._final and self._may_become_triple(text, pos):
            return None
        prefix = None
        if self._prefix and pos and text[pos - 1] in "fFtTrR":
            prefix = self._prefix.search(text, max(0, pos - 2), pos)
        self._quote = quote
        self._raw = bool(prefix and (prefix[1] or prefix[2]))
        self._spec = False
        self._step = self._f_string if prefix else self._string
        return pos + len(quote)

    def _string(self, text: str, pos: int) -> int | None:
        """Inside a string other than an f-string."""
        end = _STRINGS[self._quote].match(text, pos).end()  # type: ignore[union-attr]
        if end > pos:
            return end
        if text[pos] == "\\":
            return self._escape_end(text, pos)
        if text[pos] in "\r\n":
            self._step = self._code  # not terminated: an error, but the line ends here
            return pos
        return self._quote_end(text, pos)

    def _escape_end(self, text: str, pos: int) -> int | None:
        """Where a backslash in a string and the character it escapes end."""
        if pos + 1 == len(text):
            return pos + 1 if self._final else None
        if text[pos + 1] == "\r":
            return newline_end(text, pos + 1, final=self._final)
        return pos + 2

    def _quote_end(self, text: str, pos: int) -> int | None:
        """A quote in a string: the end of it, or one that does not count."""
        if text.startswith(self._quote, pos):
            self._step = self._code
            return pos + len(self._quote)
        if not self._final and self._may_become_triple(text, pos):
            return None
        return pos + 1

    @staticmethod
    def _may_become_triple(text: str, pos: int) -> bool:
        """Whether quotes end the text that may be followed by more of them: one or two."""
        return text[pos : pos + 3] in (text[pos], text[pos] * 2)

    # F-strings

    def _f_string(self, text: str, pos: int) -> int | None:
        """Inside the literal part, or the format specification, of an f-string."""
        end = _F_STRINGS[self._quote].match(text, pos).end()  # type: ignore[union-attr]
        if end > pos:
            return end
        char = text[pos]
        if char in "{}":
            return self._brace(text, pos)
        if char == "\\":
            return self._f_escape(text, pos)
        if char in "\r\n":
            # It ends a format specification, up to 3.13 without an error, or else the string.
            self._step = self._code
            return pos
        after = self._quote_end(text, pos)
        if self._step == self._code and self._spec:
            self._depth = self._fields.pop().depth - 1  # ended in a specification: an error
        return after

    def _brace(self, text: str, pos: int) -> int | None:
        char = text[pos]
        if not self._spec:
            if pos + 1 == len(text) and not self._final:
                return None
            if text.startswith(char, pos + 1):
                return pos + 2  # doubled: a brace of the text
        if char == "{":
            self._depth += 1
            self._fields.append(_Field(self._quote, self._raw, self._spec, self._depth))
            self._step = self._code
        elif self._spec:
            self._leave_field()
        return pos + 1

    def _f_escape(self, text: str, pos: int) -> int | None:
        """A backslash: it does not escape a brace, but may name a character in braces."""
        following = text[pos + 1 : pos + 3]
        if not self._final and (not following or (following == "N" and not self._raw)):
            return None
        if following[:1] in ("{", "}"):
            return pos + 1
        if following == "N{" and not self._raw:
            self._step = self._character_name
            return pos + 3
        return self._escape_end(text, pos)

    def _character_name(self, text: str, pos: int) -> int:
        end = _CHARACTER_NAME.match(text, pos).end()  # type: ignore[union-attr]
        if end < len(text):
            self._step = self._f_string
            return end + 1 if text[end] == "}" else end
        return end

    def _field_end(self, char: str) -> None:
        """A closing bracket or colon at the level of a replacement field."""
        if char == ":":
            self._quote, self._raw, _, _ = self._fields[-1]
            self._spec = True
            self._step = self._f_string
        elif char == "}":
            self._leave_field()

    def _leave_field(self) -> None:
        """A replacement field ended: go on with the f-string around it."""
        self._quote, self._raw, self._spec, depth = self._fields.pop()
        self._depth = depth - 1
        self._step = self._f_string


def newline_end(text: str, pos: int, *, final: bool) -> int | None:
    """Where the newline at `pos` ends; None for a CR that may be half of a CR LF."""
    if text[pos] == "\n":
        return pos + 1
    if pos + 1 == len(text) and not final:
        return None
    return pos + 2 if text.startswith("\n", pos + 1) else pos + 1


def joined_end(text: str, pos: int, *, final: bool) -> int | None:
    """Where a backslash at `pos` and the newline it takes away, if any, end."""
    if pos + 1 == len(text):
        return pos + 1 if final else None
    if text[pos + 1] in "\r\n":
        return newline_end(text, pos + 1, final=final)
    return pos + 1
