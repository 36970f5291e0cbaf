"""What may stand around or within a word of a shell: quotes, expansions, substitutions, brackets.

They nest, so each has a frame on a stack. A command substitution holds a list of commands of its
own, with a `Level` of its own.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from conveyor_tools.splitters.scanning import Step
from conveyor_tools.splitters.shell_grammar import Level

_SINGLE = re.compile(r"[^']*")
_ESCAPED = re.compile(r"[^'\\]*")
_DOUBLE = re.compile(r'[^"\\$`]*')
_BACKQUOTED = re.compile(r"[^`\\]*")
_BRACED = re.compile(r"[^}'\"\\$`]*")
_PARENTHESES = re.compile(r"[^()'\"\\$`]*")
_BRACKETS = re.compile(r"[^\[\]'\"\\$`]*")
_ARRAY = re.compile(r"[^()'\"\\$` \t\n#]*")
COMMENT = re.compile(r"[^\n]*")
_PARAMETERS = "?*@!#$-0123456789"


class _Frame(NamedTuple):
    """What goes on when what was opened is over."""

    step: Step
    level: Level
    brackets: int
    word: list[str]
    string: bool


class Quotes:
    """The part of the lexer that knows where they end.

    `self.code` is the step for what stands in none of them.
    """

    def __init__(self, code: Step) -> None:
        self.final = False
        """Whether no more text comes."""
        self.level = Level()
        self.step = self.code = code
        self.dangling = False
        """Whether the text ended with a backslash."""
        self.frames: list[_Frame] = []
        self.strings = 0
        """How many strings and here-documents are open."""
        self.word: list[str] = []
        self.in_word = False
        self.quoted = False
        """Whether the word holds quotes or expansions."""
        self.last = ""
        """The last character of the word, if it is plain."""
        self._count = 0  # of brackets that are open
        self.resume: Step = code
        """The step after a comment."""

    def push(self, step: Step, *, count: int = 0, string: bool = False) -> None:
        """Something opens; `count`: how many brackets."""
        self.frames.append(_Frame(self.step, self.level, self._count, self.word, string))
        self.step, self._count = step, count
        self.strings += string

    def push_level(self) -> None:
        """A list of commands opens, that a parenthesis ends."""
        self.push(self.code)
        self.level, self.word = Level(closes=True), []
        self.in_word = self.quoted = False
        self.last = ""

    def pop(self) -> None:
        """It closes: the word around it goes on."""
        self.step, self.level, self._count, self.word, string = self.frames.pop()
        self.strings -= string
        self.in_word = self.quoted = True
        self.last = ""

    def push_quote(self, char: str) -> None:
        """One of the three kinds of quotes opens."""
        if char == "'":
            self.push(self._single, string=True)
        elif char == '"':
            self.push(self._double, string=True)
        else:
            self.push(self._backquoted)

    def backslash(self, text: str, pos: int) -> int | None:
        """Past it and what it escapes."""
        if pos + 1 == len(text):
            if not self.final:
                return None
            self.dangling = True
            return pos + 1
        return pos + 2

    def dollar(self, text: str, pos: int) -> int | None:
        """Past what a `$` opens or names, wherever it has a meaning."""
        following = text[pos + 1 : pos + 3]
        if not self.final and (not following or following == "("):
            return None
        if following == "((":
            self.push(self.parentheses, count=2)
            return pos + 3
        kind = following[:1]
        if kind == "(":
            self.push_level()
        elif kind == "{":
            self.push(self._braced)
        elif kind == "[":
            self.push(self.brackets, count=1)
        elif kind == "'" and self.step != self._double:
            self.push(self._escaped, string=True)
        else:
            return pos + 1 + bool(kind and kind in _PARAMETERS)
        return pos + 2

    # Steps

    def _single(self, text: str, pos: int) -> int:
        end = _SINGLE.match(text, pos).end()  # type: ignore[union-attr] # it always matches
        if end < len(text):
            self.pop()
            return end + 1
        return end

    def _escaped(self, text: str, pos: int) -> int | None:
        """`$'…'`."""
        end = _ESCAPED.match(text, pos).end()  # type: ignore[union-attr]
        if end > pos:
            return end
        if text[pos] == "'":
            self.pop()
            return pos + 1
        return self.backslash(text, pos)

    def _double(self, text: str, pos: int) -> int | None:
        end = _DOUBLE.match(text, pos).end()  # type: ignore[union-attr]
        if end > pos:
            return end
        char = text[pos]
        if char == '"':
            self.pop()
            return pos + 1
        if char == "`":
            self.push_quote(char)
            return pos + 1
        return self._nested(char, text, pos)

    def _backquoted(self, text: str, pos: int) -> int | None:
        end = _BACKQUOTED.match(text, pos).end()  # type: ignore[union-attr]
        if end > pos:
            return end
        if text[pos] == "`":
            self.pop()
            return pos + 1
        return self.backslash(text, pos)

    def _braced(self, text: str, pos: int) -> int | None:
        """`${…}`."""
        end = _BRACED.match(text, pos).end()  # type: ignore[union-attr]
        if end > pos:
            return end
        if text[pos] == "}":
            self.pop()
            return pos + 1
        return self._nested(text[pos], text, pos)

    def parentheses(self, text: str, pos: int) -> int | None:
        """Up to the parenthesis that closes all: arithmetic, or a pattern."""
        return self._counted(_PARENTHESES, "(", ")", text, pos)

    def brackets(self, text: str, pos: int) -> int | None:
        """Up to the bracket that closes all: a subscript, or `$[…]`."""
        return self._counted(_BRACKETS, "[", "]", text, pos)

    def _counted(
        self, plain: re.Pattern[str], opens: str, closes: str, text: str, pos: int
    ) -> int | None:
        end = plain.match(text, pos).end()  # type: ignore[union-attr]
        if end > pos:
            return end
        char = text[pos]
        if char == opens:
            self._count += 1
        elif char == closes:
            self._count -= 1
            if not self._count:
                self.pop()
        else:
            return self._nested(char, text, pos)
        return pos + 1

    def array(self, text: str, pos: int) -> int | None:
        """The words of `name=(…)`: several lines, perhaps, with comments."""
        end = _ARRAY.match(text, pos).end()  # type: ignore[union-attr]
        if end > pos:
            self.last = text[end - 1]
            return end
        char = text[pos]
        if char == "#" and self.last in " \t\n(":
            self.resume, self.step = self.step, self.comment
        elif char == "(" and self.last in "<>":
            self.push_level()
        elif char in " \t\n#()":
            self._count += (char == "(") - (char == ")")
            self.last = char
            if not self._count:
                self.pop()
        else:
            self.last = "'"
            return self._nested(char, text, pos)
        return pos + 1

    def comment(self, text: str, pos: int) -> int:
        """Up to the end of the line."""
        end = COMMENT.match(text, pos).end()  # type: ignore[union-attr]
        if end < len(text):
            self.step = self.resume
        return end

    def _nested(self, char: str, text: str, pos: int) -> int | None:
        """What has a meaning within something else."""
        if char == "\\":
            return self.backslash(text, pos)
        if char == "$":
            return self.dollar(text, pos)
        self.push_quote(char)
        return pos + 1
