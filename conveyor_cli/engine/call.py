"""One tool call while it is decoded and run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.events import (
    CallClosed,
    CallEnded,
    Emit,
    OutputReceived,
    RolledBack,
    UnitFinished,
    UnitHeld,
    UnitReady,
    UnitSkipped,
    UnitStarted,
)
from conveyor_cli.engine.gate import Gate
from conveyor_cli.engine.policy import Mode, may_start
from conveyor_sandbox.reports import (
    Died,
    Ended,
    Failure,
    Finished,
    Outcome,
    Output,
    Report,
    Restarted,
    Skipped,
    Started,
    Status,
    Stream,
    UnitKey,
)
from conveyor_tools.splitters.base import Splitter, Unit

LOST = "the interpreter started afresh: variables are gone, files stay"


class Abandoned(Enum):
    """Why a call ends before its text does."""

    UNIT_FAILED = "a unit failed"
    CUT_OFF = "the response was cut off before the call was complete"
    CANCELLED = "stopped by the user"
    LIMIT = "stopped at the run's time limit"


_TAKEN_BACK = (Abandoned.CUT_OFF, Abandoned.CANCELLED, Abandoned.LIMIT)
"""Where all of the call is undone, and which unit was the last to run is a matter of chance."""


class OpenCall:
    """A call from the first character of its text to its outcome.

    Text comes in through `feed`, and ends with `close`, `abandon` or `invalidate` (or `skip`, where
    nothing of it may run), reports of its units through `hear`; `settle` waits for the outcome.
    `on_ended_early` is told as soon as a unit ends the call.
    """

    def __init__(
        self,
        turn: int,
        number: int,
        splitter: Splitter,
        session: Gate,
        mode: Mode,
        emit: Emit,
        clock: RunClock,
        on_ended_early: Callable[[], None],
    ) -> None:
        self.number = number
        self.splitter = splitter
        self.units: list[Unit] = []
        self.skipped: list[int] = []
        self.output = {Stream.STDOUT: "", Stream.STDERR: ""}
        self.last_unit: int | None = None
        """The unit that ended the call before its text did."""
        self._turn = turn
        self._session = session
        self._mode = mode
        self._emit = emit
        self._clock = clock
        self._on_ended_early = on_ended_early
        self._text: list[str] = []
        self._held: list[UnitKey] = []
        self._closed = False
        self._flushed = False
        self._abandoned: Abandoned | None = None
        self._invalid: Failure | None = None
        self._ran = False
        self._ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._restarted = asyncio.Event()
        self._died = False
        self.lost = False
        """Whether the interpreter lost its state, in this call or just before it."""
        self.over = False
        """Whether the model has been told of it; nothing that happens now can be added."""

    # Text, from the dialect

    def feed(self, text: str, at: float) -> None:
        """More of the call's text, decoded at that time of the run."""
        self._text.append(text)
        self._take(self.splitter.feed(text), at)

    def close(self, at: float, length: int | None = None) -> None:
        """The text is complete, or was so after `length` characters already."""
        if length is not None:
            self._text = ["".join(self._text)[:length]]
            self.splitter.truncate(length)
        self.flush(at)
        self._end_text(at, complete=True)
        self._run_held()

    def flush(self, at: float) -> None:
        """No more text comes, though the call is not closed: what is left of it may be run."""
        if not self._flushed:
            self._flushed = True
            self._take(self.splitter.flush(), at)

    def invalidate(self, failure: Failure, at: float) -> None:
        """The text turned out not to be the call's: what of it is released runs, and is undone.

        As with a syntax error further down, a unit that fails on the way wins, in both modes.
        """
        self._invalid = failure
        self._end_text(at, complete=False)
        self._run_held()

    def skip(self) -> None:
        """The response ended before it: nothing of it runs."""
        at = self._clock.now()
        if not self._closed:
            self._end_text(at, complete=False)
        for unit in self.units:
            if unit.index not in self.skipped:
                self._skip(UnitKey(self.number, unit.index), at)
        self._ended.set_result(Outcome(Status.SKIPPED))

    def _run_held(self) -> None:
        for key in self._held:
            self._session.run(key, self.units[key.index])
        self._session.end(self.number)

    def abandon(self, why: Abandoned, at: float) -> None:
        """The text ends here, incomplete; units that were not released never run."""
        if self._abandoned is None:
            self._abandoned = why
            if why is not Abandoned.UNIT_FAILED:
                self._session.cancel(self.number)
        if not self._closed:
            self._end_text(at, complete=False)
            for key in self._held:
                self._skip(key, at)
            self._session.end(self.number)

    def _end_text(self, at: float, *, complete: bool) -> None:
        self._closed = True
        self._emit(CallClosed(at, self._turn, self.number, "".join(self._text), complete))

    def _take(self, units: list[Unit], at: float) -> None:
        """Release new units, or hold them, as the policy says."""
        for unit in units:
            if unit.blank:
                continue
            key = UnitKey(self.number, unit.index)
            self.units.append(unit)
            self._emit(UnitReady(at, key, unit.span, unit.text))
            if may_start(self._mode, call_closed=self._closed):
                self._session.run(key, unit)
            else:
                self._held.append(key)
                self._emit(UnitHeld(at, key))

    # Reports, from the session

    def hear(self, report: Report) -> None:
        """What the session reports of this call, or of what goes on after it."""
        match report:
            case Started(unit, at):
                self._ran = True
                self._emit(UnitStarted(self._clock.at(at), unit))
            case Output(unit, stream, text, at):
                self.output[stream] += text
                self._emit(OutputReceived(self._clock.at(at), unit, stream, text))
            case Finished(unit, outcome, started_at, at):
                started = self._clock.at(started_at)
                self._emit(UnitFinished(self._clock.at(at), unit, started, outcome))
                taken_back = self._abandoned in _TAKEN_BACK
                if outcome.ends_call and self.last_unit is None and not taken_back:
                    self.last_unit = unit.index
                    self._on_ended_early()
            case Skipped(unit, at):
                self._skip(unit, self._clock.at(at))
            case Ended() | Restarted() | Died():
                self._hear_end(report)

    def _hear_end(self, report: Ended | Restarted | Died) -> None:
        match report:
            case Ended(_, outcome, _):
                if not self._ended.done():
                    self._ended.set_result(outcome)
            case Restarted(_, at):
                self.lost = True
                self._emit(RolledBack(self._clock.at(at), self.number, LOST))
                self._restarted.set()
            case Died(reason, _):
                self._died = True
                self._restarted.set()
                if not self._ended.done():
                    failure = Failure("sandbox_died", "SandboxDied", reason)
                    self._ended.set_result(Outcome(Status.ERROR, failure))
                self._on_ended_early()

    def _skip(self, key: UnitKey, at: float) -> None:
        self.skipped.append(key.index)
        self._emit(UnitSkipped(at, key))

    # The outcome

    async def settle(self) -> Outcome:
        """Wait until the call is over; take it back where it was invalid or not complete."""
        outcome = self._judge(await self._ended)
        if self._must_undo(outcome) and not self._died:
            self._restarted.clear()  # a worker that was killed on the way has restarted before
            self._session.roll_back(self.number)
            await self._restarted.wait()
        self.over = True
        self._emit(CallEnded(self._clock.now(), self.number, outcome))
        return outcome

    def _must_undo(self, outcome: Outcome) -> bool:
        """Whether the call left something to take back.

        A rollback still costs earlier variables. So that both modes tell the model the same, it is
        done wherever partial execution could have run something, even if nothing ran.
        """
        if outcome.status is Status.CANCELLED:
            return self._ran
        return outcome.status is Status.ROLLED_BACK and bool(self.units)

    def _judge(self, outcome: Outcome) -> Outcome:
        """The call's own outcome, given how its units ended."""
        failure = outcome.failure
        skipped = outcome.status is Status.SKIPPED
        if skipped or (failure is not None and failure.kind == "sandbox_died"):
            return outcome
        if self._abandoned is Abandoned.CUT_OFF:
            failure = Failure("cut_off", "CutOff", self._abandoned.value)
            return Outcome(Status.ROLLED_BACK, failure)
        if self._abandoned in (Abandoned.CANCELLED, Abandoned.LIMIT):
            traceback = failure.traceback if failure else ""
            failure = Failure("interrupt", "KeyboardInterrupt", self._abandoned.value, traceback)
            return Outcome(Status.CANCELLED, failure)
        if self._invalid is not None and self.last_unit is None:
            return Outcome(Status.ROLLED_BACK, self._invalid)
        if failure is not None and failure.kind == "syntax":
            return replace(outcome, status=Status.ROLLED_BACK)
        return outcome
