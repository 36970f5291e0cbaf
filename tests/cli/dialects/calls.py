"""Reading a response in any dialect, as the engine does, with the real Python splitter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from conveyor_cli.backends.base import CallPiece
from conveyor_cli.dialects.base import (
    CallsApart,
    CallText,
    Closed,
    Dialect,
    Invalid,
    Item,
    Opened,
    PieceReader,
    Prose,
    Resumed,
    TextEnded,
    Withdrawn,
)
from conveyor_cli.dialects.qwen3_coder import Qwen3CoderDialect
from conveyor_tools.splitters.python import PythonSplitter

ARGUMENTS = {"python": "code", "shell": "command", "search": None}
NAMES = tuple(ARGUMENTS)

Part = str | tuple[int, str]
"""Text, or the arguments of the call of that number, which is of the tool `NAMES[number % 3]`."""


@dataclass
class Call:
    """A call as the engine counts them."""

    tool: str
    start: int
    text: str = ""
    how: str = ""
    """How it ended: `closed`, `withdrawn`, a fault; empty where the response ended first."""
    ended: bool = False
    splitter: PythonSplitter | None = None
    """Where the dialect asks it whether the text may end."""

    @property
    def found(self) -> tuple[str, str, str]:
        return (self.tool, self.text, self.how)


@dataclass
class Read:
    """What was found in a response."""

    dialect: Dialect
    prose: str = ""
    calls: list[Call] = field(default_factory=list)
    current: Call | None = None
    invalid: Invalid | None = None

    def act(self, items: Iterable[Item]) -> None:
        """Each item before the next one is taken."""
        for item in items:
            assert self.invalid is None, "nothing counts after an invalid call"
            match item:
                case Prose(text):
                    assert text
                    self.prose += text
                case Opened(tool, start):
                    self.current = Call(tool, start)
                    self.calls.append(self.current)
                    if self.dialect.one_call or isinstance(self.dialect, Qwen3CoderDialect):
                        self.current.splitter = PythonSplitter((3, 12))
                        self.dialect.watch(self.current.splitter)
                case Resumed(number):
                    call = self.calls[number] if number < len(self.calls) else None
                    assert call is None or not call.how
                    self.current = call
                case Invalid(tool, start, fault, _):
                    self.invalid = item
                    if self.current is None:
                        self.calls.append(Call(tool, start, how=fault.value))
                    else:
                        self.current.how = fault.value
                case _:
                    self._act_on_call(item)

    def _act_on_call(self, item: CallText | TextEnded | Closed | Withdrawn) -> None:
        call = self.current
        assert call is not None
        assert not call.how
        match item:
            case CallText(text):
                assert text
                assert not call.ended
                call.text += text
                if call.splitter is not None:
                    call.splitter.feed(text)
            case TextEnded():
                call.ended = True
            case Closed(length):
                call.text = call.text[:length]
                call.how, self.current = "closed", None
            case Withdrawn():
                call.how, self.current = "withdrawn", None

    @property
    def found(self) -> tuple[str, list[tuple[str, str, str]], Invalid | None]:
        return (self.prose, [call.found for call in self.calls], self.invalid)

    @property
    def conversation(self) -> list[object]:
        """What would stand in the conversation, if the response ended at that call and place."""
        said: list[object] = []
        for number, call in enumerate(self.calls):
            lengths = {None, len(call.text), len(call.text) // 2} if not call.how else {None}
            for length in sorted(lengths, key=str):
                said.append(self.dialect.cut(length, number))
                if isinstance(self.dialect, CallsApart):
                    said.append(self.dialect.calls(length, number))
        return said


def read(dialect: Dialect, parts: Iterable[Part], *, complete: bool = True) -> Read:
    """Read a response that comes in these deltas."""
    found = Read(dialect)
    for piece in shown_parts(parts):
        if isinstance(piece, str):
            found.act(dialect.feed(piece))
        else:
            assert isinstance(dialect, PieceReader)
            found.act(dialect.feed_piece(*piece))
    found.act(dialect.finish(complete=complete))
    return found


def shown_parts(parts: Iterable[Part]) -> Iterator[str | tuple[CallPiece, str]]:
    """The parts as a backend gives them: the first one of a call has its name."""
    begun: list[int] = []
    for part in parts:
        if isinstance(part, str):
            yield part
            continue
        number, arguments = part
        name = NAMES[number % 3] if number not in begun else None
        if name is not None:
            begun.append(number)
        yield CallPiece(begun.index(number), arguments, name), f"{name or ''}{arguments}"


def split(parts: list[Part], *places: int) -> list[Part]:
    """The parts cut again at these places of all their text."""
    cut: list[Part] = []
    begin = 0
    for part in parts:
        text = part if isinstance(part, str) else part[1]
        inside = sorted({p - begin for p in places if begin < p < begin + len(text)})
        for a, b in zip([0, *inside], [*inside, len(text)], strict=True):
            cut.append(text[a:b] if isinstance(part, str) else (part[0], text[a:b]))
        begin += len(text)
    return cut


def size(parts: Iterable[Part]) -> int:
    return sum(len(part if isinstance(part, str) else part[1]) for part in parts)
