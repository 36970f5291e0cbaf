"""Cuts Python into top-level statements, each as soon as no continuation can change it.

The release rule: a simple statement closes at its NEWLINE at bracket depth 0, and so does a clause
with its suite on the same line if no other clause can follow it. An indented block closes at the
next real token in column 0 that does not continue it, at that token's first character where this
settles it. The end of the call closes what is left.

Only a lexer is at work here: it must know where strings, brackets and logical lines end, nothing
more. Whether the text is valid Python is for the guest's own compiler to say; on invalid text the
cuts are arbitrary, but statements before the invalid place have been released all the same.

The time is linear in the text, however it is chopped: each character is looked at once, except for
a carry of a few characters that could not be judged without the next one.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from conveyor_tools.splitters.base import Unit

_INDENT = re.compile(r"[ \t\f]*")
_WORD = re.compile(r"\w{0,9}")
_ASYNC = re.compile(r"async(?:[ \t\f]|\\\r\n|\\[\r\n])+(\w{0,5})")
_LINE = re.compile(r"[^'\"()\[\]{}#\\\r\n]*")
_INSIDE = re.compile(r"[^'\"()\[\]{}#\\]*")
_FIELD = re.compile(r"[^'\"()\[\]{}#\\:]*")
_COMMENT = re.compile(r"[^\r\n]*")
_QUOTES = {
    "'": re.compile(r"[^'\\\r\n]*"),
    '"': re.compile(r'[^"\\\r\n]*'),
    "'''": re.compile(r"[^'\\]*"),
    '"""': re.compile(r'[^"\\]*'),
}
_F_QUOTES = {
    "'": re.compile(r"[^'\\\r\n{}]*"),
    '"': re.compile(r'[^"\\\r\n{}]*'),
    "'''": re.compile(r"[^'\\{}]*"),
    '"""': re.compile(r'[^"\\{}]*'),
}
_F_PREFIX = re.compile(r"(?<!\w)(?:[fF]([rR]?)|([rR])[fF])$")
_FT_PREFIX = re.compile(r"(?<!\w)(?:[fFtT]([rR]?)|([rR])[fFtT])$")
_NO_PREFIX = re.compile(r"(?!)")

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

_LOOKBEHIND = 3
"""Characters before a quote that show whether it opens an f-string."""
_LONGEST_ASYNC = 64
"""Characters for which we wait to see what `async` begins."""
_LONGEST_NAME = 128
"""Characters for which we wait for the end of a character's name (the longest has 88)."""

Step = Callable[[str, int], "int | None"]
"""Looks at the text from a position on. Returns where to go on, or None: it needs more text."""


