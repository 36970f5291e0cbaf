"""Steps that are calls of tools with sessions: what they gave, and how they are taken back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

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
from conveyor_tools.answer import LONGEST_RESULT
from conveyor_tools.place import Inner, InnerCall
from conveyor_tools.plan_tools import SessionTool
from conveyor_tools.plan_values import Failed, Given, Printed

_MOST = 10_000
"""More than there can be steps in a plan: numbers of calls in it have as many digits less one."""
_SHELL_ENDED = "(the shell ended: its folder and variables are what they were before the plan)\n"
_GONE = "variables and files of earlier code, with the sandbox"


class StepCall:
    """One of them: it gathers what its call reports."""

    def __init__(self, unit: UnitKey) -> None:
        self.unit = unit
        self.inner: InnerCall | None = None
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[Outcome] = loop.create_future()
        self.died = False
        self._rolled_back: asyncio.Future[tuple[str, ...]] = loop.create_future()
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
            case RolledBack(_, lost):
                _set(self._rolled_back, lost)
            case Died(reason):
                self.died = True
                failure = Failure("sandbox_died", "SandboxDied", reason)
                _set(self.ended, Outcome(Status.ERROR, failure))
                _set(self._rolled_back, ())
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

    async def take_back(self) -> tuple[str, ...]:
        """Take it back; what could not be, in words."""
        if self.inner is None:
            return ()
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
        inner = call.inner = self._inner.call(
            unit, unit.call * _MOST + number, tool.tool, text, counts, call.hear
        )
        inner.begin()
        try:
            outcome = await asyncio.shield(call.ended)
        except asyncio.CancelledError:
            if not call.ended.done():
                inner.cancel()
            raise
        if outcome.status is Status.OK:
            return call.given(outcome.result)
        return call.failed(outcome, number)

    async def take_back(self) -> tuple[str, ...]:
        """Take all back once it has ended, the last step first; what is lost, in words."""
        if self._taken_back:
            return ()
        self._taken_back = True
        calls = [self._calls[index] for index in sorted(self._calls, reverse=True)]
        for call in calls:
            await call.ended
        lost: list[str] = []
        for call in calls:
            lost += await call.take_back()
        self.commit()
        return tuple(dict.fromkeys(lost))

    def gone(self, outcome: Outcome) -> tuple[str, ...]:
        """What went with a sandbox, where the plan's outcome does not say so itself."""
        failure = outcome.failure
        told = failure is not None and failure.kind == "sandbox_died"
        return (_GONE,) if not told and any(it.died for it in self._calls.values()) else ()

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
