"""Calls that a session makes within a call, as a plan does: each on the lane of its tool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from conveyor_cli.engine import events
from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.events import (
    CheckpointTaken,
    Emit,
    Event,
    NestedCallFinished,
    NestedCallMade,
    NestedCallStarted,
)
from conveyor_cli.engine.lane import Lane, LaneCall
from conveyor_sandbox.reports import (
    Checkpoint,
    Ended,
    Outcome,
    Output,
    Report,
    Restarted,
    RolledBack,
    Status,
    UnitKey,
)
from conveyor_tools.splitters.base import Splitter, Unit
from conveyor_tools.tool import GivesData, Session, Tool

_CRASHED = "the interpreter was lost in a step"


class Lanes(Protocol):
    """The lanes of a run."""

    def lane(self, tool: Tool) -> Lane:
        """The lane of the tool's state."""

    def splitter(self, tool: Tool) -> Splitter:
        """A splitter for a call of the tool."""

    def open_call(self, number: int) -> LaneCall:
        """The call of that number, which is open."""


class InnerCalls:
    """Makes them, in one workplace."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes

    def call(
        self,
        unit: UnitKey,
        number: int,
        tool: Tool,
        text: str,
        counts: asyncio.Future[bool],
        listener: Callable[[Report], None],
    ) -> InnerCall:
        """A call that a unit makes."""
        caller = self._lanes.open_call(unit.call)
        return InnerCall(unit, number, tool, text, counts, listener, caller, self._lanes)


class InnerCall:
    """One of them: a call on its lane as others are, but for what becomes of it.

    Its reports go to who made it, what its code calls is shown as called by the unit of that. It is
    over when the call around it is.
    """

    def __init__(
        self,
        unit: UnitKey,
        number: int,
        tool: Tool,
        text: str,
        counts: asyncio.Future[bool],
        listener: Callable[[Report], None],
        caller: LaneCall,
        lanes: Lanes,
    ) -> None:
        self.number = number
        self.over = False
        self.lost: tuple[str, ...] = ()
        self._unit = unit
        self._tool = tool
        self._text = text
        self._counts = counts
        self._listener = listener
        self._caller = caller
        self._lanes = lanes
        self._lane = lanes.lane(tool)
        self._session: Session = self._lane.session(tool)
        self._ended = False
        self._undoing = False
        self._sending: asyncio.Task[None] | None = None
        self.completed: asyncio.Future[str | None] = asyncio.create_task(self._complete())
        """The text, once it is certain that it counts; None if it does not."""

    @property
    def clock(self) -> RunClock:
        """The clock of the run."""
        return self._caller.clock

    @property
    def emit(self) -> Emit:
        """Where facts go: they are about the unit that makes this call."""
        return self._emit

    def _emit(self, event: Event) -> None:
        if isinstance(event, NestedCallMade | NestedCallStarted | NestedCallFinished):
            event = replace(event, unit=self._unit)
        self._caller.emit(event)

    async def _complete(self) -> str | None:
        whole = await asyncio.shield(self._caller.completed)
        counts = await asyncio.shield(self._counts)
        return self._text if counts and whole is not None else None

    # What is asked of it

    def begin(self) -> None:
        self._lane.open(self)
        self._caller.lost += self.lost
        if self._lane.died is not None:
            return
        splitter = self._lanes.splitter(self._tool)
        units = [*splitter.feed(self._text), *splitter.flush()]
        if splitter.problem is not None:
            self._end(Outcome(Status.ERROR, splitter.problem))
            return
        if isinstance(self._session, GivesData):
            self._session.want_data(self.number)
        self._session.prepare(self.number)
        if any(unit.external for unit in units):
            self._sending = asyncio.create_task(self._send_when_it_counts(units))
        else:
            self._send(units)

    async def _send_when_it_counts(self, units: Sequence[Unit]) -> None:
        """Effects that cannot be taken back wait as they do in a call of the model's own."""
        counts = False
        try:
            counts = await asyncio.shield(self.completed) is not None
        finally:
            self._send(units if counts else ())

    def _send(self, units: Sequence[Unit]) -> None:
        for unit in units:
            if not unit.blank:
                self._session.run(UnitKey(self.number, unit.index), unit)
        self._session.end(self.number)

    def cancel(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
        self._session.cancel(self.number)

    def roll_back(self) -> None:
        self._undoing = True
        self._session.roll_back(self.number)

    def commit(self) -> None:
        self.over = True
        if self._lane.latest is self and self._lane.died is None:
            self._session.commit()

    def _end(self, outcome: Outcome) -> None:
        self.hear(Ended(self.number, outcome, 0.0))

    # What its session reports

    def hear(self, report: Report) -> None:
        """What the session reports of it, or of what goes on after it."""
        match report:
            case Checkpoint(took, resident, why_not, at):
                at = self.clock.at(at)
                self._caller.emit(CheckpointTaken(at, self._tool.lane, took, resident, why_not))
            case RolledBack() if not self._undoing:  # it was not kept after all
                self._caller.hear(replace(report, call=self._caller.number))
            case Restarted(reason, lost, at):
                self._note_restart(reason, lost, at)
                self._listener(report)
            case Output() if self._ended:
                self._caller.hear(replace(report, unit=self._unit))
            case Ended():
                self._ended = True
                self._listener(report)
            case _:
                self._listener(report)

    def _note_restart(self, reason: str, lost: tuple[str, ...], at: float) -> None:
        self._caller.lost += lost
        what = "the shell ended in a step" if reason == "shell" else _CRASHED
        gone = f"; gone with it: {', '.join(lost)}" if lost else ""
        number = self._caller.number
        self._caller.emit(events.RolledBack(self.clock.at(at), number, f"{what}{gone}"))
