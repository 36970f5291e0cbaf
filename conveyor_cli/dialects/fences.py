"""Markdown fences: a fenced code block whose info string names a tool is a call.

A fence closes only where the call's splitter allows it: inside a string it is text. If the response
ends with that string still open, the first fence in it was the end after all. Text in `<think>`
tags is reasoning: no call, and no part of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping

from conveyor_cli.dialects.base import CallText, Closed, EndCheck, Item, Opened, Prose

_OPENING = re.compile(r"^( *)(`{3,}|~{3,})[ \t]*([^\s`]*)[^`]*$")
_THINK = re.compile(r"<think>|</think>")
_DEEPEST = 3
"""Spaces that may stand before a closing fence, beyond the opening fence's own."""


class FenceDialect:
    """Finds fenced calls. `tags` maps info strings to names of tools.

    `untagged` is the tool that a fence without an info string calls, if there is just one.
    """

    one_call = True

    def __init__(self, tags: Mapping[str, str], untagged: str | None = None) -> None:
        self._tags = tags
        self._untagged = untagged
        self._response: list[str] = []
        self._line = ""  # what is held back of the current line
        self._at_line_start = True
        self._thinking = False
        self._foreign: str | None = None  # the fence of a block that is no call
        self._seen = 0  # characters of the response in complete lines outside calls

        self._call: EndCheck | None = None
        self._in_call = False
        self._start = 0
        self._fence = ""
        self._indent = 0
        self._length = 0  # of the call's text so far
        self._refused: list[int] = []  # where fences stood that could not close the call

    def watch(self, call: EndCheck) -> None:
        self._call = call

    def feed(self, text: str) -> Iterator[Item]:
        self._response.append(text)
        while text:
            step = self._feed_call if self._in_call else self._feed_prose
            text = yield from step(text)

    def finish(self, *, complete: bool) -> Iterator[Item]:
        held, self._line = self._line, ""
        if not self._in_call:
            if held and not self._thinking:
                yield Prose(held)
            return
        assert self._call is not None
        if held and complete and self._is_closing(held) and self._call.may_end():
            yield self._close()
            return
        if held:
            yield self._text(self._dedent(held) if self._at_line_start else held)
        if not self._call.may_end():
            fences = [length for length in self._refused if length >= self._call.released]
            if fences:
                self._length = fences[0]
                yield self._close(fences[0])
                return
        if complete:
            yield self._close()

    def cut(self, length: int | None) -> str:
        response = "".join(self._response)
        if length is None:
            length = self._length
        end, kept = self._start, 0
        while kept < length:
            after = response.find("\n", end) + 1 or len(response)
            kept += len(self._dedent(response[end:after]))
            end = after
        text = response[:end]
        newline = "" if text.endswith("\n") else "\n"
        return f"{text}{newline}{' ' * self._indent}{self._fence}"

    # Outside calls: whole lines

    def _feed_prose(self, text: str) -> Generator[Item, None, str]:
        """Look at one line; return the rest of the text."""
        line, newline, rest = text.partition("\n")
        self._line += line
        if not newline:
            return ""
        line, self._line = self._line, ""
        self._seen += len(line) + 1
        for tag in _THINK.findall(line):
            self._thinking = tag == "<think>"
        if self._thinking or _THINK.search(line):
            return rest
        opening = _OPENING.match(line.rstrip("\r"))
        tool = self._tool(opening)
        if opening and tool:
            self._in_call, self._at_line_start = True, True
            self._indent, self._fence = len(opening[1]), opening[2]
            self._start, self._length = self._seen, 0
            self._refused = []
            yield Opened(tool, self._seen)
        else:
            self._note_foreign(line, opening)
            yield Prose(line + newline)
        return rest

    def _tool(self, opening: re.Match[str] | None) -> str | None:
        if opening is None or self._foreign is not None:
            return None
        tag = opening[3].lower().strip("{}.")
        return self._tags.get(tag) if tag else self._untagged

    def _note_foreign(self, line: str, opening: re.Match[str] | None) -> None:
        """Keep track of blocks that are no calls: a fence in them opens nothing."""
        if self._foreign is None:
            self._foreign = opening[2] if opening else None
        elif _closes(line, self._foreign):
            self._foreign = None

    # Inside a call

    def _feed_call(self, text: str) -> Generator[Item, None, str]:
        """Give a line out, unless it may still become the closing fence; return the rest."""
        assert self._call is not None
        end = text.find("\n") + 1 or len(text)
        piece, rest = text[:end], text[end:]
        if not self._at_line_start:
            self._at_line_start = piece.endswith("\n")
            yield self._text(piece)
            return rest
        self._line += piece
        if not self._line.endswith("\n"):
            if not self._may_become_closing(self._line):
                piece, self._line = self._line, ""
                self._at_line_start = False
                yield self._text(self._dedent(piece))
            return rest
        line, self._line = self._line, ""
        if self._is_closing(line):
            if self._call.may_end():
                yield self._close()
                self._seen = sum(map(len, self._response)) - len(rest)
                return rest
            self._refused.append(self._length)
        yield self._text(self._dedent(line))
        return rest

    def _text(self, text: str) -> CallText:
        self._length += len(text)
        return CallText(text)

    def _close(self, length: int | None = None) -> Closed:
        self._in_call = False
        return Closed(length)

    def _dedent(self, line: str) -> str:
        """The line without the opening fence's own indentation."""
        return line[min(self._indent, len(line) - len(line.lstrip(" "))) :]

    def _is_closing(self, line: str) -> bool:
        indent = len(line) - len(line.lstrip(" "))
        return indent <= self._indent + _DEEPEST and _closes(line, self._fence)

    def _may_become_closing(self, line: str) -> bool:
        marks = line.lstrip(" ")
        if len(line) - len(marks) > self._indent + _DEEPEST:
            return False
        fence = marks.rstrip(" \t\r")
        return not fence.strip(self._fence[0]) and (
            fence == marks or len(fence) >= len(self._fence)
        )


def _closes(line: str, fence: str) -> bool:
    marks = line.strip(" \t\r\n")
    return len(marks) >= len(fence) and not marks.strip(fence[0])
