"""Markdown fences: a fenced code block whose info string names a tool is a call.

A fence closes only where the call's splitter allows it: inside a string it is text. If the response
ends with that string still open, the first fence that was refused was the end after all.

What stands between `<think>` and `</think>` is reasoning: no call, and no part of the answer. The
tags count outside code only. Not covered: reasoning that the prompt has opened already.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from conveyor_cli.dialects.base import CallText, Closed, EndCheck, Item, Opened, Prose
from conveyor_tools.json_closing import closed

_PIECE = re.compile(r"[^\n]*\n|[^\n]+")
_OPENING = re.compile(
    r"([ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?)"  # the margin, with the marker of a list's item
    r"(`{3,}(?=[^`]*$)|~{3,})"
    r"[ \t]*(.*)$"
)
_TAG = re.compile(r"\{?\.?([^\s`{}:,;=]*)")
_THINK = re.compile(
    r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)"  # a code span, in which tags are text
    r"|(?P<tag></?think>)"
)
_THOUGHT = "</think>"
_BLANKS = " \t"
_DEEPEST = 3
"""Blanks that may stand before a closing fence, beyond the opening fence's own."""


class _State(Enum):
    OUTSIDE = auto()
    IN_CALL = auto()
    OVER = auto()  # the call is closed: what follows is of no interest


@dataclass(frozen=True, slots=True)
class Block:
    """A block that a line opens, after its `margin`, and what closes it: as many such characters.

    `tool` is what it calls; None: nothing.
    """

    margin: str
    fence: str
    tool: str | None