class PythonSplitter:
    """Cuts the text of one call of Python code, for the given version of Python.

    The version matters for f-strings: from 3.12 on, quotes and newlines may stand inside their
    replacement fields; from 3.14 on, the same holds for t-strings.
    """

    def __init__(self, version: tuple[int, ...] = (3, 12)) -> None:
        self._prefix = _NO_PREFIX
        if version >= (3, 12):
            self._prefix = _FT_PREFIX if version >= (3, 14) else _F_PREFIX
        self._units: list[Unit] = []
        self._count = 0
        self._final = False

        # The text that is not released: all of it lies in _parts, but for what is being scanned.
        self._parts: list[str] = []
        self._carry = ""
        self._start = 0  # where the unit begins, in characters of the whole text
        self._offset = 0  # where the text being scanned begins
        self._base = 0  # up to where that text has been put into _parts or released
        self._line = 1  # the line that the unit begins on

        # The unit under way.
        self._code: int | None = None  # where its code begins
        self._mark = 0  # where its last line of code ended
        self._allowed: tuple[str, ...] = ()  # clauses that may follow
        self._in_try = False
        self._open = False  # a block, or a clause that another may follow
        self._decorated = False  # decorators wait for what they decorate

        # The logical line under way.
        self._step: Step = self._line_start
        self._column_0 = True
        self._joined = False  # a backslash joined its first line to the next
        self._header = False  # it stands in column 0
        self._decorator = False
        self._colon = False  # its last token so far is a colon
        self._comment_only = False
        self._depth = 0
        self._behind = ""  # the last characters of code before the text being scanned

        # The string under way, and the f-strings around the code being scanned.
        self._quote = ""
        self._raw = False
        self._spec = False
        self._fields: list[tuple[str, bool, bool, int]] = []

    @property
    def released(self) -> int:
        """How many characters of the text have been given out in units."""
        return self._start

    def feed(self, text: str) -> list[Unit]:
        """Take more text; return the units that it closed."""
        text = self._carry + text
        self._carry = ""
        self._base = pos = 0
        size = len(text)
        while pos < size:
            after = self._step(text, pos)
            if after is None:
                self._carry = text[pos:]
                break
            pos = after
        if pos > self._base:
            self._parts.append(text[self._base : pos])
        if pos:
            self._behind = (self._behind + text[max(0, pos - _LOOKBEHIND) : pos])[-_LOOKBEHIND:]
            self._offset += pos
        units, self._units = self._units, []
        return units

    def flush(self) -> list[Unit]:
        """The text is complete: return what is left."""
        self._final = True
        units = self.feed("")
        text = "".join(self._parts)
        if text:
            between_lines = self._step == self._line_start or self._comment_only
            end = self._mark if between_lines and self._code is not None else self._offset
            units.append(self._unit(text, end))
            self._parts = []
            self._start = self._offset
        return units

    def may_end(self) -> bool:
        """Whether the text could end here: False inside a string."""
        return self._step not in (self._string, self._f_string)

    def truncate(self, length: int) -> None:
        """Forget the text beyond its first `length` characters, none of which is released."""
        text = "".join(self._parts)[: length - self._start]
        self._parts = [text]
        self._carry = ""
        self._offset = length

    # Units

    def _close(self, text: str, pos: int, end: int) -> None:
        """Release the unit: what was scanned up to `pos` in `text`, ending at offset `end`."""
        self._parts.append(text[self._base : pos])
        self._base = pos
        whole = "".join(self._parts)
        cut = end - self._start
        unit = self._unit(whole[:cut], end)
        self._parts = [whole[cut:]]
        self._start = end
        self._line += _lines(unit.text)
        self._units.append(unit)
        self._code = None
        self._open = self._in_try = False
        self._allowed = ()

    def _unit(self, text: str, end: int) -> Unit:
        code = text[: end - self._start]
        first = last = self._line
        if self._code is not None:
            first += _lines(text[: self._code - self._start])
        last += _lines(code)
        if last > first and code[-1] in "\r\n":
            last -= 1
        index, self._count = self._count, self._count + 1
        return Unit(index, text, self._line, (first, last), blank=self._code is None)

    # Lines

    def _line_start(self, text: str, pos: int) -> int | None:
        """Between logical lines: find the next real token, and what it means for the unit."""
        end = _INDENT.match(text, pos).end()  # type: ignore[union-attr] # it always matches
        if end > pos:
            if not self._joined:
                self._column_0 = text[end - 1] == "\f"  # it counts the columns afresh
            return end
        char = text[pos]
        if char in "\r\n":
            self._column_0, self._joined = True, False
            return self._newline_end(text, pos)
        if char == "#":
            self._comment_only = True
            self._step = self._comment
            return pos
        if char == "\\":
            after = self._joined_end(text, pos)
            if after is None or after > pos + 1:
                self._joined = True
                return after
        if self._open and not self._column_0:
            self._begin_line(header=False)
            return pos
        return self._header_start(text, pos)

    def _header_start(self, text: str, pos: int) -> int | None:
        """A token in column 0: it continues the unit, or begins a new one."""
        word = _WORD.match(text, pos).group()  # type: ignore[union-attr]
        cut_off = pos + len(word) == len(text) and bool(word) and not self._final
        if self._open and not self._decorated:
            if cut_off and any(clause.startswith(word) for clause in self._allowed):
                return None
            if word in self._allowed:
                if word == "else":
                    self._allowed = ("finally",) if self._in_try else ()
                else:
                    self._allowed = _CLAUSES.get(word, ())
                self._begin_line(header=True)
                return pos + len(word)
            self._close(text, pos, self._mark)
        if cut_off and any(opener.startswith(word) for opener in _OPENERS):
            return None
        if word == "async":
            found = _ASYNC.match(text, pos)
            word = found.group(1) if found else ""
            reached = found.end() if found else pos + len("async")
            waited = len(text) - pos
            if reached >= len(text) - 2 and waited < _LONGEST_ASYNC and not self._final:
                return None
        if self._code is None:
            self._code = self._offset + pos
        self._allowed = _CLAUSES.get(word, ()) if word in _OPENERS else ()
        self._in_try = word == "try"
        self._decorator = text[pos] == "@"
        self._begin_line(header=True)
        return pos

    def _begin_line(self, *, header: bool) -> None:
        self._header = header
        self._colon = False
        self._step = self._in_code

    def _newline(self, text: str, pos: int) -> int | None:
        """The end of a logical line at bracket depth 0: it may close the unit."""
        end = self._newline_end(text, pos)
        if end is None:
            return None
        self._mark = self._offset + end
        if self._header:
            if self._decorator:
                self._open = self._decorated = True
                self._decorator = False
            elif self._colon or self._allowed:
                self._open, self._decorated = True, False
            else:
                self._decorated = False
                self._close(text, end, self._mark)
        self._step = self._line_start
        self._column_0, self._joined = True, False
        return end

    def _newline_end(self, text: str, pos: int) -> int | None:
        """Where the newline at `pos` ends; None for a CR that may be half of a CR LF."""
        if text[pos] == "\n":
            return pos + 1
        if pos + 1 == len(text) and not self._final:
            return None
        return pos + 2 if text.startswith("\n", pos + 1) else pos + 1

    def _joined_end(self, text: str, pos: int) -> int | None:
        """Where a backslash at `pos` and the newline it takes away end."""
        if pos + 1 == len(text):
            return pos + 1 if self._final else None
        return self._newline_end(text, pos + 1) if text[pos + 1] in "\r\n" else pos + 1

    # Tokens

    def _in_code(self, text: str, pos: int) -> int | None:
        """Code outside strings and comments."""
        run = _FIELD if self._fields else _INSIDE if self._depth else _LINE
        end = run.match(text, pos).end()  # type: ignore[union-attr]
        if end > pos:
            token = text[pos:end].rstrip(" \t\f")
            if token:
                self._colon = token[-1] == ":"
            return end
        char = text[pos]
        if char in "\r\n":
            return self._newline(text, pos)
        if char == "#":
            self._comment_only = False
            self._step = self._comment
            return pos
        if char == "\\":
            return pos + 1 if self._depth else self._joined_end(text, pos)
        self._colon = False
        if char in "'\"":
            return self._open_string(text, pos)
        if char in "([{":
            self._depth += 1
        elif self._fields and self._depth == self._fields[-1][3]:
            self._field_end(char)
        elif self._depth:
            self._depth -= 1
        return pos + 1

    def _comment(self, text: str, pos: int) -> int | None:
        end = _COMMENT.match(text, pos).end()  # type: ignore[union-attr]
        if end < len(text):
            if self._comment_only:
                after = self._newline_end(text, end)
                if after is None:
                    return end if end > pos else None
                self._step, self._comment_only = self._line_start, False
                self._column_0, self._joined = True, False
                return after
            self._step = self._in_code
        return end

    def _open_string(self, text: str, pos: int) -> int | None:
        quote = text[pos]
        if text.startswith(quote * 3, pos):
            quote *= 3
        elif not self._final and text[pos:] in (quote, quote * 2):
            return None  # it may become a triple quote
        behind = self._behind + text[:pos] if pos < _LOOKBEHIND else text[pos - _LOOKBEHIND : pos]
        prefix = self._prefix.search(behind)
        self._quote = quote
        self._raw = bool(prefix and (prefix.group(1) or prefix.group(2)))
        self._spec = False
        self._step = self._f_string if prefix else self._string
        return pos + len(quote)

    def _string(self, text: str, pos: int) -> int | None:
        """Inside a string other than an f-string."""
        end = _QUOTES[self._quote].match(text, pos).end()  # type: ignore[union-attr]
        if end > pos:
            return end
        if text[pos] == "\\":
            return self._escape_end(text, pos)
        if text[pos] in "\r\n":
            self._step = self._in_code  # not terminated: an error, but the line ends here
            return pos
        return self._quote_end(text, pos)

    def _escape_end(self, text: str, pos: int) -> int | None:
        """Where a backslash in a string and the character it escapes end."""
        if pos + 1 == len(text):
            return pos + 1 if self._final else None
        return self._newline_end(text, pos + 1) if text[pos + 1] == "\r" else pos + 2

    def _quote_end(self, text: str, pos: int) -> int | None:
        """A quote in a string: the end of it, or one that does not count."""
        if text.startswith(self._quote, pos):
            self._step = self._in_code
            return pos + len(self._quote)
        if not self._final and self._quote.startswith(text[pos:]):
            return None
        return pos + 1

    def _f_string(self, text: str, pos: int) -> int | None:
        """Inside the literal part, or the format specification, of an f-string."""
        end = _F_QUOTES[self._quote].match(text, pos).end()  # type: ignore[union-attr]
        if end > pos:
            return end
        char = text[pos]
        if char in "{}":
            return self._f_brace(text, pos)
        if char == "\\":
            return self._f_escape(text, pos)
        if char in "\r\n":
            self._leave_f_string()
            return pos
        after = self._quote_end(text, pos)
        if self._step == self._in_code:
            self._leave_f_string()
        return after

    def _f_brace(self, text: str, pos: int) -> int | None:
        char = text[pos]
        if not self._spec:
            if pos + 1 == len(text) and not self._final:
                return None
            if text.startswith(char, pos + 1):
                return pos + 2  # doubled: a brace of the text
        if char == "{":
            self._depth += 1
            self._fields.append((self._quote, self._raw, self._spec, self._depth))
            self._step = self._in_code
        elif self._spec:
            self._resume_f_string()
        return pos + 1

    def _f_escape(self, text: str, pos: int) -> int | None:
        """A backslash: it does not escape a brace, but may name a character in braces."""
        following = text[pos + 1 : pos + 3]
        if not self._final and (not following or (following == "N" and not self._raw)):
            return None
        if following[:1] in ("{", "}"):
            return pos + 1
        if following == "N{" and not self._raw:
            close = text.find("}", pos)
            if close < 0:
                return None if len(text) - pos < _LONGEST_NAME and not self._final else pos + 3
            return close + 1
        return self._escape_end(text, pos)

    def _field_end(self, char: str) -> None:
        """A closing bracket or colon at the level of a replacement field."""
        if char == ":":
            self._quote, self._raw, _, _ = self._fields[-1]
            self._spec = True
            self._step = self._f_string
        elif char == "}":
            self._resume_f_string()

    def _resume_f_string(self) -> None:
        """A replacement field ended: go on with the f-string around it."""
        self._quote, self._raw, self._spec, depth = self._fields.pop()
        self._depth = depth - 1
        self._step = self._f_string

    def _leave_f_string(self) -> None:
        """The f-string ended. In a format specification that is an error: drop the field."""
        if self._spec:
            self._depth = self._fields.pop()[3] - 1
        self._step = self._in_code


def _lines(text: str) -> int:
    """How many lines end in the text, as CPython counts them."""
    count = text.count("\n")
    if "\r" in text:
        count += text.count("\r") - text.count("\r\n")
    return count
