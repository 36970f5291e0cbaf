"""What a dialect is: it finds the tool calls in the growing text of a response."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Prose:
    """Text outside calls: part of the answer, if the response holds no call."""

    text: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A call begins; its text starts at character `start` of the response."""

    tool: str
    start: int


@dataclass(frozen=True, slots=True)
class CallText:
    """The next piece of the open call's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The open call is complete, with all of its text or only the first `length` characters."""

    length: int | None = None


Item = Prose | Opened | CallText | Closed


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

    def cut(self, length: int | None) -> str:
        """The response up to the end of its last call's first `length` characters (None: all).

        It is closed as the dialect closes calls: this is what stands in the conversation.
        """
