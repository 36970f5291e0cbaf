"""One plan while it runs: each step as soon as the steps that it waits for have ended well.

What comes of a plan is what would come of it if its steps ran one after another. So the step that
fails is the first in the text that does, not the first in time: what stands before a failed step
goes on, and may fail itself; what stands after it is stopped, and what of that was done already
does not count. Then all that the plan changed in states that can be brought back is undone.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from heapq import heappop, heappush
from typing import Any

from conveyor_sandbox.reports import (
    Ended,
    Failure,
    Finished,
    Outcome,
    Output,
    Report,
    RolledBack,
    Skipped,
    Started,
    Status,
    Stream,
    UnitKey,
)
from conveyor_tools.place import Place
from conveyor_tools.plan_caller import StepCaller
from conveyor_tools.plan_calls import StepCalls
from conveyor_tools.plan_running import Running, State
from conveyor_tools.plan_values import Given, Step

_AT_ONCE = 16
"""Steps that run side by side."""
_SHOWN = 1000
"""Characters of a step's result in the output; the last step's stands there whole, as result."""


_UNDONE = "what the steps of this plan changed was undone"
_PARTLY = "what the steps of this plan changed was undone in part"


class PlanRun:
    """The steps of one call. Those with effects may be added later than others behind them."""

    def __init__(
        self,
        call: int,
        place: Place,
        prepared: Callable[[str], Awaitable[None] | None],
        report: Callable[[Report], None],
    ) -> None:
        self._call = call
        self.calls = StepCalls(place.inner)
        """Steps that are calls of tools with sessions: they count together, or not at all."""
        self._caller = StepCaller(place, self.calls, prepared)
        self._report = report
        self._steps: dict[int, Running] = {}  # by the indices of their units
        self._furthest = 0  # the last of these units
        self._waiting: defaultdict[int, list[Running]] = defaultdict(list)  # by what they wait for
        self._ready: list[int] = []
        self._running = 0
        self._results: dict[int, Any] = {}  # by the steps' numbers
        self._first_failed: int | None = None  # in the text, as far as is known
        self._settled = 0  # all units before this one have ended well, or are no steps
        self._last: Running | None = None  # the last of these steps
        self._over = False  # no more steps run
        self._outcome: Outcome | None = None  # of the call, if a step or the user ended it
        self._closed = False
        self._undoing: asyncio.Task[None] | None = None
        self.ended = False
        """Whether all of it is over."""

    def add(self, key: UnitKey, step: Step, after: tuple[int, ...]) -> None:
        """Run a step, once the units that it comes after have ended well."""
        if self._over:
            self._report(Skipped(key, time.monotonic()))
            return
        waits = {unit for unit in after if not self._is_done(unit)}
        running = self._steps[key.index] = Running(key, step, waits)
        self._furthest = max(self._furthest, key.index)
        for unit in waits:
            self._waiting[unit].append(running)
        if not waits:
            heappush(self._ready, key.index)
        self._start_ready()

    def end(self) -> None:
        """No more steps come."""
        self._closed = True
        self._settle()

    def cancel(self) -> None:
        """Stop what runs; nothing of the plan counts."""
        if not self._over:
            failure = Failure("interrupt", "KeyboardInterrupt", "the plan was stopped")
            self._stop_after(-1)
            self._finish(Outcome(Status.CANCELLED, failure))
            self._settle()

    @property
    def effects(self) -> list[str]:
        """What steps did, or may have done, that cannot be taken back."""
        return self._caller.effects

    def close(self) -> None:
        """End it. Nothing is reported any more that was not yet."""
        self.cancel()
        if self._undoing is not None:
            self._undoing.cancel()

    # Running

    def _start_ready(self) -> None:
        while self._ready and self._running < _AT_ONCE:
            running = self._steps[heappop(self._ready)]
            if running.state is State.WAITING and not self._is_void(running.key.index):
                running.state = State.RUNNING
                self._running += 1
                running.task = asyncio.create_task(self._run(running))

    def _is_void(self, unit: int) -> bool:
        """Whether a step before it has failed."""
        return self._first_failed is not None and unit > self._first_failed

    def _is_done(self, unit: int) -> bool:
        return unit in self._steps and self._steps[unit].state is State.DONE

    async def _run(self, running: Running) -> None:
        begin, hear = partial(self._begin, running), partial(self._hear, running)
        found = await self._caller.make(
            running.key, running.step, self._results, running.counts, begin, hear
        )
        if running.state is not State.RUNNING:  # it was stopped, and did not stop at once
            return
        self._running -= 1
        running.ended_at = time.monotonic()
        if isinstance(found, Given):
            self._done(running, found)
        else:
            running.failed = found
            running.state = State.FAILED
            self._first_failed = running.key.index
            self._stop_after(running.key.index)
        self._settle()
        self._start_ready()

    def _begin(self, running: Running) -> None:
        """Its tool is called now."""
        running.began = True
        running.started_at = time.monotonic()
        self._report(Started(running.key, running.started_at))
        self._settle()  # all before it may have ended well

    def _hear(self, running: Running, report: Report) -> None:
        """What its tool says, unless it was stopped, and did not stop at once."""
        if running.state is State.RUNNING:
            self._report(report)

    def _done(self, running: Running, given: Given) -> None:
        running.state = State.DONE
        running.given = given
        self._results[running.step.number] = given.value
        self._report(
            Finished(running.key, Outcome(Status.OK), running.started_at, running.ended_at)
        )
        for waiting in self._waiting.pop(running.key.index, ()):
            waiting.waits.discard(running.key.index)
            if not waiting.waits:
                heappush(self._ready, waiting.key.index)

    def _stop_after(self, index: int) -> None:
        """Stop the steps that stand behind that one. They end now, whatever they still do."""
        now = time.monotonic()
        for running in self._steps.values():
            if running.key.index > index and running.state is State.RUNNING:
                running.state, running.ended_at = State.CANCELLED, now
                self._running -= 1
                if running.task is not None:
                    running.task.cancel()

    # What is told

    def _settle(self) -> None:
        """Go through the steps in the order of the text, as far as they have ended well."""
        while not self._over and (running := self._next()) is not None:
            if not running.counts.done():
                running.counts.set_result(True)
            if running.state is State.DONE:
                self._tell_result(running)
            elif running.state is State.FAILED:
                assert running.failed is not None
                self._tell(running, running.failed.out, running.failed.aside)
                self._finish(running.failed.outcome)
            elif self._closed and running.waits - self._steps.keys():
                self._finish(Outcome(Status.SKIPPED))  # what it waits for was never let through
            else:
                return
        if self._closed and not self.ended and self._undoing is None:
            self.ended = True
            last = self._last.given if self._last is not None else None
            result = None if last is None else last.whole
            outcome = self._outcome or Outcome(Status.OK, result=result)
            self._report(Ended(self._call, outcome, time.monotonic()))

    def _next(self) -> Running | None:
        """The first step that is not settled. A gap is one that may still come, until the end."""
        if self._closed:
            while self._settled < self._furthest and self._settled not in self._steps:
                self._settled += 1
        return self._steps.get(self._settled)

    def _tell_result(self, running: Running) -> None:
        self._settled += 1
        self._last = running
        given = running.given
        assert given is not None
        text = given.shown
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        between = "\n" if "\n" in shown else " "
        line = f"${running.step.number} ={between}{shown}".rstrip()
        self._tell(running, f"{line}\n", given.aside)
        for file in given.files:
            self._report(file)

    def _tell(self, running: Running, out: str, aside: str) -> None:
        for stream, text in ((Stream.STDERR, aside), (Stream.STDOUT, out)):
            if text:
                self._report(Output(running.key, stream, text, time.monotonic()))

    def _finish(self, outcome: Outcome) -> None:
        """Nothing from the first unsettled step on counts: the outcome is its own, if it failed."""
        self._over = True
        self._outcome = outcome
        cancelled = outcome.status is Status.CANCELLED
        for unit, running in sorted(self._steps.items()):
            if unit < self._settled:
                continue
            if not running.counts.done():
                running.counts.set_result(False)
            failed = unit == self._settled and running.state is State.FAILED
            if running.began and running.state is not State.DONE:
                ended = outcome if failed else Outcome(Status.CANCELLED)
                self._report(Finished(running.key, ended, running.started_at, running.ended_at))
            if not failed and not (running.began and cancelled):  # else the engine takes it back
                self._report(Skipped(running.key, time.monotonic()))
        if self.calls:
            self._undoing = asyncio.create_task(self._undo())

    def _with_undo(self, outcome: Outcome, undone: str) -> Outcome:
        """The plan's outcome, given that of its failed step: it says what was undone."""
        failure = outcome.failure
        failed = outcome.status in (Status.ERROR, Status.TIMEOUT)
        if failure is None or failure.kind == "sandbox_died" or not failed:
            return outcome
        if not self.calls.any_before(self._settled):
            return outcome
        # Of what is denied, a sentence is told that goes on.
        denied = failure.kind == "denied"
        told = f"; {undone}" if denied else f"\n{undone.capitalize()}."
        message = f"{failure.message}{told}"
        traceback = failure.traceback and f"{failure.traceback.rstrip()}{told}"
        return Outcome(outcome.status, replace(failure, message=message, traceback=traceback))

    async def _undo(self) -> None:
        lost, not_undone = await self.calls.take_back()
        not_undone = (*self.effects, *not_undone)
        if self._outcome is not None:
            lost += self.calls.gone(self._outcome, self._settled)
            self._outcome = self._with_undo(self._outcome, _PARTLY if not_undone else _UNDONE)
        if lost or not_undone:
            self._report(RolledBack(self._call, lost, time.monotonic(), not_undone))
        self._undoing = None
        self._settle()
