"""Sandboxes that are ready before they are needed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.errors import SandboxError
from conveyor_sandbox.sandbox import Progress, Sandbox


@dataclass(eq=False, slots=True)
class _Spare:
    sandbox: Sandbox
    guest: GuestClient


class Pool:
    """Up to `size` sandboxes, started beforehand. Each is given away once, and never taken back.

    They are started by `fill`, side by side, and not replaced by themselves: whoever measures a run
    does not want another sandbox to start in the middle of it. What is given away belongs to the
    taker, who stops it. With size 0, `take` starts one.

    Not covered: a spare that hangs without dying is given away, and noticed when it is used.
    """

    def __init__(self, make: Callable[[], Sandbox], size: int = 0) -> None:
        """`make` may take long: it is called in a thread."""
        self.size = size
        self._make = make
        self._ready: list[_Spare] = []
        self._starting: list[asyncio.Task[None]] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def ready(self) -> int:
        """How many are ready now."""
        return len(self._ready)

    def fill(self) -> None:
        """Begin to start what is missing. One that cannot be had is told of by `take`."""
        if self._closed:
            return
        for _ in range(self.size - len(self._ready) - len(self._starting)):
            task = asyncio.create_task(self._start_spare())
            self._starting.append(task)
            task.add_done_callback(self._starting.remove)

    async def filled(self) -> None:
        """Wait until none is being started any more."""
        while self._starting:
            await asyncio.wait(list(self._starting))

    async def take(self, progress: Progress) -> tuple[Sandbox, GuestClient]:
        """A sandbox that is ready: a spare, one that is being started, or a new one.

        Raises:
            SandboxError: none can be had.
        """
        while True:
            if self._ready:
                spare = self._ready.pop(0)
                return spare.sandbox, spare.guest
            if not self._starting:
                sandbox = await asyncio.to_thread(self._make)
                return sandbox, await sandbox.start(progress)
            progress("starting the sandbox", None)
            await asyncio.wait(list(self._starting), return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        """Stop all that were not given away. Those that are starting end too."""
        self._closed = True
        for task in self._starting:
            task.cancel()
        while self._starting:
            await asyncio.wait(list(self._starting))
        for spare in self._ready:
            self._end(spare)
        self._ready.clear()
        while self._ending:
            await asyncio.wait(set(self._ending))

    async def _start_spare(self) -> None:
        with contextlib.suppress(SandboxError):
            sandbox = await asyncio.to_thread(self._make)
            guest = await sandbox.start(lambda _text, _fraction: None)
            spare = _Spare(sandbox, guest)
            guest.notice_death(lambda: self._bury(spare))
            self._ready.append(spare)

    def _bury(self, spare: _Spare) -> None:
        """It died while nobody had it. If it is given away already, its taker is told."""
        if spare in self._ready:
            self._ready.remove(spare)
            self._end(spare)
            self.fill()

    def _end(self, spare: _Spare) -> None:
        task = asyncio.create_task(spare.sandbox.stop())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
