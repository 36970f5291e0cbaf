"""One call that is written as a JSON object: `{"name": "python", "arguments": {"code": "…"}}`.

The text of a call is one string among its arguments. It is given out as it comes, once the name is
known, which may stand before or after the arguments.

Where the name is given outside, the object is that of the arguments alone: `{"code": "…"}`.

Of equal keys the last counts, as for other readers of JSON. One that comes when the call is open
withdraws it, and its value opens another call. Arguments that the tool does not have are ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from conveyor_cli.dialects.base import (
    CallText,
    Closed,
    Fault,
    Invalid,
    Item,
    Opened,
    TextEnded,
    Withdrawn,
    WrittenCall,
)
from conveyor_tools.json_literal import literal_rest
from conveyor_tools.json_object import (
    Begun,
    Broken,
    Complete,
    Finished,
    JsonItem,
    ObjectDecoder,
    Path,
    Piece,
)

_NAME = ("name",)
_SHOWN = 40
"""Characters of what the model wrote that an error repeats."""


@dataclass(slots=True)
class Record:
    """A call as the engine counts them, and where it stands in the response."""

    tool: str
    start: int
    """Where its text begins or, if it was not opened, its object."""
    opened: bool
    named: bool = False
    """Whether its name stands before its text."""
    closing: str = ""
    """What makes a whole object of what stands before any character of its text."""
    length: int = 0
    """Decoded characters of its text so far."""
    end: int | None = None
    """Where it ends, once it is closed or invalid."""
    withdrawn: bool = False
    arguments: object = None
    """Their value, once the call is closed."""


@dataclass(slots=True)
class _Text:
    """A string among the arguments."""

    start: int
    name: object  # what stands before it as the call's name
    pieces: list[str] = field(default_factory=list)
    given: int = 0
    """Pieces that the open call was given."""
    ended: bool = False
    end_told: bool = False


class JsonCall:
    """Reads a call's object, which begins at character `start` of the response.

    `arguments` maps tools to the argument that is their text. The calls that are opened or refused
    are added to `records`. The arguments stand behind `key`, or are the object itself where the
    call's `name` is given.
    """

    def __init__(
        self,
        arguments: Mapping[str, str],
        start: int,
        records: list[Record],
        *,
        key: str = "arguments",
        name: str | None = None,
    ) -> None:
        self.object_end: int | None = None
        """Where the object ends in the response, once it is complete."""
        self._tools = arguments
        self._start = start
        self._records = records
        self._key = key
        self._path: Path = (key,) if name is None else ()  # that of the arguments
        watched = {(*self._path, argument) for argument in arguments.values()}
        if name is None:
            watched |= {_NAME, self._path}
        self._decoder = ObjectDecoder(watched)
        self._read: list[str] = []  # to be shown where it is broken
        self._name: object = name
        self._texts: dict[str, _Text] = {}
        self._open: Record | None = None
        self._object: dict[str, object] = {}

    @property
    def is_open(self) -> bool:
        """Whether a call was opened, and not withdrawn."""
        return self._open is not None

    def feed(self, text: str) -> Iterator[Item]:
        """Take more of the object."""
        self._read.append(text)
        yield from self._act(self._decoder.feed(text))

    def flush(self) -> Iterator[Item]:
        """The response ends here, inside the object."""
        yield from self._act(self._decoder.flush())

    def close(self, end: int) -> Closed | Invalid:
        """The call ends at character `end` of the response; its object is complete."""
        problem = self._problem()
        if problem is not None:
            return self.refuse(*problem, end)
        assert self._open is not None, "it has a name and a text, so it was opened"
        self._open.end = end
        self._open.arguments = self._arguments()
        return Closed()

    def refuse(self, fault: Fault, message: str, end: int) -> Invalid:
        """The call, which ends there, cannot be run."""
        tool = self._name if isinstance(self._name, str) else ""
        record = self._open
        if record is None:
            record = Record(tool, self._start, opened=False, arguments=self._arguments())
            self._records.append(record)
        record.end = end
        return Invalid(tool[:_SHOWN], self._start, fault, message)

    def _act(self, items: list[JsonItem]) -> Iterator[Item]:
        """What the next items of the object mean for the call."""
        for item in items:
            match item:
                case Begun():
                    yield from self._begin(item)
                case Piece(path, text) if len(path) > len(self._path):
                    self._texts[path[-1]].pieces.append(text)
                case Finished():
                    yield from self._finish(item)
                case Complete(value, end):
                    self._object = value
                    self.object_end = self._start + end
                case Broken(why, at):
                    end = self._start + at + 1
                    yield self.refuse(Fault.ARGUMENTS, self._where(why, at), end)
                    return
            yield from self._give()

    def _begin(self, begun: Begun) -> Iterator[Item]:
        """A value begins; one of the same key counts no more."""
        if len(begun.path) > len(self._path):
            argument = begun.path[-1]
            if argument == self._argument():
                yield from self._withdraw()
            self._texts[argument] = _Text(self._start + begun.at + 1, self._name)
        elif begun.path == self._path:
            yield from self._withdraw()
            self._texts.clear()

    def _finish(self, finished: Finished) -> Iterator[Item]:
        if len(finished.path) > len(self._path):
            argument = finished.path[-1]
            if isinstance(finished.value, str):
                self._texts[argument].ended = True
            else:
                del self._texts[argument]
        elif finished.path == _NAME:
            if finished.value != self._name:
                yield from self._withdraw()
            self._name = finished.value

    def _arguments(self) -> object:
        """The value of the arguments, once the object is complete."""
        return self._object.get(self._key) if self._path else self._object

    def _argument(self) -> str | None:
        """The argument that is the call's text, if it is known which tool it calls."""
        return self._tools.get(self._name) if isinstance(self._name, str) else None

    def _withdraw(self) -> Iterator[Item]:
        """What was given out is void: take the call back, if one was opened."""
        if self._open is not None:
            self._open.withdrawn = True
            self._open = None
            for text in self._texts.values():
                text.given, text.end_told = 0, False
            yield Withdrawn()

    def _give(self) -> Iterator[Item]:
        """Give out what has come of the text, once it is known whose it is."""
        argument = self._argument()
        text = self._texts.get(argument) if argument is not None else None
        if text is None or not (text.pieces or text.ended):
            return
        if self._open is None:
            assert isinstance(self._name, str)
            named = text.name == self._name
            self._open = Record(self._name, text.start, opened=True, named=named)
            self._open.closing = self._closing(named=named)
            self._records.append(self._open)
            yield Opened(self._name, text.start, literal=True)
        new = "".join(text.pieces[text.given :])
        text.given = len(text.pieces)
        if new:
            self._open.length += len(new)
            yield CallText(new)
        if text.ended and not text.end_told:
            text.end_told = True
            yield TextEnded()

    def _closing(self, *, named: bool) -> str:
        outside = not self._path
        return '"}' if outside else '"}}' if named else f'"}}, "name": {json.dumps(self._name)}}}'

    def _problem(self) -> tuple[Fault, str] | None:
        """Why the complete object is not a call that can be run."""
        name, arguments = self._name, self._arguments()
        if not isinstance(name, str):
            return Fault.ARGUMENTS, 'the call needs a "name", which is a string'
        argument = self._tools.get(name)
        if argument is None:
            return Fault.UNKNOWN_TOOL, self._unknown(name)
        if not isinstance(arguments, dict):
            return Fault.ARGUMENTS, f'the call needs "{self._key}", which is an object'
        if not isinstance(arguments.get(argument), str):
            return Fault.ARGUMENTS, f'{name} needs the argument "{argument}", which is a string'
        return None

    def check_name(self) -> tuple[Fault, str] | None:
        """What is wrong with the name that was given, if anything is."""
        if isinstance(self._name, str) and self._name not in self._tools:
            return Fault.UNKNOWN_TOOL, self._unknown(self._name)
        return None

    def _unknown(self, name: str) -> str:
        tools = ", ".join(self._tools)
        return f"no tool is called {name[:_SHOWN]!r} (there is: {tools})"

    def _where(self, why: str, at: int) -> str:
        """What is wrong with the JSON, and what stands before that place."""
        before = "".join(self._read)[:at][-_SHOWN:]
        return f"not valid JSON at character {at + 1} of the call: {why}, after {before!r}"


_NO_NAME = re.compile(r"[^\w-]", re.ASCII)
_LONGEST_NAME = 64
"""Characters of a function's name that servers take."""


def written_calls(
    records: Sequence[Record], response: str, arguments: Mapping[str, str], length: int | None
) -> list[WrittenCall]:
    """The calls as structure; the last one with the first `length` characters of its text.

    What was withdrawn before it is left out. Arguments that are no JSON object are written as none.
    """
    *before, last = records
    written = [_written(it, response, arguments, None) for it in before if not it.withdrawn]
    return [*written, _written(last, response, arguments, length)]


def _written(
    record: Record, response: str, arguments: Mapping[str, str], length: int | None
) -> WrittenCall:
    name = _NO_NAME.sub("_", record.tool)[:_LONGEST_NAME] or "unknown"
    whole = length is None or length >= record.length
    if isinstance(record.arguments, dict) and (whole or not record.opened):
        return WrittenCall(name, json.dumps(record.arguments))
    if not record.opened:
        return WrittenCall(name, "{}")
    text = literal_rest(response, record.start)[0]
    text = text[: record.length if length is None else length]
    return WrittenCall(name, json.dumps({arguments[record.tool]: text}))
