"""What undo costs: a checkpoint, the first units after it, and a rollback, by resident memory.

Two sandboxes in turn, one with undo and one without, so that both meet the same machine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import median

from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.errors import SandboxDied
from conveyor_sandbox.reports import Checkpoint, Died, Ended, Finished, Report, RolledBack, UnitKey
from conveyor_sandbox.sandbox import MIB, Sandbox

SIZES = (30, 100, 500)
"""Resident memory of the interpreter, in MB."""
_PAUSE = 0.1
"""Seconds between a call and the next: a prefill, in which the checkpoint is taken."""
_TOUCH = "for page in range(0, len(ballast), 4096): ballast[page] += 1\n"
_UNITS = ("x = 1\n", f"ballast = memoryview(store)[:{4 * MIB}]\n", _TOUCH)


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians in seconds; `with_undo` and `without` are of the same call in turn.

    `started`: from sending its first unit until that runs. `touched`: a unit that writes to 4 MiB
    of memory, whose pages are copied when they are written to first.
    """

    resident: int
    checkpoint: float
    rollback: float
    started_with_undo: float
    started_without: float
    touched_with_undo: float
    touched_without: float


@dataclass
class _Side:
    """A sandbox, and what was measured in it."""

    guest: GuestClient
    reports: asyncio.Queue[Report]
    calls: int = 0
    resident: int = 0
    checkpoints: list[float] = field(default_factory=list)
    rollbacks: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    touches: list[float] = field(default_factory=list)

    async def call(self, *units: str) -> list[Finished]:
        """Run a call; its units, from sending them to the end."""
        self.calls += 1
        for index, text in enumerate(units):
            self.guest.run(UnitKey(self.calls, index), text, index + 1)
        self.guest.end(self.calls)
        finished: list[Finished] = []
        while not isinstance(report := await self._next(), Ended):
            if isinstance(report, Finished):
                finished.append(report)
        return finished

    async def checkpoint(self) -> Checkpoint:
        self.guest.checkpoint()
        while not isinstance(report := await self._next(), Checkpoint):
            pass
        return report

    async def measure(self, *, undo: bool) -> None:
        """One round: a checkpoint, a pause, a call, and in the end all of it taken back."""
        taken = await self.checkpoint()
        self.resident = taken.resident
        self.checkpoints.append(taken.seconds)
        await asyncio.sleep(_PAUSE)
        sent = time.monotonic()
        first, _, touched = await self.call(*_UNITS)
        self.starts.append(first.started_at - sent)
        self.touches.append(touched.at - touched.started_at)
        if undo:
            asked = time.monotonic()
            self.guest.roll_back(self.calls)
            while not isinstance(report := await self._next(), RolledBack):
                pass
            self.rollbacks.append(report.at - asked)

    async def _next(self) -> Report:
        report = await self.reports.get()
        if isinstance(report, Died):
            raise SandboxDied(report.reason)
        return report


async def measure_undo(make: Callable[[bool], Sandbox], megabytes: int, rounds: int) -> Cost:
    """The cost at a resident size. `make` is told whether to make a sandbox with undo.

    Raises SandboxError.
    """
    async with AsyncExitStack() as stack:
        sides = {
            undo: await stack.enter_async_context(_started(make(undo))) for undo in (True, False)
        }
        for side in sides.values():
            await side.call("store = bytearray(1)\n")
            room = megabytes * 1_000_000 - (await side.checkpoint()).resident
            await side.call(f"store = bytearray(b'x') * {max(room, 5 * MIB)}\n")
        for _ in range(rounds):
            for undo, side in sides.items():
                await side.measure(undo=undo)
    ours, plain = sides[True], sides[False]
    return Cost(
        ours.resident,
        median(ours.checkpoints[1:]),
        median(ours.rollbacks[1:]),
        median(ours.starts[1:]),
        median(plain.starts[1:]),
        median(ours.touches[1:]),
        median(plain.touches[1:]),
    )


@asynccontextmanager
async def _started(sandbox: Sandbox) -> AsyncIterator[_Side]:
    guest = await sandbox.start(lambda _text, _fraction: None)
    try:
        reports: asyncio.Queue[Report] = asyncio.Queue()
        guest.listen(reports.put_nowait)
        yield _Side(guest, reports)
    finally:
        await sandbox.stop()
