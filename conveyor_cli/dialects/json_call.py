"""One call that is written as a JSON object: `{"name": "python", "arguments": {"code": "…"}}`.

The text of a call is one string among its arguments or, for an argument tool, all of these as they
are written. It is given out as it comes, once the name is known, which may stand before or after
the arguments. A name that can become none of the tools' ends the call at once.

Where the name is given outside, the object is that of the arguments alone: `{"code": "…"}`.

Of equal keys the last counts, as for other readers of JSON. One that comes when the call is open
withdraws it, and its value opens another call. Arguments that the tool does not have are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
)
from conveyor_cli.dialects.record import Record
from conveyor_tools.json_literal import literal_end
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
class _Text:
    """A string among the arguments, or all of them."""

    start: int
    name: object  # what stands before it as the call's name
    pieces: list[str] = field(default_factory=list)
    given: int = 0
    """Pieces that the open call was given."""
    ended: bool = False
    end_told: bool = False


class JsonCall:
    """Reads a call's object, which begins at character `start` of the response.

    `arguments` maps tools to the argument that is their text (None: all of them are). The calls
    that are opened or refused are added to `records`. The arguments stand behind `key`, or are the
    object itself where the call's `name` is given.
    """

    def __init__(
        self,
        arguments: Mapping[str, str | None],
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
        watched = {(*self._path, it) for it in arguments.values() if it is not None}
        if name is None:
            watched |= {_NAME, self._path}
        self._decoder = ObjectDecoder(watched)
        self._read: list[str] = []  # to be shown where it is broken
        self._length = 0  # of what was read before what is read now
        self._name: object = name
        self._spelled = ""  # of a name that is being written
        self._name_at = 0
        self._texts: dict[str | None, _Text] = {}  # by argument; None: all of the arguments
        self._raw_from: int | None = 0 if name is not None else None
        """Up to where the arguments, if they are being written, have been noted."""
        if name is not None:
            self._texts[None] = _Text(start, name)
        self._open: Record | None = None
        self._object: dict[str, object] = {}
        self._refused = False

    @property
    def is_open(self) -> bool:
        """Whether a call was opened, and not withdrawn."""
        return self._open is not None

    def feed(self, text: str) -> Iterator[Item]:
        """Take more of the object."""
        self._read.append(text)
        for item in self._decoder.feed(text):
            yield from self._act(item, text)
        if not self._refused:
            self._note(self._length + len(text), text)
            yield from self._give()
        self._length += len(text)

    def flush(self) -> Iterator[Item]:
        """The response ends here, inside the object."""
        for item in self._decoder.flush():
            yield from self._act(item, "")

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
        self._refused = True
        if record is None:
            record = Record(tool, self._start, opened=False, arguments=self._arguments())
            self._records.append(record)
        record.end = end
        return Invalid(tool[:_SHOWN], self._start, fault, message)

    def _act(self, item: JsonItem, text: str) -> Iterator[Item]:
        """What the next item of the object means for the call; `text` is what was read last."""
        if self._refused:
            return
        match item:
            case Begun():
                yield from self._begin(item)
            case Piece(path, piece) if path == _NAME:
                self._spelled += piece
                yield from self._check_spelling()
            case Piece(path, piece) if len(path) > len(self._path):
                self._texts[path[-1]].pieces.append(piece)
            case Finished():
                yield from self._finish(item, text)
            case Complete(value, end):
                self._object = value
                self.object_end = self._start + end
                if not self._path:
                    self._end_arguments(end, text)
            case Broken(why, at):
                self._note(at + 1, text)
                yield from self._give()
                yield self.refuse(Fault.ARGUMENTS, self._where(why, at), self._start + at + 1)
                return
        yield from self._give()

    def _begin(self, begun: Begun) -> Iterator[Item]:
        """A value begins; one of the same key counts no more."""
        if begun.path == _NAME and self._path:
            self._spelled, self._name_at = "", begun.at + 1
        elif len(begun.path) > len(self._path):
            argument = begun.path[-1]
            if argument == self._argument():
                yield from self._withdraw()
            self._texts[argument] = _Text(self._start + begun.at + 1, self._name)
        else:
            yield from self._withdraw()
            self._texts = {None: _Text(self._start + begun.at, self._name)}
            self._raw_from = begun.at

    def _finish(self, finished: Finished, text: str) -> Iterator[Item]:
        if finished.path == _NAME and self._path:
            if finished.value != self._name:
                yield from self._withdraw()
            self._name = finished.value
            if isinstance(self._name, str) and self._name not in self._tools:
                end = self._start + finished.end
                yield self.refuse(Fault.UNKNOWN_TOOL, self._unknown(self._name), end)
        elif len(finished.path) > len(self._path):
            argument = finished.path[-1]
            if isinstance(finished.value, str):
                self._texts[argument].ended = True
            else:
                del self._texts[argument]
        else:
            self._end_arguments(finished.end, text)

    def _check_spelling(self) -> Iterator[Item]:
        """Refuse a name at its first character that no tool's has there."""
        spelled = self._spelled
        if any(tool.startswith(spelled) for tool in self._tools):
            return
        length = next(
            length
            for length in range(1, len(spelled) + 1)
            if not any(tool.startswith(spelled[:length]) for tool in self._tools)
        )
        yield from self._withdraw()
        self._name = spelled[:length]
        end = literal_end("".join(self._read), self._name_at, length)
        why = f"no tool's name begins with {self._name!r} (there is: {', '.join(self._tools)})"
        yield self.refuse(Fault.UNKNOWN_TOOL, why, self._start + end)

    def _note(self, end: int, text: str) -> None:
        """The arguments as they are written, up to there; `text` is what was read last."""
        if self._raw_from is not None and end > self._raw_from:
            new = text[self._raw_from - self._length : end - self._length]
            self._texts[None].pieces.append(new)
            self._raw_from = end

    def _end_arguments(self, end: int, text: str) -> None:
        self._note(end, text)
        self._raw_from = None
        self._texts[None].ended = True

    def _arguments(self) -> object:
        """The value of the arguments, once the object is complete."""
        return self._object.get(self._key) if self._path else self._object

    def _argument(self) -> str | None:
        """The argument that is the call's text, if it is known which tool it calls."""
        return self._tools.get(self._name) if isinstance(self._name, str) else None

    def _text(self) -> _Text | None:
        """The text of the call, if it is known which tool it calls."""
        known = isinstance(self._name, str) and self._name in self._tools
        return self._texts.get(self._argument()) if known else None

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
        text = self._text()
        if text is None or not (text.pieces or text.ended):
            return
        if self._open is None:
            assert isinstance(self._name, str)
            named, raw = text.name == self._name, self._argument() is None
            self._open = Record(self._name, text.start, opened=True, named=named, raw=raw)
            self._open.alone = not self._path
            self._records.append(self._open)
            yield Opened(self._name, text.start, literal=not raw)
        new = "".join(text.pieces[text.given :])
        text.given = len(text.pieces)
        if new:
            self._open.length += len(new)
            yield CallText(new)
        if text.ended and not text.end_told:
            text.end_told = True
            yield TextEnded()

    def _problem(self) -> tuple[Fault, str] | None:
        """Why the complete object is not a call that can be run."""
        name, arguments = self._name, self._arguments()
        if not isinstance(name, str):
            return Fault.ARGUMENTS, 'the call needs a "name", which is a string'
        if name not in self._tools:
            return Fault.UNKNOWN_TOOL, self._unknown(name)
        if not isinstance(arguments, dict):
            return Fault.ARGUMENTS, f'the call needs "{self._key}", which is an object'
        argument = self._tools[name]
        if argument is not None and not isinstance(arguments.get(argument), str):
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
