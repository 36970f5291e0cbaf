"""One tool call while it is decoded and run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from conveyor_cli.engine import events
from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.consent import Consent
from conveyor_cli.engine.events import (
    CallClosed,
    CallEnded,
    CheckpointTaken,
    Emit,
    OutputReceived,
    UnitFinished,
    UnitHeld,
    UnitProgressed,
    UnitReady,
    UnitSkipped,
    UnitStarted,
)
from conveyor_cli.engine.gate import Gate
from conveyor_cli.engine.places import Place
from conveyor_cli.engine.policy import Mode, may_start
from conveyor_cli.engine.release import Release
from conveyor_cli.engine.verdict import Abandoned, Circumstances
from conveyor_cli.engine.written import WrittenText
from conveyor_sandbox.reports import (
    Checkpoint,
    Died,
    Ended,
    Failure,
    FileMade,
    Finished,
    Outcome,
    Output,
    Progressed,
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
from conveyor_tools.tool import Tool

CRASHED = "the interpreter was lost and is as it was before the call; files stay as they are"
SHELL_ENDED = "the shell ended and is as it was before the call; files stay as they are"


class OpenCall:
    """A call from the first character of its text to its outcome.

    Text comes in through `feed`, and ends with `close`, `abandon` or `invalidate` (or `skip`, where
    nothing of it counts), reports of its units through `hear`; `settle` waits for the outcome.
    `on_ended_early` is told as soon as a unit ends the call, `place` says where its text stands.
    """

    def __init__(
        self,
        turn: int,
        number: int,
        tool: Tool,
        splitter: Splitter,
        gate: Gate,
        consent: Consent,
        mode: Mode,
        emit: Emit,
        clock: RunClock,
        on_ended_early: Callable[[], None],
        place: Place,
    ) -> None:
        self.number = number
        self.tool = tool
        self.units: list[Unit] = []
        self.skipped: list[int] = []
        self.output = {Stream.STDOUT: "", Stream.STDERR: ""}
        self.files: list[FileMade] = []  # that its tool made on this side of the sandbox
        self.last_unit: int | None = None
        """The unit that ended the call before its text did."""
        self._turn = turn
        self.written = WrittenText(splitter)
        self._gate = gate
        self._emit = emit
        self._clock = clock
        self._on_ended_early = on_ended_early
        self._place = place
        self._in_units = 0  # characters of its text
        self._release = Release(number, gate, mode, consent, self._skip_now, self._deny)
        self._closed = False
        self._befell = Circumstances()
        self._begun: set[int] = set()
        self._ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.completed: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        """The whole text, once it has ended; None if it is not complete."""
        self._rolled_back = asyncio.Event()
        self._died = False
        self.crashed = False
        """Whether the interpreter was lost, and went back to its state before the call."""
        self.lost: tuple[str, ...] = ()
        """What of earlier calls is gone with this one, or was when it began."""
        self.not_undone: tuple[str, ...] = ()
        """What of this one stays although it was taken back."""
        self.counts = False
        """Whether it ended, well or not, and was not taken back."""
        self.over = False
        """Whether the model has been told of it; nothing that happens now can be added."""
        if may_start(mode, call_closed=False):
            gate.prepare(number)

    @property
    def emit(self) -> Emit:
        """Where the facts of this call go."""
        return self._emit

    @property
    def clock(self) -> RunClock:
        """The clock of its run."""
        return self._clock

    # Text, from the dialect

    @property
    def rejected_at(self) -> int | None:
        """How many characters it takes to see that the text cannot become a valid call's."""
        return self.written.rejected_at

    @property
    def closed(self) -> bool:
        """Whether its text has ended, as far as it counts."""
        return self._closed

    def feed(self, text: str, at: float) -> None:
        """More of the call's text, decoded at that time of the run."""
        self._take(self.written.feed(text), at)

    def close(self, at: float, length: int | None = None) -> None:
        """The text is complete, or was so after `length` characters already."""
        if length is not None:
            self.written.truncate(length)
        self.flush(at)
        if self.rejected_at is not None:
            self.reject(at)
        else:
            self._end_text(at, complete=True)
            self._release.complete(self.written.text)

    def flush(self, at: float) -> None:
        """No more text comes, though the call is not closed: what is left of it may be run."""
        self._take(self.written.flush(), at)

    def reject(self, at: float) -> None:
        """What was fed cannot become a valid call, as the splitter found."""
        assert self.written.problem is not None
        self.invalidate(self.written.problem, at)

    def invalidate(self, failure: Failure, at: float) -> None:
        """The text turned out not to be the call's: what of it is released runs, and is undone.

        As with a syntax error further down, a unit that fails on the way wins, in both modes.
        """
        # What partial execution would have seen first counts.
        self._befell.invalid = self.written.problem or failure
        self._end_text(at, complete=False)
        self._release.invalid()

    def skip(self) -> None:
        """The response ended before it: nothing of it counts, or runs any more."""
        if not self._closed:
            self._end_text(self._clock.now(), complete=False)
        self._befell.dropped = True
        self._gate.cancel(self.number)
        self._release.drop()
        for unit in self.units:
            if unit.index not in self.skipped and unit.index not in self._begun:
                self._skip_now(UnitKey(self.number, unit.index))

    def abandon(self, why: Abandoned, at: float) -> None:
        """The text ends here, incomplete; units that were not released never run."""
        if self._befell.abandoned is None:
            self._befell.abandoned = why
            if why is not Abandoned.UNIT_FAILED:
                self._gate.cancel(self.number)
        if not self._closed:
            self._end_text(at, complete=False)
        self._release.drop()

    def _end_text(self, at: float, *, complete: bool) -> None:
        self._closed = True
        text = self.written.text
        if not self.completed.done():
            self.completed.set_result(text if complete else None)
        end = self._place(len(text))
        self._emit(CallClosed(at, self._turn, self.number, text, complete, end))

    def _take(self, units: list[Unit], at: float) -> None:
        """Release new units, or hold them, as the policy says."""
        for unit in units:
            self._in_units += len(unit.text)
            if unit.blank:
                continue
            key = UnitKey(self.number, unit.index)
            self.units.append(unit)
            end = self._place(self._in_units)
            self._emit(UnitReady(at, key, unit.span, unit.text, unit.after, unit.external, end))
            if not self._release.take(unit):
                self._emit(UnitHeld(at, key))

    def _deny(self, why: str) -> None:
        self._befell.denied = Failure("denied", "Denied", why)

    # Reports, from the session

    def hear(self, report: Report) -> None:
        """What the session reports of this call, or of what goes on after it."""
        match report:
            case Started() | Progressed() | Finished() | Skipped() if self._befell.dropped:
                pass
            case Started(unit, at):
                self._begun.add(unit.index)
                self._emit(UnitStarted(self._clock.at(at), unit))
            case Output() | Progressed() | FileMade():
                self._hear_made(report)
            case Finished(unit, outcome, started_at, at):
                started = self._clock.at(started_at)
                self._emit(UnitFinished(self._clock.at(at), unit, started, outcome))
                counts = self.last_unit is None and not self._befell.taken_back
                if outcome.ends_call and counts:
                    self.last_unit = unit.index
                    self._on_ended_early()
                self._release.ended(unit.index, well=not outcome.ends_call)
            case Skipped(unit, at):
                self._skip(unit, self._clock.at(at))
                self._release.ended(unit.index, well=False)
            case Checkpoint(took, resident, why_not, at):
                at = self._clock.at(at)
                self._emit(CheckpointTaken(at, self.tool.lane, took, resident, why_not))
            case Ended() | RolledBack() | Restarted() | Died():
                self._hear_end(report)

    def _hear_made(self, report: Output | Progressed | FileMade) -> None:
        match report:
            case Output(unit, stream, text, at):
                self.output[stream] += text
                self._emit(OutputReceived(self._clock.at(at), unit, stream, text))
            case Progressed(unit, text, fraction, at):
                self._emit(UnitProgressed(self._clock.at(at), unit, text, fraction))
            case FileMade():
                self.files.append(report)

    def _hear_end(self, report: Ended | RolledBack | Restarted | Died) -> None:
        match report:
            case Ended(_, outcome, _):
                if not self._ended.done():
                    self._ended.set_result(outcome)
            case RolledBack(_, lost, at, not_undone):
                self._note_undone(lost, at, not_undone)
                self._rolled_back.set()
            case Restarted(reason, lost, at):
                self.crashed = True
                why = SHELL_ENDED if reason == "shell" else CRASHED
                self._note_undone(lost, at, why=why)
            case Died(reason, _):
                self._died = True
                self._rolled_back.set()
                self._release.drop()
                if not self._ended.done():
                    failure = Failure("sandbox_died", "SandboxDied", reason)
                    self._ended.set_result(Outcome(Status.ERROR, failure))
                self._on_ended_early()

    def _note_undone(
        self, lost: tuple[str, ...], at: float, not_undone: tuple[str, ...] = (), *, why: str = ""
    ) -> None:
        self.lost += lost
        self.not_undone += not_undone
        gone = f"gone with it: {', '.join(lost)}" if lost else ""
        stays = f"not undone: {', '.join(not_undone)}" if not_undone else ""
        what = "; ".join(filter(None, (why, gone, stays)))
        self._emit(events.RolledBack(self._clock.at(at), self.number, what))

    def _skip_now(self, key: UnitKey) -> None:
        self._skip(key, self._clock.now())

    def _skip(self, key: UnitKey, at: float) -> None:
        self.skipped.append(key.index)
        self._emit(UnitSkipped(at, key))

    # The outcome

    async def settle(self) -> Outcome:
        """Wait until the call is over; take it back where it was invalid or not complete."""
        outcome = Outcome(Status.SKIPPED)
        if not self._befell.dropped:
            reported = await self._ended
            outcome = self._befell.judge(reported, ended_early=self.last_unit is not None)
            if not self._died:
                await self._keep(outcome)
        self.over = True
        self.counts = outcome.status in (Status.OK, Status.ERROR, Status.TIMEOUT)
        self._emit(CallEnded(self._clock.now(), self.number, outcome))
        return outcome

    async def _keep(self, outcome: Outcome) -> None:
        """What it did stays, or is taken back."""
        if self._begun and outcome.status in (Status.ROLLED_BACK, Status.CANCELLED):
            self._gate.roll_back(self.number)
            await self._rolled_back.wait()
        self._gate.commit()
