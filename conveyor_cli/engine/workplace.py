"""Where a run's calls are run: one sandbox, replaced once if it dies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from conveyor_cli.engine.approval import Approval
from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.events import Emit, SandboxDied, SandboxStarted
from conveyor_cli.engine.lane import Lane
from conveyor_cli.engine.nested import NestedCalls
from conveyor_sandbox import errors
from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.pool import Pool
from conveyor_sandbox.sandbox import Progress, Sandbox
from conveyor_tools.function import FunctionTool
from conveyor_tools.splitters.base import Splitter
from conveyor_tools.tool import Tool

_DEATHS = 2
"""Sandboxes that may die in one run; the last of them ends it."""


class Workplace:
    """The sandbox of a run and the lanes in it."""

    def __init__(
        self,
        pool: Pool,
        image: str,
        functions: Mapping[str, FunctionTool],
        approval: Approval,
    ) -> None:
        self._pool = pool
        self._image = image
        self._functions = functions
        self._approval = approval
        self._sandbox: Sandbox | None = None
        self._guest: GuestClient | None = None
        self._lane: Lane | None = None
        self._deaths = 0
        self.started: SandboxStarted | None = None
        """The sandbox that is there now."""

    async def get_ready(self, progress: Progress, emit: Emit, clock: RunClock) -> None:
        """At the beginning of a run: have the sandbox of an earlier one, or start one.

        Raises:
            SandboxError: none can be had.
        """
        self._deaths = 0
        if self.started is None:
            await self._open(progress, emit, clock)
        else:
            emit(replace(self.started, at=clock.now(), seconds=0.0))

    async def _open(self, progress: Progress, emit: Emit, clock: RunClock) -> None:
        began = clock.now()
        self._sandbox, self._guest = await self._pool.take(progress)
        python = ".".join(map(str, self._guest.python))
        kind, now = self._sandbox.kind, clock.now()
        image = self._image if kind == "docker" else ""
        self.started = SandboxStarted(now, kind, image, python, now - began)
        emit(self.started)

    @property
    def guest(self) -> GuestClient | None:
        """The guest of the sandbox that is there now."""
        return self._guest

    def splitter(self, tool: Tool) -> Splitter:
        """A splitter for a call of the tool."""
        assert self._guest is not None
        return tool.splitter(self._guest)

    def lane(self, tool: Tool) -> Lane:
        """The lane of the tool's state."""
        assert self._guest is not None
        if self._lane is None:
            session = tool.open(self._guest)
            nested = NestedCalls(self._functions, self._approval, session)
            self._lane = Lane(tool.lane, session, nested)
        return self._lane

    def reset(self) -> None:
        """Empty the interpreter; files stay. The model is told with its next call."""
        if self._guest is not None and self._lane is not None:
            self._guest.restart()
            self._guest.checkpoint()

    async def replace_dead(self, progress: Progress, emit: Emit, clock: RunClock) -> None:
        """Start a fresh sandbox if this one died.

        Raises:
            SandboxDied: it was the run's last one.
            SandboxError: no other one can be had.
        """
        if self._lane is None or self._lane.died is None:
            return
        reason = self._lane.died
        emit(SandboxDied(clock.now(), reason))
        await self.close()
        self._deaths += 1
        if self._deaths >= _DEATHS:
            raise errors.SandboxDied(f"the sandbox died twice: {reason}")
        await self._open(progress, emit, clock)

    async def close(self) -> None:
        """End the sandbox, with everything in it."""
        if self._lane is not None:
            self._lane.nested.close()
        sandbox, self._sandbox = self._sandbox, None
        self._guest = self._lane = self.started = None
        if sandbox is not None:
            await sandbox.stop()
