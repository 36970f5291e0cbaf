"""A connection to a database in one conversation: each call is a transaction of it.

A call whose statements all end well is committed, once the engine knows that it counts. A call that
fails, is cut off or stopped is rolled back as a whole. Both modes run the same statements in the
same transactions, so both leave the same database.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from conveyor_sandbox.reports import (
    Ended,
    Failure,
    Finished,
    Outcome,
    Output,
    Report,
    RolledBack,
    Skipped,
    Started,
    Status,
    Stream,
    UnitKey,
)
from conveyor_tools.apart import in_thread
from conveyor_tools.databases.base import Answer, Database, DatabaseFailed, Limits
from conveyor_tools.databases.text import shown
from conveyor_tools.splitters.base import Unit
from conveyor_tools.sql_call import SqlCall, close_after, close_late, in_database, was_interrupted

_PRESS = 0.2
"""Seconds between two tries to interrupt a statement: one that comes too early has no effect."""
_GRACE = 3.0
"""Seconds that an interrupted statement may take to end before its connection is given up."""
_ROWS = 10_000
"""Rows of a result that code can use."""
_UNDONE = "(what this call changed was undone)"
_NOT_KEPT = "what call {} changed in the database was not kept"
_UNSURE = "what call {} changed in the database may not have been kept (look before you repeat it)"
"""Where the server may have done it, and its word was lost."""
_STOPPED = Failure("interrupt", "KeyboardInterrupt", "it was stopped")


class SqlSession:
    """One connection. What is asked of it is done in the order in which it was asked.

    `write`: whether statements may change something. `hidden` is what no report may hold, as
    passwords, with what stands there instead.
    """

    def __init__(
        self,
        connect: Callable[[], Database],
        limits: Limits,
        timeout: float,
        *,
        write: bool = True,
        hidden: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._connect = connect
        self._limits = limits
        self._timeout = timeout
        self._write = write
        self._hidden = hidden
        self._database: Database | None = None
        self._unreached: DatabaseFailed | None = None
        """Why it could not be reached, where nobody was told yet."""
        self._listener: Callable[[Report], None] = lambda _: None
        self._calls: dict[int, SqlCall] = {}
        self._last = 0
        self._unkept = ""
        """What the model has yet to be told: a call that ended well was not committed."""
        self._open = False
        """Whether a transaction was begun and not ended."""
        self._todo: deque[Coroutine[Any, Any, None]] = deque()
        self._doing: asyncio.Task[None] | None = None
        self._left: set[asyncio.Task[None]] = set()
        """Connections that were given up, and are to be closed."""

    def listen(self, listener: Callable[[Report], None]) -> None:
        self._listener = listener

    def prepare(self, call: int) -> None:
        self._later(self._prepare(self._call(call)))

    def want_data(self, call: int) -> None:
        self._call(call).limits = replace(self._limits, data=_ROWS)

    def run(self, key: UnitKey, unit: Unit) -> None:
        self._later(self._run(key, unit, self._call(key.call)))

    def end(self, call: int) -> None:
        self._later(self._end(call, self._call(call)))

    def cancel(self, call: int) -> None:
        self._call(call).stopped.set()

    def roll_back(self, call: int) -> None:
        self._later(self._roll_back(call))

    def commit(self) -> None:
        self._later(self._commit())

    async def close(self) -> None:
        """Undo what was not committed, and hang up."""
        self._listener = lambda _: None
        for call in self._calls.values():
            call.stopped.set()
        if self._doing is not None:
            await asyncio.wait([self._doing])
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(Exception):
                await in_thread(database.close, counted=False)

    def _call(self, number: int) -> SqlCall:
        return self._calls.setdefault(number, SqlCall())

    def _tell(self, report: Report) -> None:
        self._listener(report)

    # One thing after the other

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        self._todo.append(work)
        if self._doing is None or self._doing.done():
            self._doing = asyncio.create_task(self._do_all())

    async def _do_all(self) -> None:
        while self._todo:
            await self._todo.popleft()

    async def _prepare(self, call: SqlCall) -> None:
        """A failure to connect is told by the first statement: it may have taken long."""
        self._unreached = None
        try:
            await self._connected(call)
        except DatabaseFailed as failed:
            if not call.stopped.is_set():
                self._unreached = failed

    async def _connected(self, call: SqlCall) -> Database:
        """The connection, which serves all calls; one that is stopped does not wait for it."""
        unreached, self._unreached = self._unreached, None
        if unreached is not None:
            raise unreached
        if self._database is None:
            connecting = asyncio.create_task(in_database(self._connect))
            if not await call.wait(connecting):
                self._leave(close_late(connecting))
                raise DatabaseFailed(_STOPPED)
            self._database = connecting.result()
        return self._database

    async def _do(self, step: Callable[[], None]) -> None:
        """One step of a transaction, which should not take long."""
        work = asyncio.create_task(in_database(step, counted=False))
        await asyncio.wait([work], timeout=self._timeout)
        if not work.done():
            await self._give_up(work)
            raise DatabaseFailed.because("connection", "TimeoutError", self._too_long)
        work.result()

    async def _run(self, key: UnitKey, unit: Unit, call: SqlCall) -> None:
        began = time.monotonic()
        if call.stopped.is_set() or call.outcome.ends_call:
            self._tell(Skipped(key, began))
            return
        self._last = key.call
        self._tell(Started(key, began))
        try:
            if not call.begun:
                await self._begin(call)
            answer = await self._execute(unit.text, call)
            text = await in_database(lambda: shown(answer, self._limits))
            outcome = Outcome(Status.OK)
            self._tell(Output(key, Stream.STDOUT, text, time.monotonic(), answer.data))
        except DatabaseFailed as failed:
            outcome = call.outcome = self._failed(failed.failure, call)
        self._tell(Finished(key, outcome, began, time.monotonic()))

    async def _begin(self, call: SqlCall) -> None:
        """Begin the call's transaction; a connection that was lost meanwhile is made again.

        The calls of a plan's steps are kept or undone together: they have one transaction.
        """
        if self._unkept:  # the model takes it for granted: what follows may do harm
            unkept, self._unkept = self._unkept, ""
            raise DatabaseFailed.because("exception", "TransactionError", unkept)
        if self._open:
            call.begun = True
            return
        lasting = self._database is not None
        try:
            await self._do((await self._connected(call)).begin)
        except DatabaseFailed as failed:
            if not (lasting and failed.failure.kind == "connection"):
                raise
            await self._give_up()
            await self._do((await self._connected(call)).begin)
        self._open = call.begun = True

    async def _execute(self, text: str, call: SqlCall) -> Answer:
        database = self._database
        assert database is not None
        work: asyncio.Task[Answer] = asyncio.create_task(
            in_database(lambda: database.execute(text, call.limits or self._limits))
        )
        if await call.wait(work, self._timeout):
            return work.result()
        if not await self._interrupted(database, work):
            await self._give_up(work)
        elif not was_interrupted(work):  # it ended by itself at the last moment
            return work.result()
        if call.stopped.is_set():
            raise DatabaseFailed(_STOPPED)
        raise DatabaseFailed.because("timeout", "TimeoutError", self._too_long)

    @property
    def _too_long(self) -> str:
        return f"no answer within {self._timeout:g} s"

    async def _interrupted(self, database: Database, work: asyncio.Task[Any]) -> bool:
        """Interrupt the statement; whether it ended then."""
        until = time.monotonic() + _GRACE
        while not work.done() and time.monotonic() < until:
            press = asyncio.create_task(in_thread(database.interrupt, counted=False))
            await asyncio.wait([press], timeout=_GRACE)
            await asyncio.wait([work], timeout=_PRESS)
        return work.done()

    async def _give_up(self, work: asyncio.Task[Any] | None = None) -> None:
        """The connection is of no use any more: whatever it holds open, the database undoes.

        It is closed once the work that still goes on with it has ended.
        """
        database, self._database = self._database, None
        self._open = False
        if database is not None:
            with contextlib.suppress(Exception):
                await in_thread(database.abort, counted=False)
            self._leave(close_after(work, database))

    def _leave(self, closing: Coroutine[Any, Any, None]) -> None:
        left = asyncio.create_task(closing)
        self._left.add(left)
        left.add_done_callback(self._left.discard)

    def _failed(self, failure: Failure, call: SqlCall) -> Outcome:
        """The outcome of a statement, and so of its call."""
        message = self._without_hidden(failure.message)
        status = Status.TIMEOUT if failure.kind == "timeout" else Status.ERROR
        if call.stopped.is_set():
            status = Status.CANCELLED
        if self._write and call.begun:
            message = f"{message}\n{_UNDONE}"
        return Outcome(status, Failure(failure.kind, failure.type, message))

    def _without_hidden(self, message: str) -> str:
        for text, instead in self._hidden.items():
            message = message.replace(text, instead)
        return message

    # The end of a call

    async def _end(self, number: int, call: SqlCall) -> None:
        if call.begun and not call.outcome.ends_call and not call.stopped.is_set():
            await self._check(call)
        if call.begun and call.outcome.ends_call:
            await self._undo()
        call.over = True
        self._tell(Ended(number, call.outcome, time.monotonic()))

    async def _check(self, call: SqlCall) -> None:
        """What would keep it from being committed is a failure of the call itself."""
        try:
            if self._database is not None:
                await self._do(self._database.check)
        except DatabaseFailed as failed:
            call.outcome = self._failed(failed.failure, call)

    async def _undo(self) -> None:
        """Roll the transaction back; where that fails, the database does it on hanging up."""
        if self._database is not None and self._open:
            self._open = False
            try:
                await self._do(self._database.roll_back)
            except DatabaseFailed:
                await self._give_up()

    async def _roll_back(self, number: int) -> None:
        await self._undo()
        self._tell(RolledBack(number, (), time.monotonic()))

    async def _commit(self) -> None:
        self._calls = {number: call for number, call in self._calls.items() if not call.over}
        try:
            if self._database is not None and self._open:
                await self._do(self._database.commit)
                self._open = False
        except DatabaseFailed as failed:
            await self._undo()
            if self._write:
                why = self._without_hidden(failed.failure.message)
                what = _UNSURE if failed.failure.kind == "connection" else _NOT_KEPT
                self._unkept = f"{what.format(self._last)}: {why}"
                self._tell(RolledBack(self._last, (self._unkept,), time.monotonic()))
