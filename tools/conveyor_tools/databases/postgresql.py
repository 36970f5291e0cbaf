"""PostgreSQL, through psycopg's binding of libpq.

Statements go by the extended protocol, which takes one at a time, so nothing that hides in a text
can end the transaction and go on outside of it. Values are shown as the server writes them.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from conveyor_tools.databases.base import (
    LASTING,
    READ_ONLY,
    TRANSACTIONS,
    Answer,
    DatabaseFailed,
    Limits,
)
from conveyor_tools.databases.text import first_rows
from conveyor_tools.databases.values import number
from conveyor_tools.splitters.sql import statement

if TYPE_CHECKING:
    import psycopg
    from psycopg.pq.abc import PGresult

_CONNECT_TIMEOUT = 2, 10
"""Seconds: libpq takes no less, and we no more."""
_CANCEL_TIMEOUT = 2.0
_ENDS_TRANSACTIONS = frozenset(
    ("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE TRANSACTION")
)
_READS = frozenset(("SELECT", "WITH", "VALUES", "TABLE"))
_RISKY_ROLES = ("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files")
_RISKY_NAMES = ", ".join(f"'{role}'" for role in _RISKY_ROLES)
_IS_RISKY = f"""
    SELECT bool_or(
        other.rolsuper OR other.rolname IN ({_RISKY_NAMES})
        OR other.rolcreaterole AND current_setting('server_version_num')::int < 160000
    )
    FROM pg_roles AS other, (VALUES (current_user), (session_user)) AS own(name)
    WHERE pg_has_role(own.name, other.oid, 'MEMBER')
