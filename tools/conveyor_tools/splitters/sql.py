"""Cuts SQL into statements, each at the semicolon that closes it.

Strings, quoted names, comments and bodies of triggers and functions are told apart as the database
does it; whether the rest is valid is for the database to say. A last statement without a semicolon
closes with the call.
"""

from __future__ import annotations

import re

from conveyor_sandbox.reports import Failure
from conveyor_tools.splitters.scanning import Scanner, ScanningSplitter, Step
from conveyor_tools.splitters.sql_rules import RULES, plain_text

_BLANKS = " \t\n\r\f\v"
_SPACE = re.compile(f"[{_BLANKS}]+")
_NAME = re.compile(r"[\w\x80-\U0010ffff][\w$\x80-\U0010ffff]*")
_REST_OF_NAME = re.compile(r"[\w$\x80-\U0010ffff]*")
_TAG = re.compile(r"[\w\x80-\U0010ffff]*")
_ESCAPE_OR_QUOTE = re.compile(r"['\\]")
_COMMENT_MARK = re.compile(r"\*/|\*\Z")
_NESTED_MARK = re.compile(r"\*/|/\*|[*/]\Z")
_LONGEST_KEYWORD = 16


class SqlSplitter(ScanningSplitter):
    """Cuts the text of one call, in the SQL of the given database."""

    _lookbehind = 2

    def __init__(self, dialect: str = "sqlite") -> None:
        self._rules = RULES[dialect]
        self._plain = plain_text(self._rules)
        self._line_end = re.compile(f"[{self._rules.newlines}]")
        self._first_code: int | None = None
        super().__init__()

    def _begin_scan(self) -> Scanner:
        self._grammar = self._rules.grammar()
        self._problem: Failure | None = None
        if not self._count:
            self._first_code = None
        return self

    def _begin_unit(self) -> None:
        self._grammar.begin()
        self.step: Step = self._between_tokens
        self._last_token = self._start  # where the last token of the code ended
        self._solid = self._start  # no name that goes on begins before this
        self._closer = ""  # what ends the string or quoted name
        self._escaping = False  # in a string with backslashes
        self._newline = False  # after such a string: a line ended
        self._depth = 0  # of comments
        self._tag: list[str] = []

    def _code_end(self) -> int:
        """Where its last token ended, unless something is open."""
        return self._last_token if self.may_end() else super()._code_end()

    def may_end(self) -> bool:
        """Whether the text could end here: False inside quotes and in a comment of many lines."""
        return self.step in (
            self._between_tokens,
            self._in_name,
            self._in_line_comment,
            self._after_escapes,
        )

    @property
    def code_start(self) -> int | None:
        """How many blanks, comments and empty statements come before the first token."""
        return self._first_code

    @property
    def problem(self) -> Failure | None:
        """Why the text can never become valid, if so."""
        return self._problem

    # Tokens

    def _between_tokens(self, text: str, pos: int) -> int | None:
        if space := _SPACE.match(text, pos):
            return space.end()
        char = text[pos]
        if char in "-/" and not self._final and pos + 1 == len(text):
            return None
        if text.startswith("--", pos):
            self.step = self._in_line_comment
            return pos + 2
        if text.startswith("/*", pos):
            self.step, self._depth = self._in_comment, 1
            return pos + 2
        if char == ";":
            return self._semicolon(text, pos)
        return self._code_token(text, pos, char)

    def _semicolon(self, text: str, pos: int) -> int:
        if self._code is not None:  # else: an empty statement, which is left before the next one
            self._last_token = self._offset + pos + 1
            if self._grammar.semicolon():
                self._close(text, pos + 1)
        return pos + 1

    def _code_token(self, text: str, pos: int, char: str) -> int | None:
        if self._code is None:
            if char in self._rules.commands:
                self._refuse(
                    f"what begins with {char} is a command of a database's shell, not SQL: "
                    f"{self._rules.hint}"
                )
            self._code = self._offset + pos
            if self._first_code is None:
                self._first_code = self._code
        if not self._grammar.attentive and (plain := self._plain.match(text, pos)):
            after = pos + max(1, len(plain.group().rstrip(_BLANKS)))
        elif char in self._rules.quotes:
            self._escaping = char == "'" and self._escape_prefix(text, pos)
            self._closer = "]" if char == "[" else char
            self.step = self._in_quotes
            self._hear("")
            after = pos + 1
        elif char == "$" and self._rules.escapes and not self._in_word(text, pos):
            self.step = self._in_tag
            self._tag = []
            after = pos + 1
        elif char in "()":
            self._grammar.bracket(char)
            after = pos + 1
        elif self._grammar.attentive:
            return self._attend(text, pos)
        else:
            after = pos + 1
        self._last_token = self._offset + after
        return after

    def _attend(self, text: str, pos: int) -> int | None:
        """One token that the grammar wants to hear."""
        if not (name := _NAME.match(text, pos)):
            self._hear("")
            after = pos + 1
        else:
            after = name.end()
            known = self._final or after < len(text)
            if not known and after - pos <= _LONGEST_KEYWORD:
                return None
            self._hear(name.group().upper())
            if not known:
                self.step = self._in_name
        self._last_token = self._offset + after
        return after

    def _hear(self, word: str) -> None:
        why = self._grammar.word(word) if self._grammar.attentive else None
        if why is not None:
            self._refuse(why)

    def _refuse(self, why: str) -> None:
        if self._problem is None:
            self._problem = Failure("arguments", "SyntaxError", why)

    def _in_name(self, text: str, pos: int) -> int:
        """The rest of a name that is too long for a keyword."""
        after = _REST_OF_NAME.match(text, pos).end()  # type: ignore[union-attr] # it always matches
        self._last_token = self._offset + after
        if after < len(text):
            self.step = self._between_tokens
        return after

    # Quotes

    def _in_word(self, text: str, pos: int) -> bool:
        """Whether a name or number goes on at `pos`."""
        before = text[pos - 1 : pos]
        return self._offset + pos > self._solid and (before.isalnum() or before in ("_", "$"))

    def _escape_prefix(self, text: str, pos: int) -> bool:
        """Whether an E that begins here stands before the quote."""
        if not self._rules.escapes or text[pos - 1 : pos] not in ("e", "E"):
            return False
        return self._offset + pos > self._solid and not self._in_word(text, pos - 1)

    def _in_quotes(self, text: str, pos: int) -> int | None:
        if not self._escaping:
            end = text.find(self._closer, pos)
            return len(text) if end < 0 else self._end_token(end + 1)
        if (mark := _ESCAPE_OR_QUOTE.search(text, pos)) is None:
            return len(text)
        found = mark.start()
        if text[found] == "'":
            self._end_token(found + 1)
            self.step = self._after_escapes
            self._newline = False
            return found + 1
        if found + 1 < len(text):
            return found + 2
        return found + 1 if self._final else (found if found > pos else None)

    def _end_token(self, after: int) -> int:
        """A token ended that no name can go on from. A doubled quote begins it again."""
        self._last_token = self._solid = self._offset + after
        self.step = self._between_tokens
        return after

    def _after_escapes(self, text: str, pos: int) -> int:
        """A string with backslashes goes on after a doubled quote, or on a new line."""
        char = text[pos]
        if char == "'" and (self._newline or self._offset + pos == self._solid):
            self.step = self._in_quotes
            return pos + 1
        if char.isspace():
            self._newline = self._newline or char in "\r\n"
            return pos + 1
        self.step = self._between_tokens
        return pos

    # Dollar quotes

    def _in_tag(self, text: str, pos: int) -> int | None:
        after = _TAG.match(text, pos).end()  # type: ignore[union-attr]
        if after > pos:
            self._tag.append(text[pos:after])
            if after == len(text):
                return after
        tag = "".join(self._tag)
        if text[after] == "$" and not tag[:1].isdigit():
            self._closer = f"${tag}$"
            self.step = self._in_dollars
            return after + 1
        # No quote: $1, or a name, which may even be the E of a string.
        self._last_token = self._offset + after
        self._solid = self._offset + after - len(tag)
        self.step = self._between_tokens
        return after if after > pos else self._between_tokens(text, pos)

    def _in_dollars(self, text: str, pos: int) -> int | None:
        end = text.find(self._closer, pos)
        if end >= 0:
            return self._end_token(end + len(self._closer))
        # The end of the text may be the beginning of the closing tag.
        after = len(text) if self._final else max(pos, len(text) - len(self._closer) + 1)
        return after if after > pos else None

    # Comments

    def _in_line_comment(self, text: str, pos: int) -> int:
        end = self._line_end.search(text, pos)
        if end is None:
            return len(text)
        self.step = self._between_tokens
        return end.end()

    def _in_comment(self, text: str, pos: int) -> int | None:
        found = (_NESTED_MARK if self._rules.nested else _COMMENT_MARK).search(text, pos)
        if found is None:
            return len(text)
        if found.end() - found.start() == 1:  # half of a mark, perhaps
            return len(text) if self._final else (found.start() if found.start() > pos else None)
        self._depth += 1 if found.group() == "/*" else -1
        if not self._depth:
            self.step = self._between_tokens
        return found.end()


def statement(text: str, dialect: str) -> tuple[str, str]:
    """A unit's statement without what stands before it, and its first word in capitals."""
    splitter = SqlSplitter(dialect)
    splitter.feed(text)
    splitter.flush()
    code = text[splitter.code_start or 0 :]
    word = _NAME.match(code)
    return code, word.group().upper() if word else ""
