"""What dialects share whose calls stand behind marks in the text.

Prose is given out as it comes, except for what may become a mark. Reasoning between tags is neither
call nor answer; not covered is reasoning that the prompt has opened already. Where calls are JSON,
an object says itself where it ends, so a call is closed at its last brace.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from conveyor_cli.dialects.base import Closed, EndCheck, Fault, Invalid, Item, Prose
from conveyor_cli.dialects.json_call import JsonCall
from conveyor_cli.dialects.record import Record

CUT_OFF = "the response was cut off before the call was complete"
_SPACE = re.compile(r"\s*")
_SLICE = 4096
"""Characters that a call is given at once: a delta may be long, and hold many calls."""

Step = Callable[[str, int], Iterator[Item]]
"""Reads on from a place in the text: moves on, changes the step, or holds the rest of the text."""


class MarkedText:
    """Tells prose, reasoning and calls apart.

    A dialect says what its marks are and, in `_meet`, what stands behind them.
    """

    one_call = False
    marks: ClassVar[tuple[str, ...]] = ()
    thoughts: ClassVar[dict[str, str]] = {"<think>": "</think>"}
    """What opens reasoning, and what closes it."""

    def __init__(self) -> None:
        self._response: list[str] = []
        self._seen = 0  # characters of the response that are judged
        self._held = ""  # the rest: what more text is needed to judge
        self._prose: list[tuple[int, str]] = []  # where it begins in the response, and the text
        self._in_call = False
        self._thought = ""  # what closes the reasoning
        self._tags = (*self.marks, *self.thoughts, *self.thoughts.values())
        self._tag = re.compile("|".join(map(re.escape, self._tags)))
        self._step: Step = self._outside

    def feed(self, text: str) -> Iterator[Item]:
        self._response.append(text)
        text = self._held + text
        begin, end = self._seen, self._seen + len(text)
        self._held = ""
        while self._seen < end and not self._held:
            yield from self._step(text, self._seen - begin)

    def finish(self, *, complete: bool) -> Iterator[Item]:
        if self._in_call:
            yield from self._finish_call(complete=complete)
        elif self._held and self._step != self._reasoning:
            yield self._say(self._held)

    # Steps

    def _outside(self, text: str, pos: int) -> Iterator[Item]:
        tag = self._tag.search(text, pos)
        end = tag.start() if tag else self._settled(text, pos, self._tags)
        if end > pos:
            yield self._say(text[pos:end])
        if tag is None:
            self._held = text[end:]
        elif tag[0] in self.marks:
            yield from self._meet(tag[0], text, end)
        else:
            self._seen += tag.end() - end
            if tag[0] in self.thoughts:
                self._thought = self.thoughts[tag[0]]
                self._step = self._reasoning

    def _reasoning(self, text: str, pos: int) -> Iterator[Item]:
        found = text.find(self._thought, pos)
        if found >= 0:
            self._seen += found + len(self._thought) - pos
            self._step = self._outside
        else:
            self._hold(text, pos, self._settled(text, pos, (self._thought,)))
        yield from ()

    def _over(self, text: str, pos: int) -> Iterator[Item]:
        """A call was invalid: nothing after it counts."""
        self._seen += len(text) - pos
        yield from ()

    # What a dialect says

    def _meet(self, mark: str, text: str, pos: int) -> Iterator[Item]:
        """A mark stands at that place: go behind it, or say that it is none."""
        raise NotImplementedError

    def _finish_call(self, *, complete: bool) -> Iterator[Item]:
        """The response ended inside a call."""
        raise NotImplementedError

    # What steps are made of

    def _end_all(self) -> None:
        self._in_call = False
        self._step = self._over

    def _say(self, text: str) -> Prose:
        """The next text is prose."""
        self._prose.append((self._seen, text))
        self._seen += len(text)
        return Prose(text)

    def _prose_before(self, end: int) -> str:
        """The prose of the response's first characters, without blanks around it."""
        return "".join(text for start, text in self._prose if start < end).strip()

    def _skip_space(self, text: str, pos: int) -> int:
        end = _SPACE.match(text, pos).end()  # type: ignore[union-attr] # it always matches
        self._seen += end - pos
        return end

    def _hold(self, text: str, pos: int, end: int) -> None:
        """The text is judged up to `end`; the rest of it waits."""
        self._held = text[end:]
        self._seen += end - pos

    @staticmethod
    def _settled(text: str, pos: int, tags: tuple[str, ...]) -> int:
        """Up to where the text from `pos` on cannot belong to a tag, none of which is in it."""
        longest = max(map(len, tags), default=1) - 1
        for start in range(max(pos, len(text) - longest), len(text)):
            if any(tag.startswith(text[start:]) for tag in tags):
                return start
        return len(text)


class MarkedDialect(MarkedText):
    """Finds the calls of a response, each of them an object of JSON.

    `arguments` maps tools to the argument that is their text (None: all of the arguments are).
    A dialect says in `_enter` what stands behind a mark; `_after_object` is the step that follows a
    call's object.
    """

    def __init__(self, arguments: Mapping[str, str | None]) -> None:
        super().__init__()
        self._arguments = arguments
        self._records: list[Record] = []
        self._call = JsonCall(arguments, 0, self._records)

    def watch(self, call: EndCheck) -> None:
        """JSON says where the text ends, not its language."""

    def _finish_call(self, *, complete: bool) -> Iterator[Item]:
        if complete:
            yield from self._call.flush()
        elif not self._call.is_open:
            yield self._call.refuse(Fault.CUT_OFF, CUT_OFF, self._seen)

    def _meet(self, mark: str, text: str, pos: int) -> Iterator[Item]:  # noqa: ARG002 - it is one
        self._seen += len(mark)
        self._begin_call(self._seen)
        self._enter(mark)
        yield from ()

    def _enter(self, mark: str) -> None:
        """A mark of a call has come: set the step that reads on."""
        raise NotImplementedError

    def _object(self, text: str, pos: int) -> Iterator[Item]:
        """Inside the call's object, from its first brace on."""
        piece = text[pos : pos + _SLICE]
        for item in self._call.feed(piece):
            if isinstance(item, Invalid):
                self._end_all()
            yield item
        if self._call.object_end is None:
            self._seen += len(piece)
            return
        self._seen = self._call.object_end
        self._in_call = False
        item = self._call.close(self._seen)
        self._step = self._after_object
        if not isinstance(item, Closed):
            self._end_all()
        yield item

    def _after_object(self, text: str, pos: int) -> Iterator[Item]:
        """A call has just been closed."""
        self._step = self._outside
        yield from self._outside(text, pos)

    def _begin_call(self, start: int, *, key: str = "arguments", name: str | None = None) -> None:
        self._in_call = True
        self._call = JsonCall(self._arguments, start, self._records, key=key, name=name)

    def _refuse(self, fault: Fault, message: str) -> Invalid:
        """The call cannot be run, as the next character shows."""
        self._end_all()
        return self._call.refuse(fault, message, self._seen + 1)