"""  # noqa: S608 - names of ours
"""Of all roles that it can become, by SET ROLE too. Before version 16, one that may make roles can
make itself a member of those that reach the server."""
_RISKY = (
    "the task connects as a superuser, or as a role that may run programs or reach files of the "
    "server, which no transaction undoes: use an ordinary role, or set the option `superuser`"
)
_NOTICE_OUR_END = "SET client_connection_check_interval = '1s'"
"""So that a statement does not outlive a program that was killed."""
_FORBIDDEN = ("25006", "42501")
_CANCELLED = "57014"
_LOST = "the connection to the server was lost"


class PostgresDatabase:
    """A connection to a server.

    `arguments` are those of `psycopg.connect`. `timeout`: seconds to connect, unless they say it.
    """

    dialect = "postgresql"

    def __init__(
        self, arguments: dict[str, Any], *, write: bool, superuser: bool, timeout: float
    ) -> None:
        import psycopg  # noqa: PLC0415 - it takes long to import

        least, most = _CONNECT_TIMEOUT
        arguments = {"connect_timeout": int(max(least, min(timeout, most))), **arguments}
        self._write = write
        self._statuses = psycopg.pq.ExecStatus
        self._in_transaction = psycopg.pq.TransactionStatus.INTRANS
        options = arguments | {"application_name": "conveyor", "client_encoding": "utf8"}
        try:
            self._connection: psycopg.Connection[Any] = psycopg.connect(**options, autocommit=True)
        except psycopg.Error as error:
            message = " ".join(str(error).split())
            if isinstance(error, psycopg.errors.ConnectionTimeout):
                where = f"{arguments.get('host')}:{arguments.get('port', 5432)}"
                message = f"{where}: no answer within {arguments['connect_timeout']} s"
            raise DatabaseFailed.because("connection", type(error).__name__, message) from None
        if not superuser and self._value(_IS_RISKY) == "t":
            self.close()
            raise DatabaseFailed.because("denied", "PermissionError", _RISKY)
        with contextlib.suppress(DatabaseFailed):  # servers before 14 cannot
            self._value(_NOTICE_OUR_END)

    def begin(self) -> None:
        # A transaction cannot be made to write any more once it has seen a snapshot.
        self._value("BEGIN" if self._write else "BEGIN READ ONLY")
        self._value("SELECT count(*) FROM pg_class WHERE false")

    def execute(self, text: str, limits: Limits) -> Answer:
        code, word = statement(text, self.dialect)
        if word in _ENDS_TRANSACTIONS or self._ends_other(word, code):
            raise DatabaseFailed.because("denied", "PermissionError", TRANSACTIONS)
        if word == "PREPARE":
            raise DatabaseFailed.because("denied", "PermissionError", LASTING)
        if self._write or word not in _READS:
            return self._answer(code, limits)
        # Not more rows than are wanted leave the server.
        self._answer(f"DECLARE conveyor NO SCROLL CURSOR FOR {code}", limits)
        answer = self._answer(f"FETCH {max(limits.rows, limits.data) + 1} FROM conveyor", limits)
        self._answer("CLOSE conveyor", limits)
        return answer

    def _ends_other(self, word: str, code: str) -> bool:
        """PREPARE TRANSACTION, unlike PREPARE."""
        return word == "PREPARE" and statement(code[len(word) :], self.dialect)[1] == "TRANSACTION"

    def _answer(self, code: str, limits: Limits) -> Answer:
        results = self._results(code)
        try:
            first = next(results)
            names = (first.fname(column) or b"" for column in range(first.nfields))
            columns = [name.decode("utf-8", "replace") for name in names]
            kinds = [first.ftype(column) for column in range(first.nfields)]
            answer = first_rows(columns, _rows(first, results), limits, _same, _Data(kinds))
            last = deque(results, maxlen=1) or [first]  # all of the statement has to run
        finally:
            results.close()
        if self._connection.info.transaction_status != self._in_transaction:
            raise DatabaseFailed.because("denied", "PermissionError", TRANSACTIONS)
        if not columns:
            status = last[0].command_status or b""
            return Answer(status.decode("utf-8", "replace") or "done")
        return answer

    def _results(self, code: str) -> Generator[PGresult, None, None]:
        """A result for each row, and one for the end."""
        connection = self._connection.pgconn
        status = self._statuses
        import psycopg  # noqa: PLC0415

        try:
            connection.send_query_params(code.encode(), [])
            connection.set_single_row_mode()
            while (result := self._next()) is not None:
                if result.status in (status.COPY_IN, status.COPY_OUT, status.COPY_BOTH):
                    self.close()  # which undoes the call
                    message = "COPY to stdout or from stdin cannot be used here"
                    raise DatabaseFailed.because("denied", "PermissionError", message)
                if result.status not in (
                    status.SINGLE_TUPLE,
                    status.TUPLES_OK,
                    status.COMMAND_OK,
                    status.EMPTY_QUERY,
                ):
                    raise self._failed(result)
                yield result
        except psycopg.Error:
            raise DatabaseFailed.because("connection", "OperationalError", _LOST) from None
        finally:
            self._drain()

    def _drain(self) -> None:
        import psycopg  # noqa: PLC0415

        with contextlib.suppress(psycopg.Error):
            while not self._connection.closed and self._next() is not None:
                pass

    def _next(self) -> PGresult | None:
        """The next result. Waits outside of libpq, whose own waiting would stop every thread."""
        connection = self._connection.pgconn
        waiting = select.poll()
        waiting.register(connection.socket, select.POLLOUT | select.POLLIN)
        while connection.flush():
            waiting.poll()
            connection.consume_input()
        waiting.modify(connection.socket, select.POLLIN)
        while connection.is_busy():
            waiting.poll()
            connection.consume_input()
        return connection.get_result()

    def _failed(self, result: PGresult) -> DatabaseFailed:
        import psycopg  # noqa: PLC0415

        field = psycopg.pq.DiagnosticField
        state = (result.error_field(field.SQLSTATE) or b"").decode()
        parts = [
            (result.error_field(it) or b"").decode("utf-8", "replace")
            for it in (field.MESSAGE_PRIMARY, field.MESSAGE_DETAIL, field.MESSAGE_HINT)
        ]
        message = "\n".join(filter(None, parts))
        if not state:
            return DatabaseFailed.because("connection", "OperationalError", _LOST)
        if state == "25006":
            return DatabaseFailed.because("denied", "PermissionError", READ_ONLY)
        kind = "interrupt" if state == _CANCELLED else "exception"
        if state in _FORBIDDEN:
            kind = "denied"
        elif state.startswith(("08", "57P")):
            kind = "connection"
        try:
            name = psycopg.errors.lookup(state).__name__
        except KeyError:
            name = f"SQLSTATE {state}"
        return DatabaseFailed.because(kind, name, message)

    def check(self) -> None:
        if self._write:
            self._value("SET CONSTRAINTS ALL IMMEDIATE")

    def commit(self) -> None:
        # Before version 16, large objects can be changed in a transaction that only reads.
        self._value("COMMIT" if self._write else "ROLLBACK")

    def roll_back(self) -> None:
        self._value("ROLLBACK")

    def interrupt(self) -> None:
        with contextlib.suppress(Exception):  # the statement ended, or the server does not answer
            self._connection.cancel_safe(timeout=_CANCEL_TIMEOUT)

    def abort(self) -> None:
        with contextlib.suppress(OSError, Exception):
            handle = socket.socket(fileno=socket.dup(self._connection.fileno()))
            handle.shutdown(socket.SHUT_RDWR)
            handle.close()

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._connection.close()

    def _value(self, code: str) -> str | None:
        """The first value of a statement of ours."""
        value = None
        for result in self._results(code):
            if result.ntuples:
                value = (result.get_value(0, 0) or b"").decode()
        return value


class _Data:
    """Makes plain data of the server's texts, by the types of the columns."""

    def __init__(self, kinds: Sequence[int]) -> None:
        self._kinds = kinds

    def __call__(self, column: int, value: str | None) -> Any:
        kind = self._kinds[column]
        if value is None or kind not in _KINDS:
            return value
        return _KINDS[kind](value)


def _json(text: str) -> Any:
    try:
        return from_json(text)
    except ValueError:  # nested more deeply than it is read
        return text


_KINDS: dict[int, Callable[[str], Any]] = {
    **dict.fromkeys((20, 21, 23, 26, 700, 701, 1700), number),
    16: "t".__eq__,
    114: _json,
    3802: _json,
}
"""By the types' object identifiers: numbers, boolean, json and jsonb."""


def _rows(first: PGresult, rest: Iterator[PGresult]) -> Iterator[Iterator[str | None]]:
    result: PGresult | None = first
    while result is not None:
        for row in range(result.ntuples):
            yield (_value(result, row, column) for column in range(result.nfields))
        result = next(rest, None)


def _same(text: str | None) -> str | None:
    return text


def _value(result: PGresult, row: int, column: int) -> str | None:
    value = result.get_value(row, column)
    return None if value is None else value.decode("utf-8", "replace")
