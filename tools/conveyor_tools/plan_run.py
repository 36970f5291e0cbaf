"""One plan while it runs: each step as soon as the steps that it waits for have ended well.

What comes of a plan is what would come of it if its steps ran one after another. So the step that
fails is the first in the text that does, not the first in time: what stands before a failed step
goes on, and may fail itself; what stands after it is stopped, and what of that was done already
does not count.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from heapq import heappop, heappush
from typing import Any

from conveyor_sandbox.reports import (
    Ended,
    Failure,
    Finished,
    Outcome,
    Output,
    Report,
    Skipped,
    Started,
    Status,
    Stream,
    UnitKey,
)
from conveyor_tools.errors import ToolError
from conveyor_tools.function import Answer, Effects, FunctionTool
from conveyor_tools.place import Refusal
from conveyor_tools.plan_values import Step, resolve

_AT_ONCE = 16
"""Steps that run side by side."""
_SHOWN = 1000
"""Characters of a step's result in the output; the last step's stands there whole, as result."""


class _State(Enum):
    WAITING = auto()
    RUNNING = auto()
    DONE = auto()
    FAILED = auto()
    CANCELLED = auto()


@dataclass(slots=True)
class _Running:
    """One step: what it waits for, and what became of it."""

    key: UnitKey
    step: Step
    waits: set[int]
    state: _State = _State.WAITING
    began: bool = False
    """Whether its tool was called; it may still be asked about, before."""
    started_at: float = 0.0
    ended_at: float = 0.0
    answer: Answer | None = None
    task: asyncio.Task[None] | None = None


class PlanRun:
    """The steps of one call. Those with effects may be added later than others behind them."""

    def __init__(
        self,
        call: int,
        functions: Mapping[str, FunctionTool],
        refusal: Refusal,
        prepared: Callable[[str], Awaitable[None] | None],
        report: Callable[[Report], None],
    ) -> None:
        self.effects: list[str] = []
        """What steps did, or may have done, that cannot be taken back."""
        self._call = call
        self._functions = functions
        self._refusal = refusal
        self._prepared = prepared
        self._report = report
        self._steps: dict[int, _Running] = {}  # by the indices of their units
        self._waiting: defaultdict[int, list[_Running]] = defaultdict(list)  # by what they wait for
        self._ready: list[int] = []
        self._running = 0
        self._results: dict[int, Any] = {}  # by the steps' numbers
        self._first_failed: int | None = None  # in the text, as far as is known
        self._settled = 0  # all units before this one have ended well, or are no steps
        self._last: _Running | None = None  # the last of these steps
        self._over = False  # no more steps run
        self._outcome: Outcome | None = None  # of the call, if a step or the user ended it
        self._closed = False
        self.ended = False
        """Whether all of it is over."""

    def add(self, key: UnitKey, step: Step, after: tuple[int, ...]) -> None:
        """Run a step, once the units that it comes after have ended well."""
        if self._over:
            self._report(Skipped(key, time.monotonic()))
            return
        waits = {unit for unit in after if not self._is_done(unit)}
        running = self._steps[key.index] = _Running(key, step, waits)
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

    # Running

    def _start_ready(self) -> None:
        while self._ready and self._running < _AT_ONCE:
            running = self._steps[heappop(self._ready)]
            if running.state is _State.WAITING and not self._is_void(running.key.index):
                running.state = _State.RUNNING
                self._running += 1
                running.task = asyncio.create_task(self._run(running))

    def _is_void(self, unit: int) -> bool:
        """Whether a step before it has failed."""
        return self._first_failed is not None and unit > self._first_failed

    def _is_done(self, unit: int) -> bool:
        return unit in self._steps and self._steps[unit].state is _State.DONE

    async def _run(self, running: _Running) -> None:
        answer = await self._answer(running)
        if running.state is not _State.RUNNING:  # it was stopped, and did not stop at once
            return
        self._running -= 1
        running.ended_at = time.monotonic()
        running.answer = answer
        if answer.failure is None:
            self._done(running, answer.result or "null")
        else:
            if answer.failure.kind == "arguments":  # of a step that ran, not of the whole call
                running.answer = Answer(None, replace(answer.failure, kind="exception"))
            running.state = _State.FAILED
            self._first_failed = running.key.index
            self._stop_after(running.key.index)
        self._settle()
        self._start_ready()

    async def _answer(self, running: _Running) -> Answer:
        """Call the tool. What is wrong with the arguments, or with calling it, is an answer."""
        function = self._functions[running.step.tool]
        refused: Failure | None = None
        arguments: dict[str, Any] = {}
        try:
            arguments = resolve(running.step.arguments, self._results)
        except ToolError as problem:
            refused = Failure("exception", "ToolError", str(problem))
        effects = function.effects_of(arguments)
        if refused is None:
            text = json.dumps(arguments, ensure_ascii=False)
            why = await self._refusal(function.name, effects, text)
            refused = None if why is None else Failure("denied", "ToolError", why)
        running.began = True
        running.started_at = time.monotonic()
        self._report(Started(running.key, running.started_at))
        if refused is not None:
            return Answer(None, refused)
        if effects is not Effects.PURE:
            self.effects.append(f"what {function.name} did (${running.step.number})")
        return await function.call(arguments, prepared=self._prepared(function.name))

    def _done(self, running: _Running, result: str) -> None:
        running.state = _State.DONE
        self._results[running.step.number] = json.loads(result)
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
            if running.key.index > index and running.state is _State.RUNNING:
                running.state, running.ended_at = _State.CANCELLED, now
                self._running -= 1
                if running.task is not None:
                    running.task.cancel()

    # What is told

    def _settle(self) -> None:
        """Go through the steps in the order of the text, as far as they have ended well."""
        while not self._over and (running := self._next()) is not None:
            if running.state is _State.DONE:
                self._tell_result(running)
            elif running.state is _State.FAILED:
                assert running.answer is not None
                failure = running.answer.failure
                timeout = failure is not None and failure.kind == "timeout"
                self._finish(Outcome(Status.TIMEOUT if timeout else Status.ERROR, failure))
            elif self._closed and running.waits - self._steps.keys():
                self._finish(Outcome(Status.SKIPPED))  # what it waits for was never let through
            else:
                return
        if self._closed and not self.ended:
            self.ended = True
            last = self._last.answer if self._last is not None else None
            result = None if last is None else last.shown
            outcome = self._outcome or Outcome(Status.OK, result=result)
            self._report(Ended(self._call, outcome, time.monotonic()))

    def _next(self) -> _Running | None:
        """The first step that is not settled. A gap is one that may still come, until the end."""
        if self._closed:
            behind = [unit for unit in self._steps if unit >= self._settled]
            self._settled = min(behind, default=self._settled)
        return self._steps.get(self._settled)

    def _tell_result(self, running: _Running) -> None:
        self._settled += 1
        self._last = running
        assert running.answer is not None
        text = running.answer.result or "null"
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        line = f"${running.step.number} = {shown}\n"
        self._report(Output(running.key, Stream.STDOUT, line, time.monotonic()))

    def _finish(self, outcome: Outcome) -> None:
        """Nothing from the first unsettled step on counts: the outcome is its own, if it failed."""
        self._over = True
        self._outcome = outcome
        cancelled = outcome.status is Status.CANCELLED
        for unit, running in sorted(self._steps.items()):
            if unit < self._settled:
                continue
            failed = unit == self._settled and running.state is _State.FAILED
            if running.began and running.state is not _State.DONE:
                ended = outcome if failed else Outcome(Status.CANCELLED)
                self._report(Finished(running.key, ended, running.started_at, running.ended_at))
            if not failed and not (running.began and cancelled):  # else the engine takes it back
                self._report(Skipped(running.key, time.monotonic()))
