"""What an SQL session knows of one call, and of a statement that it no longer waits for."""

from __future__ import annotations

import asyncio
from typing import Any

from conveyor_sandbox.reports import Outcome, Status
from conveyor_tools.databases.base import DatabaseFailed, Limits


class SqlCall:
    """What is known of a call."""

    def __init__(self) -> None:
        self.outcome = Outcome(Status.OK)
        self.begun = False
        self.over = False
        self.limits: Limits | None = None
        """Its own, where all rows are wanted as data."""
        self.stopped = asyncio.Event()


def forget(task: asyncio.Task[Any]) -> None:
    """Nobody waits for what comes of it."""
    task.cancelled() or task.exception()


def was_interrupted(task: asyncio.Task[Any]) -> bool:
    """Whether a statement ended because it was interrupted."""
    failed = task.exception()
    return isinstance(failed, DatabaseFailed) and failed.failure.kind == "interrupt"
