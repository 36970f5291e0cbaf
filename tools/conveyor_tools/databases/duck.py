"""DuckDB: a file, opened by its own library."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from conveyor_tools.databases.base import (
    LASTING,
    READ_ONLY,
    TRANSACTIONS,
    Answer,
    DatabaseFailed,
    Limits,
)
from conveyor_tools.databases.text import first_rows
from conveyor_tools.splitters.sql import statement

if TYPE_CHECKING:
    import duckdb

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "1GB",
    # What does not fit there would fill the disk, beside the file, and stay if we are killed.
    "temp_directory": "",
}
_LOCKS = (
    "SET enable_external_access = false",  # other files and databases, extensions, the network
    "SET lock_configuration = true",
)
_locking = threading.Lock()
_TOO_MUCH = "it takes more memory than DuckDB is given here (1 GB)"
_NO_OTHER = "no other database can be reached from here, and no extension loaded"
_NOT_EXPLAINED = "what this would explain is not clear: write EXPLAIN ANALYZE and the statement"
_EXPLAINS = ("EXPLAIN", "ANALYZE", "ANALYSE", "VERBOSE")
_CHANGES = ("INSERT", "UPDATE", "DELETE", "MERGE")


class DuckDatabase:
    """A connection to a file; None: a database of its own, in memory."""

    dialect = "duckdb"

    def __init__(self, path: Path | None, *, write: bool) -> None:
        import duckdb  # noqa: PLC0415 - it takes long to import

        self._duckdb = duckdb
        kinds = duckdb.StatementType
        self._refusals = {
            kinds.TRANSACTION: TRANSACTIONS,
            **dict.fromkeys((kinds.ATTACH, kinds.DETACH, kinds.LOAD), _NO_OTHER),
            **dict.fromkeys((kinds.SET, kinds.VARIABLE_SET, kinds.PREPARE), LASTING),
        }
        if path is not None and not path.is_file():
            raise DatabaseFailed.missing(path)
        name = str(path) if path is not None else ":memory:"
        try:
            self._connection = duckdb.connect(
                name, read_only=path is not None and not write, config=_SETTINGS
            )
            self._lock()
        except duckdb.Error as error:
            raise DatabaseFailed.because("connection", type(error).__name__, str(error)) from None
        self._open = False

    def _lock(self) -> None:
        """Let nothing out, for good: now, since after it the settings could not be given.

        Connections to one file share what is set; where one was locked, all are.
        """
        with _locking:
            asked = self._connection.execute("SELECT current_setting('lock_configuration')")
            for lock in () if asked.fetchone() == (True,) else _LOCKS:
                self._connection.execute(lock)

    def begin(self) -> None:
        self._do(self._connection.begin)
        self._open = True

    def execute(self, text: str, limits: Limits) -> Answer:
        _, word = statement(text, self.dialect)
        try:
            parsed = self._connection.extract_statements(text)
            if len(parsed) != 1:
                message = f"{len(parsed)} statements where one was expected"
                raise DatabaseFailed.because("exception", "ParserException", message)
            if why := self._refusal(parsed[0], text):
                raise DatabaseFailed.because("denied", "PermissionError", why)
            result = self._connection.execute(parsed[0])
            return self._answer(result, word, parsed[0].expected_result_type, limits)
        except (self._duckdb.Error, RuntimeError) as error:
            raise self._failed(error) from None

    def _refusal(self, parsed: duckdb.Statement, text: str) -> str | None:
        """Why a statement is not run; None if it may be."""
        if parsed.type != self._duckdb.StatementType.EXPLAIN:
            return self._refusals.get(parsed.type)
        for explained in _explained(text):  # EXPLAIN ANALYZE runs it
            with contextlib.suppress(self._duckdb.Error, ValueError):
                (found,) = self._connection.extract_statements(explained)
                return self._refusals.get(found.type)
        return _NOT_EXPLAINED

    def _answer(
        self,
        result: duckdb.DuckDBPyConnection,
        word: str,
        kinds: list[duckdb.StatementType],
        limits: Limits,
    ) -> Answer:
        expected = self._duckdb.ExpectedResultType
        if not result.description or str(expected.NOTHING) in map(str, kinds):
            return Answer(f"{word}: done")
        columns = [column[0] for column in result.description]
        answer = first_rows(columns, iter(result.fetchone, None), limits)
        rows = answer.rows
        if columns == ["Count"] and word in (*_CHANGES, "WITH") and len(rows) == 1:
            return Answer(f"{word}: {rows[0][0]} row{'' if rows[0][0] == '1' else 's'}")
        return answer

    def check(self) -> None:
        """DuckDB checks constraints with each statement."""

    def commit(self) -> None:
        if self._open:
            self._open = False
            self._do(self._connection.commit)

    def roll_back(self) -> None:
        if self._open:
            self._open = False
            self._do(self._connection.rollback)

    def interrupt(self) -> None:
        self._connection.interrupt()

    def abort(self) -> None:
        self._connection.interrupt()

    def close(self) -> None:
        self._connection.close()

    def _do(self, step: Callable[[], object]) -> None:
        try:
            step()
        except (self._duckdb.Error, RuntimeError) as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> DatabaseFailed:
        name = type(error).__name__
        message = str(error).split("\n\nLINE ")[0]
        if isinstance(error, self._duckdb.InterruptException):
            return DatabaseFailed.because("interrupt", name, message)
        if isinstance(error, self._duckdb.OutOfMemoryException):
            return DatabaseFailed.because("exception", name, _TOO_MUCH)
        if "read-only mode" in message:
            return DatabaseFailed.because("denied", "PermissionError", READ_ONLY)
        if isinstance(error, self._duckdb.PermissionException):
            return DatabaseFailed.because("denied", name, message)
        return DatabaseFailed.because("exception", name, message)


def _explained(text: str) -> Iterator[str]:
    """What an EXPLAIN explains: the first of these that is a statement.

    In parentheses stand either the statement, or how it is explained.
    """
    code, word = statement(text, DuckDatabase.dialect)
    while word in _EXPLAINS:
        code, word = statement(code[len(word) :], DuckDatabase.dialect)
    yield code
    if code.startswith("("):
        yield code.partition(")")[2]
