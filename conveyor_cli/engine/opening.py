"""Opens the calls of a conversation: numbers them, and finds the lane that each goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from conveyor_cli.dialects.base import Fault, Invalid, Opened
from conveyor_cli.engine.approval import Approval
from conveyor_cli.engine.call import OpenCall
from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.consent import Consent
from conveyor_cli.engine.events import CallClosed, CallEnded, CallOpened, Emit
from conveyor_cli.engine.gate import Gate
from conveyor_cli.engine.places import Place
from conveyor_cli.engine.policy import Mode
from conveyor_cli.engine.workplace import Workplace
from conveyor_sandbox.reports import Failure, Outcome, Status, Stream
from conveyor_tools.function import Effects
from conveyor_tools.splitters.base import Unit
from conveyor_tools.tool import Tool

_TYPES = {
    Fault.UNKNOWN_TOOL: "UnknownTool",
    Fault.ARGUMENTS: "InvalidArguments",
    Fault.CUT_OFF: "CutOff",
}


def failure_of(invalid: Invalid) -> Failure:
    """Why a call cannot be run, as a value."""
    return Failure(invalid.fault.value, _TYPES[invalid.fault], invalid.message)


class RefusedCall:
    """A call that cannot be run, in its place among the others."""

    units: Sequence[Unit] = ()
    last_unit: int | None = None
    rejected_at: int | None = None
    crashed = False
    lost: tuple[str, ...] = ()
    not_undone: tuple[str, ...] = ()

    def __init__(self, number: int, invalid: Invalid, emit: Emit, clock: RunClock) -> None:
        self.number = number
        self.output = dict.fromkeys(Stream, "")
        unknown = invalid.fault is Fault.UNKNOWN_TOOL
        status = Status.ERROR if unknown else Status.ROLLED_BACK
        self._outcome = Outcome(status, failure_of(invalid))
        self._emit = emit
        self._clock = clock

    def skip(self) -> None:
        """The response ended before it: nobody is told of it."""
        self._outcome = Outcome(Status.SKIPPED)

    async def settle(self) -> Outcome:
        """Say how it ended."""
        self._emit(CallEnded(self._clock.now(), self.number, self._outcome))
        return self._outcome


class Opener:
    """Opens and refuses calls, with numbers that are unique in the conversation."""

    def __init__(self, workplace: Workplace, tools: Mapping[str, Tool], approval: Approval) -> None:
        self._workplace = workplace
        self._tools = tools
        self._approval = approval
        self._count = 0

    def open(
        self,
        turn: int,
        opened: Opened,
        mode: Mode,
        at: float,
        emit: Emit,
        clock: RunClock,
        on_ended_early: Callable[[], None],
        place: Place,
    ) -> tuple[OpenCall, Callable[[], None]]:
        """A call, and what lets it run when those before it have ended."""
        self._count += 1
        tool = self._tools[opened.tool]
        lane = self._workplace.lane(tool)
        gate = Gate(lane.session(tool))
        start, literal, pure = opened.start, opened.literal, tool.effects is Effects.PURE
        emit(CallOpened(at, turn, self._count, tool.name, lane.name, start, literal, pure))
        call = OpenCall(
            turn,
            self._count,
            tool,
            self._workplace.splitter(tool),
            gate,
            Consent(tool, self._approval),
            mode,
            emit,
            clock,
            on_ended_early,
            place,
        )

        def admit() -> None:
            lane.open(call)
            gate.open()

        return call, admit

    def refuse(
        self, turn: int, invalid: Invalid, at: float, emit: Emit, clock: RunClock
    ) -> RefusedCall:
        """A call that is told as invalid, and goes nowhere."""
        self._count += 1
        tool = invalid.tool or "unknown"
        emit(CallOpened(at, turn, self._count, tool, "", invalid.start, literal=False))
        emit(CallClosed(at, turn, self._count, "", complete=False))
        return RefusedCall(self._count, invalid, emit, clock)
