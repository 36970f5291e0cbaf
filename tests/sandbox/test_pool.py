"""Sandboxes that are ready before they are needed: each used once, dead ones noticed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.docker import DockerSandbox
from conveyor_sandbox.errors import SandboxUnavailable
from conveyor_sandbox.local import LocalSandbox
from conveyor_sandbox.pool import Pool
from conveyor_sandbox.reports import Checkpoint, Died, Ended, Output, Report, UnitKey
from conveyor_sandbox.sandbox import Sandbox, SandboxSpec
from tests.sandbox.conftest import KINDS

Maker = Callable[[], Sandbox]


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Maker:
    kind = DockerSandbox if request.param == "docker" else LocalSandbox
    return lambda: kind(SandboxSpec())


@asynccontextmanager
async def filled(make: Maker, size: int) -> AsyncIterator[Pool]:
    pool = Pool(make, size)
    pool.fill()
    await pool.filled()
    try:
        yield pool
    finally:
        await pool.close()


async def take(pool: Pool) -> tuple[Sandbox, GuestClient]:
    return await pool.take(lambda _text, _fraction: None)


async def said(guest: GuestClient, code: str) -> tuple[str, list[Report]]:
    """What the code prints, and all that is reported, the checkpoint at the start included."""
    reports: asyncio.Queue[Report] = asyncio.Queue()
    guest.listen(reports.put_nowait)
    guest.run(UnitKey(1, 0), code, 1)
    guest.end(1)
    seen: list[Report] = []
    async with asyncio.timeout(20):
        while not seen or not isinstance(seen[-1], Ended | Died):
            seen.append(await reports.get())
    return "".join(it.text for it in seen if isinstance(it, Output)), seen


def test_a_spare_is_whole_and_given_once(make: Maker) -> None:
    """It is ready at once, works, tells its first checkpoint, and is not given a second time."""

    async def use() -> None:
        async with filled(make, 1) as pool:
            assert pool.ready == 1
            began = asyncio.get_running_loop().time()
            first, guest = await take(pool)
            taken = asyncio.get_running_loop().time() - began
            assert pool.ready == 0
            async with asyncio.timeout(20):
                while not guest._early:  # noqa: ASYNC110 - until it has reported something
                    await asyncio.sleep(0.01)
            text, reports = await said(guest, "left = 1; open('left', 'w').close(); print('here')")
            assert text == "here\n"
            assert isinstance(reports[0], Checkpoint)
            second, other = await take(pool)
            assert second is not first
            text, _ = await said(other, "import os; print('left' in globals(), os.listdir())")
            assert text == "False []\n"
            assert taken < 0.005
            await asyncio.gather(first.stop(), second.stop())

    asyncio.run(use())


def test_a_spare_that_dies_is_replaced() -> None:
    """Killed from outside while it waits: noticed at once, never given away."""

    async def use() -> None:
        before = children()
        async with filled(lambda: LocalSandbox(SandboxSpec()), 1) as pool:
            (pid,) = children() - before
            os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(20):
                while not children() - before - {pid}:  # noqa: ASYNC110 - it is the kernel's word
                    await asyncio.sleep(0.01)
            await pool.filled()
            assert pool.ready == 1
            sandbox, guest = await take(pool)
            assert (await said(guest, "print(1)"))[0] == "1\n"
            await sandbox.stop()
        assert children() == before

    asyncio.run(use())


def test_closing_ends_those_that_start(make: Maker) -> None:
    """Closed at once or a moment later: nothing is left, and nothing is started any more."""

    async def use(pause: float) -> None:
        before = children()
        pool = Pool(make, 2)
        pool.fill()
        await asyncio.sleep(pause)
        await pool.close()
        pool.fill()
        await pool.filled()
        assert pool.ready == 0
        assert children() == before

    for pause in (0, 0.01, 0.1):
        asyncio.run(use(pause))


def test_what_cannot_be_had_is_told_to_the_taker() -> None:
    """A spare that does not start is no error; that none can be had is one."""

    def refuse() -> Sandbox:
        raise SandboxUnavailable("there is none")

    async def use() -> None:
        async with filled(refuse, 1) as pool:
            assert pool.ready == 0
            with pytest.raises(SandboxUnavailable, match="there is none"):
                await take(pool)

    asyncio.run(use())


def children() -> set[int]:
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return {int(pid) for pid in found.split()}
