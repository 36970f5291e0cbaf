"""Calls of function tools from inside running code: when they may run, and what came of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Protocol

from conveyor_cli.engine.approval import Approval
from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.events import (
    Emit,
    Event,
    NestedCallFinished,
    NestedCallMade,
    NestedCallStarted,
)
from conveyor_sandbox.reports import Called, Checked, Dropped, Failure, Status, UnitKey
from conveyor_tools.function import Answer, Effects, FunctionTool

_MOST = 1000
"""Calls from inside one call's code. More of them are refused, and no events are made of them."""
_AT_ONCE = 16
"""Functions that run side by side."""
_SHOWN = 500
"""Characters of arguments in events."""


class Caller(Protocol):
    """The call whose code calls. `completed` gives its text once that ends, None if it is cut."""

    number: int
    completed: asyncio.Future[str | None]

    @property
    def emit(self) -> Emit: ...

    @property
    def clock(self) -> RunClock: ...


class Code(Protocol):
    """The side that calls: a sandbox's guest."""

    def reply(self, number: int, text: str, *, ok: bool) -> None:
        """Answer a call: with the result as JSON, or what is wrong."""

    def check(self, call: int, text: str) -> None:
        """Find out whether a call's whole text is valid. `Checked` is reported."""


class NestedCalls:
    """Those of one sandbox's code.

    A pure function runs at once. Any other waits until the call that it belongs to is complete and
    known to be valid: before that, nobody knows whether it counts. Then the user is asked, where
    the task wants that.
    """

    def __init__(
        self, functions: Mapping[str, FunctionTool], approval: Approval, code: Code
    ) -> None:
        self._functions = functions
        self._approval = approval
        self._code = code
        self._caller: Caller | None = None
        self._count = 0
        self._running: dict[int, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._problem: dict[int, asyncio.Future[str]] = {}

    def open(self, caller: Caller) -> None:
        """From now on, this call's code is what calls."""
        self._caller, self._count = caller, 0

    def hear(self, report: Called | Dropped | Checked) -> None:
        """The code calls a function, no longer waits for one, or is known to be valid or not."""
        match report:
            case Called():
                self._begin(report)
            case Dropped(number) if number in self._running:
                self._running.pop(number).cancel()
            case Checked(call, problem) if call in self._problem:
                if not self._problem[call].done():
                    self._problem[call].set_result(problem)

    def _begin(self, report: Called) -> None:
        self._count += 1
        if self._caller is None or self._count > _MOST:
            self._code.reply(
                report.number, f"more than {_MOST} calls of tools in one call", ok=False
            )
            return
        task = asyncio.create_task(self._answer(self._caller, self._count, report))
        self._running[report.number] = task
        task.add_done_callback(lambda _: self._running.pop(report.number, None))

    def close(self) -> None:
        """The sandbox is gone: nobody waits for any of them."""
        for task in tuple(self._running.values()):
            task.cancel()

    async def _answer(self, caller: Caller, count: int, called: Called) -> None:
        facts = _Facts(caller, count, called)
        facts.made()
        try:
            answer = await self._run(caller, facts, called)
        except asyncio.CancelledError:
            facts.finished(Status.CANCELLED, "nobody waits for it any more")
            raise
        failure = answer.failure
        if failure is None:
            facts.finished(Status.OK, "")
        else:
            timeout = failure.kind == "timeout"
            facts.finished(Status.TIMEOUT if timeout else Status.ERROR, failure.message)
        text = failure.message if failure is not None else answer.result or "null"
        self._code.reply(called.number, text, ok=failure is None)

    async def _run(self, caller: Caller, facts: _Facts, called: Called) -> Answer:
        function = self._functions.get(called.function)
        if function is None:
            return _refused(f"there is no tool {called.function[:_SHOWN]!r}")
        try:
            arguments = json.loads(called.arguments)
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            return _refused("the arguments are not plain data")
        effects = function.effects_of(arguments)
        if effects is not Effects.PURE:
            why = await self._why_not(caller)
            if why:
                return _refused(f"{function.name} was not called: {why}")
        refusal = await self._approval.refusal(function.name, effects, called.arguments)
        if refusal is not None:
            return _refused(refusal)
        async with self._slots:
            facts.started()
            return await function.call(arguments)

    async def _why_not(self, caller: Caller) -> str:
        """Why what the caller does will not be there to stay, as far as its text tells; or ""."""
        text = await asyncio.shield(caller.completed)
        if text is None:
            return "the code is not complete"
        found = self._problem.get(caller.number)
        if found is None:
            found = asyncio.get_running_loop().create_future()
            self._problem = {caller.number: found}
            self._code.check(caller.number, text)
        problem = await asyncio.shield(found)
        return problem and f"the code is not valid: {problem}"


class _Facts:
    """Emits the events of one call, unless its unit is no part of the run: a thread's of before."""

    def __init__(self, caller: Caller, count: int, called: Called) -> None:
        self.arguments = called.arguments
        if len(self.arguments) > _SHOWN:
            self.arguments = f"{self.arguments[:_SHOWN]}…"
        self._unit: UnitKey = called.unit
        self._number = count
        self._called = called
        self._caller = caller

    def made(self) -> None:
        name, waits = self._called.function[:_SHOWN], self._called.waits
        at = self._caller.clock.at(self._called.at)
        self._emit(NestedCallMade(at, self._unit, self._number, name, self.arguments, waits))

    def started(self) -> None:
        self._emit(NestedCallStarted(self._caller.clock.now(), self._unit, self._number))

    def finished(self, status: Status, message: str) -> None:
        now = self._caller.clock.now()
        self._emit(NestedCallFinished(now, self._unit, self._number, status, message))

    def _emit(self, event: Event) -> None:
        if self._unit.call == self._caller.number:
            self._caller.emit(event)


def _refused(why: str) -> Answer:
    return Answer(None, Failure("refused", "ToolError", why))
