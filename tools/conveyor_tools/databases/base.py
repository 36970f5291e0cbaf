"""What a database is to the `sql` tool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from conveyor_sandbox.reports import Failure
from conveyor_tools.answer import Unusable


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a statement's rows is kept and shown."""

    rows: int = 100
    characters: int = 3000
    """Of all rows together, as text."""
    cell: int = 300
    """Characters of one value."""
    data: int = 0
    """Rows that are wanted as data, beside their text; all of them, or none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave.

    `rows` holds values as text (None: NULL), the first ones only where `more` is true. `status`
    says in a few words what a statement did that has no rows. `data`: all rows as objects of JSON,
    where they were wanted.
    """

    status: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str | None]] = ()
    more: bool = False
    data: list[dict[str, Any]] | Unusable | None = None


class DatabaseFailed(Exception):  # noqa: N818 - it says what happened
    """A statement failed, or the database cannot be reached."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure

    @classmethod
    def because(cls, kind: str, type_name: str, message: str) -> DatabaseFailed:
        """The failure of that kind."""
        return cls(Failure(kind, type_name, message.strip()))

    @classmethod
    def missing(cls, path: Path) -> DatabaseFailed:
        """That of a file that is not there, or is none: it is not made."""
        return cls.because("connection", "FileNotFoundError", f"{path}: {why_missing(path)}")


def why_missing(path: Path) -> str:
    """What is wrong with the path of a database; "": nothing, as far as can be told from here."""
    if path.is_file():
        return ""
    return "this is no file" if path.exists() else "there is no such database"


class Database(Protocol):
    """One connection, used by one thread at a time, but for `interrupt` and `abort`.

    All methods block, and raise `DatabaseFailed`.
    """

    dialect: str
    """Whose SQL it speaks, by the name that the splitter knows."""

    def begin(self) -> None:
        """Begin the transaction of a call."""

    def execute(self, text: str, limits: Limits) -> Answer:
        """Run one statement in it."""

    def check(self) -> None:
        """Find out what a commit would find out, as far as that is possible."""

    def commit(self) -> None:
        """Keep what the transaction did."""

    def roll_back(self) -> None:
        """Undo it."""

    def interrupt(self) -> None:
        """End the statement that another thread is waiting for. It then fails there."""

    def abort(self) -> None:
        """Give the connection up: what waits for it should wait no more."""

    def close(self) -> None:
        """Give it back. What was not committed is undone."""


TRANSACTIONS = (
    "a call is one transaction already, which is kept if all of it ends well and undone otherwise: "
    "leave this statement out"
)
"""What is said of BEGIN, COMMIT and their like."""
LASTING = (
    "settings, variables and prepared statements would outlive the undoing of the call: leave this "
    "statement out"
)
"""What is said of SET, PREPARE and their like, where no transaction undoes them."""
NOT_WRITABLE = "the file of the database or its folder cannot be written, or the file was replaced"
"""What is said where the task allows it."""
READ_ONLY = "the database is read-only here (the task's option `write` is not set)"
