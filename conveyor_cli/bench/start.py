"""How soon a unit begins to run after it was sent, and what lies between two queued units."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.errors import SandboxDied
from conveyor_sandbox.reports import Died, Finished, Report, UnitKey
from conveyor_sandbox.sandbox import Sandbox

_IDLE = 0.005
"""Seconds between two units, so that each one meets a sandbox whose processes are asleep."""
_WARM_UP = 20
"""Units that are run first and not counted."""


async def measure_starts(sandbox: Sandbox, units: int) -> list[float]:
    """Seconds from sending a unit to an idle sandbox until it runs, by the guest's clock.

    Starts the sandbox and stops it. Raises SandboxError.
    """
    starts = []
    async with _started(sandbox) as (guest, reports):
        for index in range(_WARM_UP + units):
            await asyncio.sleep(_IDLE)
            sent = time.monotonic()
            guest.run(UnitKey(1, index), "x = 1\n", index + 1)
            finished = await _finished(reports)
            starts.append(finished.started_at - sent)
    return starts[_WARM_UP:]


async def measure_round_trips(sandbox: Sandbox, units: int) -> list[float]:
    """Seconds from sending a unit to an idle sandbox until its end is told, by our clock.

    Starts the sandbox and stops it. Raises SandboxError.
    """
    trips = []
    async with _started(sandbox) as (guest, reports):
        for index in range(_WARM_UP + units):
            await asyncio.sleep(_IDLE)
            sent = time.monotonic()
            guest.run(UnitKey(1, index), "x = 1\n", index + 1)
            await _finished(reports)
            trips.append(time.monotonic() - sent)
    return trips[_WARM_UP:]


async def measure_gaps(sandbox: Sandbox, units: int) -> list[float]:
    """Seconds between the end of a unit and the start of the next, which was sent long before.

    Starts the sandbox and stops it. Raises SandboxError.
    """
    gaps = []
    async with _started(sandbox) as (guest, reports):
        for index in range(_WARM_UP + units):
            guest.run(UnitKey(1, index), "x = 1\n", index + 1)
        last = await _finished(reports)
        for _ in range(_WARM_UP + units - 1):
            finished = await _finished(reports)
            gaps.append(finished.started_at - last.at)
            last = finished
    return gaps[_WARM_UP:]


@asynccontextmanager
async def _started(sandbox: Sandbox) -> AsyncIterator[tuple[GuestClient, asyncio.Queue[Report]]]:
    guest = await sandbox.start(lambda _text, _fraction: None)
    try:
        reports: asyncio.Queue[Report] = asyncio.Queue()
        guest.listen(reports.put_nowait)
        yield guest, reports
    finally:
        await sandbox.stop()


async def _finished(reports: asyncio.Queue[Report]) -> Finished:
    while True:
        match await reports.get():
            case Finished() as finished:
                return finished
            case Died(reason, _):
                raise SandboxDied(reason)
            case _:
                continue
