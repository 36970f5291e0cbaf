"""What a splitter is: it cuts the growing text of one call into units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from conveyor_sandbox.reports import Failure


@dataclass(frozen=True, slots=True)
class Unit:
    r"""A piece of a call that no continuation of the text can change any more.

    The texts of a call's units, joined, are the call's text: comments and blank lines before a
    statement belong to its unit, and those at the end of the call make a `blank` unit, which has
    nothing to run. Lines count from 1, as CPython counts them (`\n`, `\r\n` and `\r` end one).
    """

    index: int
    text: str
    line: int
    """The line that `text` begins on."""
    span: tuple[int, int]
    """First and last line of the code in it, without comments and blank lines around."""
    blank: bool = False
    after: tuple[int, ...] | None = None
    """Units of its call that must have ended well before it may run; None: all earlier ones."""
    external: bool = False
    """Whether it waits until the call is closed, complete and, where the task asks, approved."""


class Splitter(Protocol):
    """Cuts one call's text into units. The cuts do not depend on how the text is chopped."""

    @property
    def released(self) -> int:
        """How many characters of the text have been given out in units."""

    @property
    def problem(self) -> Failure | None:
        """Why the text can no longer become a valid call, as soon as that is so."""

    def feed(self, text: str) -> list[Unit]:
        """Take more text; return the units that it closed."""

    def flush(self) -> list[Unit]:
        """The text is complete: return what is left. Nothing may be fed afterwards."""

    def may_end(self) -> bool:
        """Whether the text could end here: False inside a string."""

    def truncate(self, length: int) -> None:
        """Forget the text beyond its first `length` characters, none of which is released."""


class AcceptsAll:
    """For splitters that only cut: what their text is worth is found out where it runs."""

    @property
    def problem(self) -> Failure | None:
        return None
