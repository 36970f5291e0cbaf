"""Where a run's calls are run: its lanes, and its sandbox, which is replaced once if it dies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from conveyor_cli.engine.approval import Approval
from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.events import Emit, SandboxDied, SandboxStarted
from conveyor_cli.engine.inner import InnerCalls
from conveyor_cli.engine.lane import Lane, LaneCall
from conveyor_cli.engine.nested import NestedCalls
from conveyor_sandbox import errors
from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.pool import Pool
from conveyor_sandbox.sandbox import Progress, Sandbox
from conveyor_tools.function import FunctionTool
from conveyor_tools.place import Place
from conveyor_tools.splitters.base import Splitter
from conveyor_tools.tool import Tool

_DEATHS = 2
"""Sandboxes that may die in one run; the last of them ends it."""


class Servers(Protocol):
    """What tools of the run need on this side of the sandbox."""

    async def start(self) -> None:
        """Start what is not there."""

    async def close(self) -> None:
        """End it."""


class Workplace:
    """The lanes of a run, by the names of their states.

    There is a sandbox only where a tool needs one. All tools that do are on one lane, which ends
    with it; the others stay on this side, and live on.
    """

    def __init__(
        self,
        pool: Pool,
        image: str,
        tools: Mapping[str, Tool],
        functions: Mapping[str, FunctionTool],
        approval: Approval,
        servers: Servers,
        *,
        keeps_files: bool = False,
    ) -> None:
        self._pool = pool
        self._image = image
        self._functions = functions
        self._approval = approval
        self._servers = servers
        self._place = Place(
            None, tools, functions, approval.refusal, InnerCalls(self), keeps_files=keeps_files
        )
        self._sandbox: Sandbox | None = None
        self._indoors: Lane | None = None
        """The sandbox's lane, once it is used."""
        self._lanes: dict[str, Lane] = {}
        """The others."""
        self._deaths = 0
        self.started: SandboxStarted | None = None
        """The sandbox that is there now."""

    @property
    def needs_sandbox(self) -> bool:
        """Whether one of the tools does."""
        return any(tool.needs_sandbox for tool in self._place.tools.values())

    async def get_ready(self, progress: Progress, emit: Emit, clock: RunClock) -> None:
        """At the beginning of a run: have servers and sandbox of an earlier one, or start them.

        Raises:
            SandboxError: no sandbox can be had.
            UsageError: a server cannot.
        """
        self._deaths = 0
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._servers.start())
                if self.needs_sandbox:
                    group.create_task(self._have_sandbox(progress, emit, clock))
        except ExceptionGroup as problems:
            raise problems.exceptions[0] from None

    async def _have_sandbox(self, progress: Progress, emit: Emit, clock: RunClock) -> None:
        if self.started is None:
            await self._open(progress, emit, clock)
        else:
            emit(replace(self.started, at=clock.now(), seconds=0.0))

    async def _open(self, progress: Progress, emit: Emit, clock: RunClock) -> None:
        began = clock.now()
        self._sandbox, guest = await self._pool.take(progress)
        self._place = replace(self._place, guest=guest)
        python = ".".join(map(str, guest.python))
        kind, now = self._sandbox.kind, clock.now()
        image = self._image if kind == "docker" else ""
        weaknesses = self._sandbox.weaknesses
        self.started = SandboxStarted(now, kind, image, python, now - began, weaknesses)
        emit(self.started)

    @property
    def guest(self) -> GuestClient | None:
        """The guest of the sandbox that is there now."""
        return self._place.guest

    def splitter(self, tool: Tool) -> Splitter:
        """A splitter for a call of the tool."""
        return tool.splitter(self._place)

    def lane(self, tool: Tool) -> Lane:
        """The lane of the tool's state."""
        if tool.needs_sandbox:
            if self._indoors is None:
                assert self.guest is not None
                nested = NestedCalls(self._functions, self._approval, self.guest)
                self._indoors = Lane(tool.lane, self._place, nested)
            assert self._indoors.name == tool.lane, "a guest has one listener"
            return self._indoors
        if tool.lane not in self._lanes:
            self._lanes[tool.lane] = Lane(tool.lane, self._place, None)
        return self._lanes[tool.lane]

    def open_call(self, number: int) -> LaneCall:
        """The call of that number, which is open on one of the lanes.

        Raises:
            KeyError: there is none.
        """
        for lane in self._lanes.values():
            call = lane.find(number)
            if call is not None:
                return call
        raise KeyError(number)

    async def reset(self) -> None:
        """Empty the interpreter and end what is connected; files stay.

        The model is told of the interpreter with its next call.
        """
        await self._close_lanes()
        if self.guest is not None and self._indoors is not None:
            self.guest.restart()
            self.guest.checkpoint()

    async def replace_dead(self, progress: Progress, emit: Emit, clock: RunClock) -> None:
        """Start a fresh sandbox if this one died.

        Raises:
            SandboxDied: it was the run's last one.
            SandboxError: no other one can be had.
        """
        if self._indoors is None or self._indoors.died is None:
            return
        reason = self._indoors.died
        emit(SandboxDied(clock.now(), reason))
        await self._close_sandbox()
        self._deaths += 1
        if self._deaths >= _DEATHS:
            raise errors.SandboxDied(f"the sandbox died twice: {reason}")
        await self._open(progress, emit, clock)

    async def close(self) -> None:
        """End the sessions, and the sandbox with everything in it."""
        await asyncio.gather(self._close_sandbox(), self._close_lanes())
        await asyncio.gather(*(function.close() for function in self._functions.values()))
        await self._servers.close()

    async def _close_lanes(self) -> None:
        lanes, self._lanes = self._lanes, {}
        await asyncio.gather(*(lane.close() for lane in lanes.values()))

    async def _close_sandbox(self) -> None:
        sandbox, self._sandbox = self._sandbox, None
        lane, self._indoors = self._indoors, None
        self.started = None
        self._place = replace(self._place, guest=None)
        if lane is not None:
            await lane.close()
        if sandbox is not None:
            await sandbox.stop()
