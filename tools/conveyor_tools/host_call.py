"""One call of a function tool, while its arguments are written and it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from conveyor_sandbox.reports import (
    Ended,
    Failure,
    FileMade,
    Finished,
    Outcome,
    Report,
    Skipped,
    Started,
    Status,
    UnitKey,
)
from conveyor_tools.answer import Answer, failure_of
from conveyor_tools.arguments import ArgumentUnit, Role
from conveyor_tools.function import FunctionTool
from conveyor_tools.hearing import Ear, hearing
from conveyor_tools.later import Later
from conveyor_tools.preparation import Preparation
from conveyor_tools.splitters.base import Unit

Work = Callable[[], Coroutine[Any, Any, Outcome]]

_CANCELLED = Outcome(Status.CANCELLED, Failure("interrupt", "CancelledError", "it was stopped"))


class HostCall:
    """Runs a call's units, each after those that it waits for, and reports what comes of them."""

    def __init__(
        self,
        number: int,
        tool: FunctionTool,
        report: Callable[[Report], None],
        *,
        keeps_files: bool = False,
    ) -> None:
        self._over = False
        self._number = number
        self._tool = tool
        self._report = report
        self._keeps_files = keeps_files
        self._later = {name: Later[Any]() for name in tool.signature.later}
        self._prepared: Preparation | None = None
        self._units: dict[int, asyncio.Task[None]] = {}
        self._work: set[asyncio.Task[Outcome]] = set()
        self._ending: asyncio.Task[None] | None = None
        self._stopped = False
        """Whether no more of it may begin: it was cancelled, or a unit failed."""
        self._outcome = Outcome(Status.OK)
        self._files: list[FileMade] = []  # that count if the call ends well

    @property
    def is_quiet(self) -> bool:
        """Whether its end was reported, and nothing of it goes on: nobody needs it any more."""
        return self._over and all(task.done() for task in self._getting_ready)

    def prepare(self) -> None:
        """It will come: let the tool get ready."""
        if self._prepared is None and not self._stopped:
            self._prepared = Preparation(self._tool)

    def run(self, key: UnitKey, unit: Unit) -> None:
        """Run a unit, once those before it have ended well."""
        places = range(key.index) if unit.after is None else unit.after
        before = [self._units[place] for place in places if place in self._units]
        work = self._work_of(unit)
        self._units[key.index] = asyncio.create_task(self._run(key, work, before))

    def end(self) -> None:
        """All of it was sent: what was not written has its default."""
        for name, later in self._later.items():
            later.give(self._tool.signature.later[name])
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())

    def cancel(self) -> None:
        """Stop what runs, and begin no more."""
        self._stopped = True
        self._outcome = _CANCELLED
        for task in (*self._work, *self._getting_ready):
            task.cancel()

    async def close(self) -> None:
        """End all of it, and wait for that. Nothing is reported any more."""
        self._report = lambda _: None
        self.cancel()
        ending = () if self._ending is None else (self._ending,)
        tasks = [*self._units.values(), *self._getting_ready, *ending]
        if tasks:
            await asyncio.wait(tasks)

    @property
    def _getting_ready(self) -> tuple[asyncio.Task[None], ...]:
        return () if self._prepared is None else (self._prepared.task,)

    async def _run(self, key: UnitKey, do: Work, before: list[asyncio.Task[None]]) -> None:
        if before:
            await asyncio.wait(before)
        began = time.monotonic()
        if self._stopped:
            self._report(Skipped(key, began))
            return
        self._report(Started(key, began))
        ear = Ear(key, self._tell, f"{self._tool.name}-{key.call}", kept=self._keeps_files)
        hearing.set(ear)
        work = asyncio.create_task(do())
        self._work.add(work)
        await asyncio.wait([work])
        ear.close()
        self._files += ear.files
        self._work.discard(work)
        outcome = _CANCELLED if work.cancelled() else work.result()
        if outcome.ends_call and not self._stopped:
            self._stopped = True
            self._outcome = outcome
        told = Outcome(outcome.status, outcome.failure)  # the result is the call's
        self._report(Finished(key, told, began, time.monotonic()))

    def _tell(self, report: Report) -> None:
        self._report(report)  # whoever that is by then

    def _work_of(self, unit: Unit) -> Work:
        """What is to be done for a unit. A value is given at once: before the call can end."""
        assert isinstance(unit, ArgumentUnit), "its own splitter cut it"
        if unit.role is Role.LATER:
            return partial(_done, self._give(unit))
        return partial(self._early if unit.role is Role.EARLY else self._call, unit)

    async def _early(self, unit: ArgumentUnit) -> Outcome:
        self.prepare()
        ((name, value),) = unit.arguments.items()
        ready = None if self._prepared is None else self._prepared.awaited()
        return _outcome(await self._tool.take_early(name, value, ready))

    def _give(self, unit: ArgumentUnit) -> Outcome:
        for name, value in unit.arguments.items():
            try:
                self._later[name].give(self._tool.signature.validated(name, value))
            except Exception as problem:  # noqa: BLE001 - it is told
                return Outcome(Status.ERROR, failure_of(problem))
        return Outcome(Status.OK)

    async def _call(self, unit: ArgumentUnit) -> Outcome:
        self.prepare()
        later = {name: it for name, it in self._later.items() if name not in unit.arguments}
        ready = None if self._prepared is None else self._prepared.awaited()
        outcome = _outcome(await self._tool.call(unit.arguments, later, ready))
        if outcome.status is Status.OK and not self._stopped:
            self._outcome = outcome
        return outcome

    async def _end(self) -> None:
        if self._units:
            await asyncio.wait(self._units.values())
        self._over = True
        for file in self._files if self._outcome.status is Status.OK else ():
            self._report(file)
        self._report(Ended(self._number, self._outcome, time.monotonic()))


async def _done(outcome: Outcome) -> Outcome:
    return outcome


def _outcome(answer: Answer) -> Outcome:
    if answer.failure is None:
        return Outcome(Status.OK, result=answer.shown)
    timeout = answer.failure.kind == "timeout"
    return Outcome(Status.TIMEOUT if timeout else Status.ERROR, answer.failure)
