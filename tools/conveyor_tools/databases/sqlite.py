"""SQLite: a file, opened by the library that comes with Python."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import quote

from conveyor_tools.databases.base import (
    NOT_WRITABLE,
    READ_ONLY,
    TRANSACTIONS,
    Answer,
    DatabaseFailed,
    Limits,
)
from conveyor_tools.databases.text import first_rows
from conveyor_tools.splitters.sql import statement

_PATIENCE = 5.0
"""Seconds to wait for another program that has locked the file, at most."""
_SHARE = 0.8
"""How much of a statement's time that wait may take: that the file is locked can still be told."""
_LARGEST_VALUE = 64 * 1024 * 1024
_MEMORY = 1024 * 1024 * 1024
"""Bytes that SQLite may take: each column of a row may hold a value of the largest size."""
_PRAGMAS = frozenset(
    (
        *("table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"),
        *("foreign_key_list", "foreign_key_check", "integrity_check", "quick_check"),
        *("function_list", "collation_list", "compile_options", "encoding", "user_version"),
        "data_version",  # which FTS5's tables ask for
    )
)
_TAKE_NO_VALUE = frozenset(("encoding", "user_version", "data_version"))
"""Pragmas that set something if they are given a value."""
_REFUSED_FUNCTIONS = ("load_extension", "fts3_tokenizer")
"""Code of other files, and addresses in this program's memory."""
_INTERRUPTED = "interrupted"


class SqliteDatabase:
    """A connection to a file; None: a database of its own, which is gone when it is closed.

    The model's statements are authorized by SQLite itself: none of them ends the transaction,
    reaches another file, or changes how the connection works.
    """

    dialect = "sqlite"

    def __init__(self, path: Path | None, *, write: bool, timeout: float) -> None:
        self._refused = ""
        self._own = True
        """Whether what runs is ours, not the model's."""
        name = ""
        if path is not None:
            if not path.is_file():
                raise DatabaseFailed.missing(path)
            name = f"file:{quote(str(path))}?mode={'rw' if write else 'ro'}"
        try:
            self._connection = sqlite3.connect(
                name,
                timeout=min(_PATIENCE, _SHARE * timeout),
                isolation_level=None,
                check_same_thread=False,
                cached_statements=0,  # a statement of ours must not serve the model's same text
                uri=bool(name),
            )
            with contextlib.ExitStack() as unless_good:
                unless_good.callback(self._connection.close)
                self._prepare(write=write)
                unless_good.pop_all()
        except sqlite3.Error as error:
            where = f"{path}: {error}" if path else str(error)
            raise DatabaseFailed.because("connection", type(error).__name__, where) from None
        self._write = write

    def _prepare(self, *, write: bool) -> None:
        connection = self._connection
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.execute(f"PRAGMA hard_heap_limit = {_MEMORY}")
        connection.execute("PRAGMA trusted_schema = off")
        connection.execute(f"PRAGMA query_only = {'off' if write else 'on'}")
        connection.execute("PRAGMA foreign_keys = on")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # is it a database?
        connection.set_authorizer(self._authorize)

    def _authorize(self, action: int, one: str | None, two: str | None, *_: str | None) -> int:
        if self._own:
            return sqlite3.SQLITE_OK
        match action:
            case sqlite3.SQLITE_TRANSACTION | sqlite3.SQLITE_SAVEPOINT:
                self._refused = TRANSACTIONS
            case sqlite3.SQLITE_ATTACH | sqlite3.SQLITE_DETACH:
                self._refused = "no other file can be reached from here"
            case sqlite3.SQLITE_PRAGMA if one not in _PRAGMAS or (two and one in _TAKE_NO_VALUE):
                self._refused = f"PRAGMA {one} is not allowed here"
            case sqlite3.SQLITE_FUNCTION if (two or "").lower() in _REFUSED_FUNCTIONS:
                self._refused = f"the function {two} is not allowed here"
            case _:
                return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    def begin(self) -> None:
        # At once, where something may be written: a transaction that begins by reading could later
        # find that another program has changed what it read.
        self._do("BEGIN IMMEDIATE" if self._write else "BEGIN")

    def execute(self, text: str, limits: Limits) -> Answer:
        code, word = statement(text, self.dialect)
        self._refused = ""
        self._own = False
        before = self._connection.total_changes
        try:
            with _closing(self._connection.cursor()) as cursor:
                cursor.execute(code)
                if cursor.description is None:
                    changed = self._connection.total_changes - before
                    return Answer(
                        _status(word, changed if cursor.rowcount < 0 else cursor.rowcount)
                    )
                columns = [column[0] for column in cursor.description]
                return first_rows(columns, cursor, limits)
        except MemoryError:
            message = "it takes more memory than SQLite is given here"
            raise DatabaseFailed.because("exception", "MemoryError", message) from None
        except (sqlite3.Error, sqlite3.Warning, OverflowError, ValueError) as error:
            raise self._failed(error) from None
        finally:
            self._own = True

    def check(self) -> None:
        """A deferred foreign key is looked at by the commit alone."""

    def commit(self) -> None:
        if self._connection.in_transaction:
            self._do("COMMIT")

    def roll_back(self) -> None:
        if self._connection.in_transaction:
            self._do("ROLLBACK")

    def interrupt(self) -> None:
        self._connection.interrupt()

    def abort(self) -> None:
        self._connection.interrupt()

    def close(self) -> None:
        self._connection.close()

    def _do(self, text: str) -> None:
        try:
            self._connection.execute(text)
        except sqlite3.Error as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> DatabaseFailed:
        name, message = type(error).__name__, str(error)
        if self._refused:
            return DatabaseFailed.because("denied", "PermissionError", self._refused)
        if "readonly database" in message:
            why = NOT_WRITABLE if self._write else READ_ONLY
            return DatabaseFailed.because("denied", "PermissionError", why)
        if message == _INTERRUPTED:
            return DatabaseFailed.because("interrupt", name, message)
        return DatabaseFailed.because("exception", name, message)


class _closing:  # noqa: N801 - as contextlib names it
    """Closes a cursor, which ends its statement, whatever state its connection is in."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    def __enter__(self) -> sqlite3.Cursor:
        return self._cursor

    def __exit__(self, *_: object) -> None:
        self._cursor.close()


def _status(word: str, count: int) -> str:
    if word in ("INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"):
        return f"{word}: {count} row{'' if count == 1 else 's'}"
    return f"{word}: done"
