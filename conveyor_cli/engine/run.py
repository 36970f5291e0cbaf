"""A run: get the model and the sandbox ready side by side, answer one prompt, give all back."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from conveyor_cli.backends.base import Backend, Progress
from conveyor_cli.engine.agent import Agent, Ending
from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.events import (
    Emit,
    ModelLoaded,
    RunEnded,
    RunStarted,
    RunStatus,
    StopReason,
)
from conveyor_cli.engine.workplace import Workplace
from conveyor_cli.errors import Interrupted


@dataclass(frozen=True, slots=True)
class Identity:
    """What a run is called. `backend` is the backend's kind, not its label."""

    run_id: str
    task: str
    mode: str
    backend: str


class Run:
    """One prompt, from `RunStarted` to `RunEnded`."""

    def __init__(
        self,
        identity: Identity,
        agent: Agent,
        backend: Backend,
        workplace: Workplace,
        emit: Emit,
        progress: Progress,
    ) -> None:
        self._identity = identity
        self._agent = agent
        self._backend = backend
        self._workplace = workplace
        self._emit = emit
        self._progress = progress
        self.clock = RunClock()
        self.at_end: Callable[[], Awaitable[None]] | None = None
        """Awaited before the run is over, however it ends, while its sandbox is there."""
        self.terminated = False
        """Whether a cancellation comes from SIGTERM or SIGHUP, not from the user's Ctrl-C."""

    async def run(self, prompt: str, seconds: float) -> Ending:
        """Run to the end, which takes at most about so many seconds once all is ready.

        Raises:
            ModelError, SandboxError: the run has ended then too.
        """
        who = self._identity
        began = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        self._emit(RunStarted(self.clock.now(), who.run_id, who.task, who.mode, who.backend, began))
        ending = Ending(RunStatus.FAILED, None, "it ended unexpectedly")
        try:
            await self._get_ready()
            ending = await self._answer(prompt, seconds)
        except (asyncio.CancelledError, Interrupted):
            status = RunStatus.TERMINATED if self.terminated else RunStatus.INTERRUPTED
            ending = Ending(status, None, status.value)
            raise
        except Exception as error:
            ending = Ending(RunStatus.FAILED, None, str(error))
            raise
        finally:
            try:
                if self.at_end is not None:
                    await self.at_end()
            finally:
                now = self.clock.now()
                self._emit(RunEnded(now, ending.status, ending.answer, ending.reason))
        return ending

    async def _get_ready(self) -> None:
        """Load the model and start the sandbox, side by side, unless an earlier run did."""
        sandbox = self._workplace.get_ready(self._progress, self._emit, self.clock)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._load())
                group.create_task(sandbox)
        except ExceptionGroup as problems:
            raise problems.exceptions[0] from None

    async def _load(self) -> None:
        began = self.clock.now()
        await self._backend.load(self._progress)
        now = self.clock.now()
        self._emit(ModelLoaded(now, self._backend.label, now - began))

    async def _answer(self, prompt: str, seconds: float) -> Ending:
        loop = asyncio.get_running_loop()
        limit = loop.call_later(seconds, self._agent.halt, StopReason.LIMIT)
        try:
            return await self._agent.ask(prompt, self._emit, self.clock)
        finally:
            limit.cancel()
