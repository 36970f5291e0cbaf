"""What an SQL session knows of one call, and of a statement that it no longer waits for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

from conveyor_sandbox.reports import Outcome, Status
from conveyor_tools.apart import in_thread
from conveyor_tools.databases.base import Database, DatabaseFailed, Limits

Value = TypeVar("Value")


class SqlCall:
    """What is known of a call."""

    def __init__(self) -> None:
        self.outcome = Outcome(Status.OK)
        self.begun = False
        self.over = False
        self.limits: Limits | None = None
        """Its own, where all rows are wanted as data."""
        self.stopped = asyncio.Event()

    async def wait(self, work: asyncio.Task[Any], timeout: float | None = None) -> bool:  # noqa: ASYNC109 - it is no failure
        """Wait for work of it until that has ended, which is returned, or it is stopped."""
        stopped = asyncio.create_task(self.stopped.wait())
        first = asyncio.FIRST_COMPLETED
        await asyncio.wait([work, stopped], timeout=timeout, return_when=first)
        stopped.cancel()
        return work.done()


async def in_database(work: Callable[[], Value], *, counted: bool = True) -> Value:
    """What a piece of work with a connection gives, done in a thread, as `in_thread` does it.

    Raises:
        DatabaseFailed: whatever goes wrong, also if there is no thread to be had.
    """
    try:
        result: Value = await in_thread(work, counted=counted)
    except DatabaseFailed:
        raise
    except Exception as problem:
        name = type(problem).__name__
        raise DatabaseFailed.because("exception", name, str(problem)) from problem
    return result


async def close_late(connecting: asyncio.Task[Database]) -> None:
    """Close a connection that nobody waits for any more, once it is made."""
    with contextlib.suppress(Exception):
        database = await connecting
        await in_thread(database.close, counted=False)


async def close_after(work: asyncio.Task[Any] | None, database: Database) -> None:
    """Close a connection once the work that still goes on with it has ended, however it does."""
    with contextlib.suppress(Exception):
        if work is not None:
            await work
    with contextlib.suppress(Exception):
        await in_thread(database.close, counted=False)


def was_interrupted(task: asyncio.Task[Any]) -> bool:
    """Whether a statement ended because it was interrupted."""
    failed = task.exception()
    return isinstance(failed, DatabaseFailed) and failed.failure.kind == "interrupt"
