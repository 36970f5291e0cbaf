"""Here-documents of a shell: their delimiters, and the lines up to these."""

from __future__ import annotations

from dataclasses import dataclass

_ENDS_WORD = " \t\n;&|<>()"
_ESCAPABLE = '"\\$`'
"""What a backslash takes its meaning from, within double quotes."""


@dataclass(frozen=True, slots=True)
class HereDocument:
    """One that a redirection has announced."""

    delimiter: str
    quoted: bool
    tabs: bool
    """Whether leading tabs do not count: `<<-`."""


class DelimiterReader:
    """Reads the word after `<<` or `<<-`, and takes its quotes away."""

    def __init__(self, *, tabs: bool) -> None:
        self.document: HereDocument | None = None
        """What it announces, once the word has ended."""
        self._tabs = tabs
        self._chars: list[str] = []
        self._quote = ""
        self._quoted = False
        self._begun = False

    def scan(self, text: str, pos: int, *, final: bool) -> int | None:
        """Where to go on; None: it needs more text."""
        began = pos
        while pos < len(text):
            char = text[pos]
            if char == "\\" and self._quote != "'":
                after = self._backslash(text, pos, final=final)
                if after is None:
                    return pos if pos > began else None
                pos = after
                continue
            if self._quote:
                if char == self._quote:
                    self._quote = ""
                else:
                    self._chars.append(char)
            elif char in "'\"":
                self._quote, self._quoted, self._begun = char, True, True
            elif char in _ENDS_WORD:
                if self._begun or char not in " \t":
                    self.document = HereDocument("".join(self._chars), self._quoted, self._tabs)
                    return pos
            else:
                self._begun = True
                self._chars.append(char)
            pos += 1
        return pos

    def _backslash(self, text: str, pos: int, *, final: bool) -> int | None:
        if pos + 1 == len(text):
            return pos + 1 if final else None
        following = text[pos + 1]
        if following != "\n":
            self._begun = True
            if self._quote and following not in _ESCAPABLE:
                self._chars.append("\\")
            self._chars.append(following)
            self._quoted = self._quoted or not self._quote
        return pos + 2


class BodyReader:
    """Reads lines up to a delimiter."""

    def __init__(self, document: HereDocument) -> None:
        self.ended = False
        self._document = document
        self._pieces: list[str] = []
        """The line under way. What can be no delimiter any more is not kept."""

    def scan(self, text: str, pos: int) -> int:
        """Where to go on: after a newline, or at the end of the text."""
        end = text.find("\n", pos)
        if end < 0:
            self._pieces.append(text[pos:])
            return len(text)
        line = "".join([*self._pieces, text[pos:end]])
        if not self._document.quoted and _is_continued(line):
            line = line[:-1]
            self._pieces = [line if self._may_become(line) else "\n"]
        else:
            self._pieces.clear()
            self.ended = self._is_delimiter(line)
        return end + 1

    def ends(self) -> bool:
        """Whether the text, which ends here, ends with the delimiter."""
        return self._is_delimiter("".join(self._pieces))

    def _is_delimiter(self, line: str) -> bool:
        return self._shorn(line) == self._document.delimiter

    def _may_become(self, line: str) -> bool:
        return self._document.delimiter.startswith(self._shorn(line))

    def _shorn(self, line: str) -> str:
        return line.lstrip("\t") if self._document.tabs else line


def _is_continued(line: str) -> bool:
    """Whether a backslash, itself not escaped, joins the next line to it."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1
