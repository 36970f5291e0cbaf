"""One tool call while it is decoded and run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from conveyor_cli.engine import events
from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.events import (
    CallClosed,
    CallEnded,
    CheckpointTaken,
    Emit,
    OutputReceived,
    UnitFinished,
    UnitHeld,
    UnitReady,
    UnitSkipped,
    UnitStarted,
)
from conveyor_cli.engine.gate import Gate
from conveyor_cli.engine.policy import Mode, may_start
from conveyor_sandbox.reports import (
    Checkpoint,
    Died,
    Ended,
    Failure,
    Finished,
    Outcome,
    Output,
    Report,
    Restarted,
    RolledBack,
    Skipped,
    Started,
    Status,
    Stream,
    UnitKey,
)
from conveyor_tools.splitters.base import Splitter, Unit

CRASHED = "the interpreter was lost and is as it was before the call; files stay as they are"


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
        lane: str,
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
        self._lane = lane
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
        self.completed: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        """The whole text, once it has ended; None if it is not complete."""
        self._rolled_back = asyncio.Event()
        self._died = False
        self.crashed = False
        """Whether the interpreter was lost, and went back to its state before the call."""
        self.lost: tuple[str, ...] = ()
        """What of earlier calls is gone with this one, or was when it began."""
        self.over = False
        """Whether the model has been told of it; nothing that happens now can be added."""

    @property
    def emit(self) -> Emit:
        """Where the facts of this call go."""
        return self._emit

    @property
    def clock(self) -> RunClock:
        """The clock of its run."""
        return self._clock

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
        if not self.completed.done():
            self.completed.set_result("".join(self._text) if complete else None)
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
            case Checkpoint(took, resident, why_not, at):
                at = self._clock.at(at)
                self._emit(CheckpointTaken(at, self._lane, took, resident, why_not))
            case Ended() | RolledBack() | Restarted() | Died():
                self._hear_end(report)

    def _hear_end(self, report: Ended | RolledBack | Restarted | Died) -> None:
        match report:
            case Ended(_, outcome, _):
                if not self._ended.done():
                    self._ended.set_result(outcome)
            case RolledBack(_, lost, at):
                self._note_undone(lost, at)
                self._rolled_back.set()
            case Restarted(_, lost, at):
                self.crashed = True
                self._note_undone(lost, at, CRASHED)
            case Died(reason, _):
                self._died = True
                self._rolled_back.set()
                if not self._ended.done():
                    failure = Failure("sandbox_died", "SandboxDied", reason)
                    self._ended.set_result(Outcome(Status.ERROR, failure))
                self._on_ended_early()

    def _note_undone(self, lost: tuple[str, ...], at: float, *also: str) -> None:
        self.lost += lost
        gone = f"gone with it: {', '.join(lost)}" if lost else ""
        what = "; ".join(filter(None, (*also, gone)))
        self._emit(events.RolledBack(self._clock.at(at), self.number, what))

    def _skip(self, key: UnitKey, at: float) -> None:
        self.skipped.append(key.index)
        self._emit(UnitSkipped(at, key))

    # The outcome

    async def settle(self) -> Outcome:
        """Wait until the call is over; take it back where it was invalid or not complete."""
        outcome = self._judge(await self._ended)
        if not self._died and outcome.status is not Status.SKIPPED:
            if self._ran and outcome.status in (Status.ROLLED_BACK, Status.CANCELLED):
                self._session.roll_back(self.number)
                await self._rolled_back.wait()
            self._session.commit()
        self.over = True
        self._emit(CallEnded(self._clock.now(), self.number, outcome))
        return outcome

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
