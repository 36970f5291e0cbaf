"""A step of a plan while it runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum, auto

from conveyor_sandbox.reports import UnitKey
from conveyor_tools.plan_values import Failed, Given, Step


class State(Enum):
    """Where a step is in its life."""

    WAITING = auto()
    RUNNING = auto()
    DONE = auto()
    FAILED = auto()
    CANCELLED = auto()


@dataclass(slots=True)
class Running:
    """One step: what it waits for, and what became of it."""

    key: UnitKey
    step: Step
    waits: set[int]
    state: State = State.WAITING
    began: bool = False
    """Whether its tool was called; it may still be asked about, before."""
    started_at: float = 0.0
    ended_at: float = 0.0
    given: Given | None = None
    failed: Failed | None = None
    task: asyncio.Task[None] | None = None
    counts: asyncio.Future[bool] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    """Whether all steps before it have ended well."""
