"""What a dialect is: it finds the tool calls in the growing text of a response."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from conveyor_cli.backends.base import CallPiece


@dataclass(frozen=True, slots=True)
class Prose:
    """Text outside calls: part of the answer, if the response holds no call."""

    text: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A call begins; its text starts at character `start` of the response.

    `literal`: it stands there as the inside of a JSON string, escapes and all.
    """

    tool: str
    start: int
    literal: bool = False


@dataclass(frozen=True, slots=True)
class CallText:
    """The next piece of the open call's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The open call is complete, with all of its text or only the first `length` characters."""

    length: int | None = None


@dataclass(frozen=True, slots=True)
class TextEnded:
    """All of the open call's text is there, though the call is not closed yet."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What was given out of the open call is void: the model wrote something else over it.

    The call is taken back. Another one that opens before the same closing is the model's own.
    """


@dataclass(frozen=True, slots=True)
class Resumed:
    """What follows is of the response's call of that number, counted as for `cut`.

    It is open already, or is the next one to be. Only where calls are written side by side.
    """

    call: int


class Fault(StrEnum):
    """What is wrong with a call that cannot be run."""

    UNKNOWN_TOOL = "unknown_tool"
    ARGUMENTS = "arguments"
    """They are not what the tool takes, or not written as the dialect wants."""
    CUT_OFF = "cut_off"
    """The response ended before it said what to run."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """The call cannot be run, and it is the last one of the response.

    The open call is taken back; if none is open, the one that should have opened at character
    `start` of the response is refused. `tool` is what the model called, as far as it is known.
    """

    tool: str
    start: int
    fault: Fault
    message: str


Item = Prose | Opened | CallText | TextEnded | Closed | Withdrawn | Resumed | Invalid


class EndCheck(Protocol):
    """What a dialect asks of the open call's splitter."""

    def may_end(self) -> bool:
        """Whether the call's text, as given out so far, could end here."""

    @property
    def released(self) -> int:
        """How many characters of the call's text can no longer be taken back."""


class Dialect(Protocol):
    """Finds the calls of one response.

    `feed` and `finish` are generators: each item must be acted on before the next one is taken,
    since the dialect then asks the open call's splitter whether the text may end.
    """

    one_call: bool
    """Whether the first closed call ends the response."""

    def watch(self, call: EndCheck) -> None:
        """The splitter of the call that was opened last."""

    def feed(self, text: str) -> Iterator[Item]:
        """Take more of the response."""

    def finish(self, *, complete: bool) -> Iterator[Item]:
        """The response ended; `complete` if the model ended it itself. Closes an open call then."""

    def cut(self, length: int | None, call: int = 0) -> str:
        """The response up to the end of a call's first `length` characters (None: all).

        It is closed as the dialect closes calls: this is what stands in the conversation. Calls
        count from 0: each that was opened, and each that was refused without having been opened.
        """


@runtime_checkable
class Places(Protocol):
    """A dialect whose calls' texts may stand otherwise in the response than they are given out.

    Not meant are escapes of JSON, of which `Opened.literal` tells.
    """

    def place(self, length: int, call: int = 0) -> int:
        """Where the first `length` characters of a call's text end in the response.

        So many were given out, or are just being so. Calls count as for `cut`.
        """


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call as it stands in the conversation; `arguments` is the JSON text of an object."""

    name: str
    arguments: str


@runtime_checkable
class CallsApart(Protocol):
    """A dialect whose calls stand apart from the message's text, which is all that `cut` gives."""

    def calls(self, length: int | None, call: int) -> list[WrittenCall]:
        """The calls up to that one, of which only the first `length` characters count (None: all).

        Those that were withdrawn before it are left out.
        """


@runtime_checkable
class PieceReader(Protocol):
    """A dialect that reads calls which the server marks itself."""

    def feed_piece(self, piece: CallPiece, shown: str) -> Iterator[Item]:
        """Take a piece of a call. `shown` is what stands for it in the response."""