class FenceDialect:
    """Finds the fenced call of a response. `tags` maps info strings to names of tools.

    `untagged` is the tool that a fence without an info string calls, if there is just one. `json`
    are the tools whose blocks hold JSON.
    """

    one_call = True

    def __init__(
        self,
        tags: Mapping[str, str],
        untagged: str | None = None,
        json: Collection[str] = (),
    ) -> None:
        self._tags = tags
        self._untagged = untagged
        self._json = json
        self._tool_called = ""
        self._state = _State.OUTSIDE
        self._response: list[str] = []
        self._seen = 0  # characters of the response in complete lines outside the call

        # Outside the call.
        self._line: list[str] = []  # what has come of the current line
        self._visible = ""  # what stands before reasoning that began in its middle
        self._thinking = False
        self._foreign: str | None = None  # the fence of a block that is no call

        # The call.
        self._call: EndCheck | None = None
        self._start = 0
        self._margin = ""
        self._fence = ""
        self._held = ""  # the beginning of a line that may become the closing fence
        self._at_line_start = True
        self._length = 0  # of the call's text so far
        self._refused: list[int] = []  # where fences stood that could not close the call

    def watch(self, call: EndCheck) -> None:
        self._call = call

    def feed(self, text: str) -> Iterator[Item]:
        self._response.append(text)
        for piece in _PIECE.findall(text):
            if self._state is _State.OUTSIDE:
                yield from self._feed_outside(piece)
            elif self._state is _State.IN_CALL:
                yield from self._feed_call(piece)

    def finish(self, *, complete: bool) -> Iterator[Item]:
        if self._state is _State.OUTSIDE:
            line = self._take_line()
            if line:
                yield Prose(line)
        elif self._state is _State.IN_CALL:
            yield from self._finish_call(complete=complete)

    def cut(self, length: int | None, call: int = 0) -> str:  # noqa: ARG002 - there is one
        end, called = self._kept(self._length if length is None else length)
        text = "".join(self._response)[:end]
        if self._tool_called in self._json:
            text = _closed_at_end(text, called)
        newline = "" if text.endswith("\n") else "\n"
        return f"{text}{newline}{self._margin}{self._fence}"

    def place(self, length: int, call: int = 0) -> int:  # noqa: ARG002 - there is one
        return self._kept(length)[0] if self._margin else self._start + length

    def _kept(self, length: int) -> tuple[int, str]:
        """Where the first so many characters of the call's text end, and these."""
        response = "".join(self._response)
        end, kept, called = self._start, 0, ""
        while kept < length and end < len(response):
            after = response.find("\n", end) + 1 or len(response)
            line = self._dedent(response[end:after])
            margin = after - end - len(line)
            line = line[: length - kept]
            kept += len(line)
            end += margin + len(line)
            called += line
        return end, called

    # Outside the call: whole lines, without reasoning

    def _feed_outside(self, piece: str) -> Iterator[Item]:
        """Take a piece of a line; judge the line when it is complete."""
        self._line.append(piece)
        self._seen += len(piece)
        if not piece.endswith("\n"):
            return
        line = self._take_line()
        if self._thinking:
            self._visible = line
            return
        block = self._opened(line) if self._foreign is None else None
        if block is not None and block.tool is not None:
            self._margin = re.sub(r"[^\t]", " ", block.margin)
            self._fence = block.fence
            self._start = self._seen
            self._state = _State.IN_CALL
            self._tool_called = block.tool
            yield Opened(block.tool, self._seen)
            return
        if self._foreign is None:
            self._foreign = block.fence if block is not None else None
        elif _closes(line, self._foreign):
            self._foreign = None
        if line:
            yield Prose(line)

    def _opened(self, line: str) -> Block | None:
        """The block that a line opens."""
        opening = _OPENING.match(line)
        return Block(opening[1], opening[2], self._tool(opening[3])) if opening else None

    def _tool(self, info: str) -> str | None:
        """The tool that an info string names."""
        if not info.strip():
            return self._untagged
        tag = _TAG.match(info)
        return self._tags.get(tag[1].lower()) if tag else None

    def _take_line(self) -> str:
        """The line so far, as an answer would show it."""
        line = "".join(self._line)
        self._line.clear()
        if self._foreign is None:
            line = self._visible + self._without_reasoning(line)
            self._visible = ""
        return line

    def _without_reasoning(self, line: str) -> str:
        kept = []
        pos = 0
        while pos < len(line):
            if self._thinking:
                end = line.find(_THOUGHT, pos)
                if end < 0:
                    break
                pos = end + len(_THOUGHT)
                self._thinking = False
                continue
            found = _THINK.search(line, pos)
            if found is None:
                kept.append(line[pos:])
                break
            kept.append(line[pos : found.start() if found["tag"] else found.end()])
            self._thinking = found["tag"] == "<think>"
            pos = found.end()
        return "".join(kept)

    # Inside the call

    def _feed_call(self, piece: str) -> Iterator[Item]:
        """Give a piece of a line out, unless the line may still become the closing fence."""
        if not self._at_line_start:
            self._at_line_start = piece.endswith("\n")
            yield self._text(piece)
            return
        line = self._held + piece
        self._held = ""
        if not line.endswith("\n"):
            if self._may_become_closing(line):
                self._held = line
                return
            self._at_line_start = False
        elif self._is_closing(line):
            if self._may_end():
                yield self._close()
                return
            self._refused.append(self._length)
        yield self._text(self._dedent(line))

    def _finish_call(self, *, complete: bool) -> Iterator[Item]:
        assert self._call is not None
        closing, rest = self._is_closing(self._held), self._dedent(self._held)
        if self._may_end():
            if complete:
                if rest and not closing:
                    yield self._text(rest)
                yield self._close()
            return
        if closing:
            self._refused.append(self._length)
        if rest:
            yield self._text(rest)
        fences = [length for length in self._refused if length >= self._call.released]
        if fences:
            self._length = fences[0]
            yield self._close(fences[0])
        elif complete:
            yield self._close()

    def _may_end(self) -> bool:
        assert self._call is not None, "a dialect is told of each call's splitter"
        return self._call.may_end()

    def _text(self, text: str) -> CallText:
        self._length += len(text)
        return CallText(text)

    def _close(self, length: int | None = None) -> Closed:
        self._state = _State.OVER
        return Closed(length)

    def _dedent(self, line: str) -> str:
        """The line without the margin of the opening fence, or what it has of it."""
        shared = 0
        for blank, char in zip(self._margin, line, strict=False):
            if blank != char:
                break
            shared += 1
        return line[shared:]

    def _is_closing(self, line: str) -> bool:
        return _indent(line) <= len(self._margin) + _DEEPEST and _closes(line, self._fence)

    def _may_become_closing(self, line: str) -> bool:
        return not line.strip(f"{_BLANKS}\r{self._fence[0]}")


def _closed_at_end(text: str, written: str) -> str:
    """The text, which ends with JSON that was `written` behind a margin, with this made whole."""
    whole = closed(written)
    shared = next(n for n in range(len(written), -1, -1) if whole.startswith(written[:n]))
    return text[: len(text) - (len(written) - shared)] + whole[shared:]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(_BLANKS))


def _closes(line: str, fence: str) -> bool:
    marks = line.lstrip(_BLANKS).rstrip(" \t\r\n")
    return len(marks) >= len(fence) and not marks.strip(fence[0])
