"""Steps that are calls of tools with sessions: what they gave, and how they are taken back."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any, NamedTuple

from conveyor_sandbox.reports import (
    Died,
    Ended,
    Failure,
    Outcome,
    Output,
    Report,
    Restarted,
    RolledBack,
    Status,
    Stream,
    UnitKey,
)
from conveyor_tools.answer import LONGEST_RESULT, failure_of
from conveyor_tools.place import Inner, InnerCall
from conveyor_tools.plan_tools import SessionTool
from conveyor_tools.plan_values import Failed, Given, Printed

_MOST = 10_000
"""More than there can be steps in a plan: numbers of calls in it have as many digits less one."""
_SHELL_ENDED = "(the shell ended: its folder and variables are what they were before the plan)\n"
_UNDONE = "what other steps of this plan changed"
_GONE = "variables and files of earlier code, with the sandbox"


class TakenBack(NamedTuple):
    """What taking calls back cost, and what of them stays; both in words."""

    lost: tuple[str, ...] = ()
    not_undone: tuple[str, ...] = ()


class StepCall:
    """One of them: it gathers what its call reports."""

    def __init__(self, unit: UnitKey) -> None:
        self.unit = unit
        self.inner: InnerCall | None = None
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[Outcome] = loop.create_future()
        self.died = False
        self._rolled_back: asyncio.Future[TakenBack] = loop.create_future()
        self._written = {Stream.STDOUT: "", Stream.STDERR: ""}
        self._left_out = dict.fromkeys(Stream, 0)
        self._data: Any = None

    def hear(self, report: Report) -> None:
        """What the call reports."""
        match report:
            case Output(_, stream, text, _, data):
                self._write(stream, text)
                self._data = self._data if data is None else data
            case Restarted("shell"):
                self._write(Stream.STDERR, _SHELL_ENDED)
            case Ended(_, outcome):
                _set(self.ended, outcome)
            case RolledBack(_, lost, _, not_undone):
                _set(self._rolled_back, TakenBack(lost, not_undone))
            case Died(reason):
                self.died = True
                failure = Failure("sandbox_died", "SandboxDied", reason)
                _set(self.ended, Outcome(Status.ERROR, failure))
                _set(self._rolled_back, TakenBack())
            case _:
                pass

    def _write(self, stream: Stream, text: str) -> None:
        """Keep what it writes, up to as much as a result may hold."""
        kept = text[: max(0, LONGEST_RESULT - len(self._written[stream]))]
        self._written[stream] += kept
        self._left_out[stream] += len(text) - len(kept)

    def given(self, result: str | None) -> Given:
        """What it gave: its rows or, as text, all that a call of it shows."""
        out = self._text(Stream.STDOUT)
        if result is not None:
            out += ("\n" if out and not out.endswith("\n") else "") + result
        shown = out.rstrip("\n")
        value = Printed(shown) if self._data is None else self._data
        return Given(value, shown, shown or None, self._text(Stream.STDERR))

    def failed(self, outcome: Outcome, step: int) -> Failed:
        """How it failed. Its code is that of a step, for who reads where."""
        failure = outcome.failure
        if failure is not None:
            names = f"<call {self.unit.call * _MOST + step}>", f"<step ${step}>"
            message, traceback = failure.message.replace(*names), failure.traceback.replace(*names)
            failure = replace(failure, message=message, traceback=traceback)
            outcome = replace(outcome, failure=failure)
        return Failed(outcome, self._text(Stream.STDOUT), self._text(Stream.STDERR))

    def _text(self, stream: Stream) -> str:
        left_out = self._left_out[stream]
        more = f"… ({left_out} characters more)" if left_out else ""
        return self._written[stream] + more

    async def take_back(self) -> TakenBack:
        """Take it back."""
        if self.inner is None:
            return TakenBack()
        if not self.died:
            self.inner.roll_back()
        return await self._rolled_back


class StepCalls:
    """Those of one plan. They count together, or not at all."""

    def __init__(self, inner: Inner | None) -> None:
        self._inner = inner
        self._calls: dict[int, StepCall] = {}  # by the indices of their units
        self._taken_back = self._settled = False

    def __bool__(self) -> bool:
        return bool(self._calls)

    def any_before(self, index: int) -> bool:
        """Whether a step up to that one is such a call."""
        return any(each <= index for each in self._calls)

    async def answer(
        self,
        unit: UnitKey,
        number: int,
        tool: SessionTool,
        text: str,
        counts: asyncio.Future[bool],
    ) -> Given | Failed:
        """Make the call of the step with that number. Returns what it gave, or how it failed."""
        assert self._inner is not None
        call = self._calls[unit.index] = StepCall(unit)
        own = unit.call * _MOST + number
        try:
            call.inner = self._inner.call(unit, own, tool.tool, text, counts, call.hear)
            call.inner.begin()
        except Exception as problem:  # noqa: BLE001 - of the tool's own code, any
            call.hear(Ended(own, Outcome(Status.ERROR, failure_of(problem)), time.monotonic()))
        try:
            outcome = await asyncio.shield(call.ended)
        except asyncio.CancelledError:
            if call.inner is not None and not call.ended.done():
                call.inner.cancel()
            raise
        if outcome.status is Status.OK:
            return call.given(outcome.result)
        return call.failed(outcome, number)

    async def take_back(self) -> TakenBack:
        """Take all back once it has ended, the last step first."""
        if self._taken_back:
            return TakenBack()
        self._taken_back = True
        calls = [self._calls[index] for index in sorted(self._calls, reverse=True)]
        for call in calls:
            await call.ended
        lost: dict[str, None] = {}
        not_undone: dict[str, None] = {}
        for call in calls:
            taken_back = await call.take_back()
            lost |= dict.fromkeys(taken_back.lost)
            not_undone |= dict.fromkeys(taken_back.not_undone)
        self.commit()
        return TakenBack(tuple(lost), tuple(not_undone))

    def gone(self, outcome: Outcome, failed: int) -> tuple[str, ...]:
        """What else is gone where a sandbox died, given what the outcome says and whose it is."""
        failure = outcome.failure
        if failure is not None and failure.kind == "sandbox_died":
            others = (it for index, it in self._calls.items() if index < failed and not it.died)
            return (_UNDONE,) if any(others) else ()
        return (_GONE,) if any(it.died for it in self._calls.values()) else ()

    def commit(self) -> None:
        """What they did, or what is left of it, stays."""
        if not self._settled:
            self._settled = True
            for _, call in sorted(self._calls.items()):
                if call.inner is not None:
                    call.inner.commit()


def _set(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)
