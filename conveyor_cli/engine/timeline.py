"""The timeline: what is known of a run, folded from its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from conveyor_cli.engine.events import (
    CallClosed,
    CallEnded,
    CallOpened,
    CheckpointTaken,
    DecodeStopped,
    DeltaDecoded,
    Event,
    FileChanged,
    FileSaved,
    FirstToken,
    ModelLoaded,
    NestedCallFinished,
    NestedCallMade,
    NestedCallStarted,
    OutputReceived,
    RolledBack,
    RunEnded,
    RunStarted,
    SandboxDied,
    SandboxStarted,
    StopReason,
    TurnEnded,
    TurnStarted,
    UnitFinished,
    UnitHeld,
    UnitProgressed,
    UnitReady,
    UnitSkipped,
    UnitStarted,
)
from conveyor_sandbox.reports import Failure, Outcome, Status, Stream, UnitKey


class Phase(StrEnum):
    """Where a unit is in its life."""

    WAITING = "waiting"
    """Ready, behind another unit of its lane; or begun, and it waits for a tool that it called."""
    HELD = "held"
    """Ready, and the policy waits for the end of the call."""
    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    ROLLED_BACK = "rolled back"


@dataclass(slots=True)
class NestedTrack:
    """A tool call from inside a unit's code: made, begun once it was allowed to, ended."""

    number: int
    tool: str
    arguments: str
    waits: bool
    made_at: float
    started_at: float | None = None
    finished_at: float | None = None
    status: Status | None = None
    message: str = ""


@dataclass(slots=True)
class UnitTrack:
    """One unit: when it was ready, ran and ended (seconds of the run's clock)."""

    key: UnitKey
    turn: int
    span: tuple[int, int]
    line: int
    """The line of the call that `text` begins on, counted from 1."""
    text: str
    ready_at: float
    after: tuple[int, ...] | None = None
    """The units of its call that it depends on, by their indices; None: all before it."""
    external: bool = False
    """Whether it waits for the end of its call in both modes."""
    held: bool = False
    started_at: float | None = None
    finished_at: float | None = None
    """When it ended or, if it never ran, when that was known."""
    status: Status | None = None
    failure: Failure | None = None
    undone: bool = False
    progress: str = ""
    """How far it has come, as its tool said last."""
    fraction: float | None = None
    """How much of it is done, from 0 to 1, if that was said."""
    nested: list[NestedTrack] = field(default_factory=list)
    waiting: int = 0
    """How many of these it waits for."""

    @property
    def phase(self) -> Phase:
        """Where the unit is in its life."""
        if self.undone or self.status is Status.ROLLED_BACK:
            return Phase.ROLLED_BACK
        if self.status is None:
            if self.started_at is not None:
                return Phase.WAITING if self.waiting else Phase.RUNNING
            return Phase.HELD if self.held else Phase.WAITING
        if self.status is Status.OK:
            return Phase.OK
        return Phase.SKIPPED if self.status is Status.SKIPPED else Phase.FAILED


@dataclass(slots=True)
class CallTrack:
    """One tool call with its units and its output, in the order they came."""

    number: int
    turn: int
    tool: str
    lane: str
    start: int
    """Where its text begins in the response, in characters."""
    literal: bool = False
    """Whether it stands there as the inside of a JSON string."""
    pure: bool = False
    """Whether it waits for none of the calls before it."""
    units: list[UnitTrack] = field(default_factory=list)
    released: int = 0
    """How many characters of its text are in units."""
    lines: int = 1
    """The line that the text not yet in units begins on."""
    text: str | None = None
    closed_at: float | None = None
    complete: bool = False
    outcome: Outcome | None = None
    rolled_back_at: float | None = None
    lost: str = ""
    """What a rollback could not keep."""
    output: list[tuple[Stream, str]] = field(default_factory=list)

    def written(self, stream: Stream) -> str:
        """All that the call wrote to one stream."""
        return "".join(text for source, text in self.output if source is stream)


@dataclass(slots=True)
class TurnTrack:
    """One response of the model, and the calls in it."""

    number: int
    started_at: float
    first_token_at: float | None = None
    first_tokens: int = 0
    """Tokens of the first delta: those that prefill gave."""
    last_delta_at: float | None = None
    tokens: int = 0
    stop: StopReason | None = None
    ended_at: float | None = None
    calls: list[CallTrack] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The whole response so far."""
        if len(self.parts) > 1:
            self.parts[:] = ["".join(self.parts)]
        return self.parts[0] if self.parts else ""

    @property
    def decoding(self) -> bool:
        """Whether more tokens may come."""
        return self.stop is None and self.ended_at is None


class Timeline:
    """Folds events, one at a time; each costs O(1), a token well under a microsecond or two.

    The events must be those of one run, in the order in which they were emitted.
    """

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.model: ModelLoaded | None = None
        self.sandboxes: list[SandboxStarted] = []
        self.checkpoints: list[CheckpointTaken] = []
        self.ended: RunEnded | None = None
        self.turns: dict[int, TurnTrack] = {}
        self.calls: dict[int, CallTrack] = {}
        self.lanes: dict[str, list[UnitTrack]] = {}
        """The units of each lane, in the order in which they closed."""
        self.progressing: dict[UnitKey, UnitTrack] = {}
        """Units that run, and have said how far they have come."""
        self._tools: dict[str, set[str]] = {}
        """The tools that were called on each lane."""
        self._units: dict[UnitKey, UnitTrack] = {}
        self._nested: dict[tuple[int, int], NestedTrack] = {}
        self.last_at = 0.0
        """The latest time in any event: where a run that was cut off ends."""

    @property
    def origin(self) -> float:
        """When the first turn began: zero of every time axis. Start-up lies before it."""
        return next((turn.started_at for turn in self.turns.values()), self.last_at)

    def label(self, lane: str) -> str:
        """What a lane is called: its tool, or the state that several of them share."""
        tools = self._tools.get(lane, set())
        return next(iter(tools)) if len(tools) == 1 else lane

    def apply(self, event: Event) -> None:
        """Take one more event into account.

        Raises:
            KeyError: it is about a turn, call or unit that no earlier event began.
        """
        self.last_at = max(self.last_at, event.at)
        match event:
            case DeltaDecoded():  # first: the one that comes with every token
                turn = self.turns[event.turn]
                if turn.last_delta_at is None:
                    turn.first_tokens = event.tokens
                    if turn.first_token_at is None:
                        turn.first_token_at = event.at
                turn.last_delta_at = event.at
                turn.tokens += event.tokens
                if event.text:
                    turn.parts.append(event.text)
            case UnitReady() | UnitHeld() | UnitStarted() | UnitFinished() | UnitSkipped():
                self._apply_to_unit(event)
            case UnitProgressed() | OutputReceived():
                self._apply_to_what_runs(event)
            case NestedCallMade() | NestedCallStarted() | NestedCallFinished():
                self._apply_to_nested(event)
            case CallOpened() | CallClosed() | CallEnded() | RolledBack():
                self._apply_to_call(event)
            case TurnStarted() | FirstToken() | DecodeStopped() | TurnEnded():
                self._apply_to_turn(event)
            case _:
                self._apply_to_run(event)

    def _apply_to_run(
        self,
        event: RunStarted
        | ModelLoaded
        | SandboxStarted
        | SandboxDied
        | CheckpointTaken
        | FileChanged
        | FileSaved
        | RunEnded,
    ) -> None:
        match event:
            case RunStarted():
                self.started = event
            case ModelLoaded():
                self.model = event
            case SandboxStarted():
                self.sandboxes.append(event)
            case RunEnded():
                self.ended = event
            case CheckpointTaken():
                self.checkpoints.append(event)
            case SandboxDied():
                pass  # what it ended is told by the ends of its units and calls

    def _apply_to_turn(self, event: TurnStarted | FirstToken | DecodeStopped | TurnEnded) -> None:
        match event:
            case TurnStarted():
                self.turns[event.turn] = TurnTrack(event.turn, event.at)
            case FirstToken():
                self.turns[event.turn].first_token_at = event.at
            case DecodeStopped():
                self.turns[event.turn].stop = event.reason
            case TurnEnded():
                self.turns[event.turn].ended_at = event.at

    def _apply_to_call(self, event: CallOpened | CallClosed | CallEnded | RolledBack) -> None:
        if isinstance(event, CallOpened):
            call = CallTrack(
                event.call,
                event.turn,
                event.tool,
                event.lane,
                event.start,
                event.literal,
                event.pure,
            )
            self.calls[event.call] = call
            self.turns[event.turn].calls.append(call)
            if event.lane:
                self.lanes.setdefault(event.lane, [])
                self._tools.setdefault(event.lane, set()).add(event.tool)
            return
        call = self.calls[event.call]
        match event:
            case CallClosed():
                call.text, call.closed_at, call.complete = event.text, event.at, event.complete
            case CallEnded():
                call.outcome = event.outcome
                _end_with_call(call, event)
                for unit in call.units if self.progressing else ():
                    self.progressing.pop(unit.key, None)
            case RolledBack():
                call.rolled_back_at, call.lost = event.at, event.lost
                for unit in call.units:
                    unit.undone = unit.started_at is not None

    def _apply_to_unit(
        self, event: UnitReady | UnitHeld | UnitStarted | UnitFinished | UnitSkipped
    ) -> None:
        if isinstance(event, UnitReady):
            call = self.calls[event.unit.call]
            unit = UnitTrack(
                event.unit,
                call.turn,
                event.span,
                call.lines,
                event.text,
                event.at,
                event.after,
                event.external,
            )
            call.units.append(unit)
            call.released += len(event.text)
            call.lines += event.text.count("\n")
            self.lanes[call.lane].append(unit)
            self._units[event.unit] = unit
            return
        unit = self._units[event.unit]
        if isinstance(event, UnitFinished | UnitSkipped):
            self.progressing.pop(event.unit, None)
        match event:
            case UnitHeld():
                unit.held = True
            case UnitStarted():
                unit.started_at = event.at
            case UnitFinished():
                unit.started_at, unit.finished_at = event.started_at, event.at
                unit.status, unit.failure = event.outcome.status, event.outcome.failure
            case UnitSkipped() if unit.finished_at is not None:
                unit.status = Status.ROLLED_BACK  # it ran beside one before it that failed
            case UnitSkipped():
                unit.finished_at, unit.status = event.at, Status.SKIPPED

    def _apply_to_what_runs(self, event: UnitProgressed | OutputReceived) -> None:
        if isinstance(event, OutputReceived):
            self.calls[event.unit.call].output.append((event.stream, event.text))
        else:
            unit = self.progressing[event.unit] = self._units[event.unit]
            unit.progress, unit.fraction = event.text, event.fraction

    def _apply_to_nested(
        self, event: NestedCallMade | NestedCallStarted | NestedCallFinished
    ) -> None:
        unit = self._units[event.unit]
        key = (event.unit.call, event.number)
        match event:
            case NestedCallMade(number=number, tool=tool, arguments=arguments, waits=waits):
                nested = NestedTrack(number, tool, arguments, waits, event.at)
                self._nested[key] = nested
                unit.nested.append(nested)
                unit.waiting += waits
            case NestedCallStarted():
                self._nested[key].started_at = event.at
            case NestedCallFinished():
                nested = self._nested[key]
                nested.finished_at, nested.status = event.at, event.status
                nested.message = event.message
                unit.waiting -= nested.waits


def _end_with_call(call: CallTrack, event: CallEnded) -> None:
    """Give the units that had no end of their own (a sandbox died) that of their call."""
    for unit in call.units:
        if unit.status is None:
            ran = unit.started_at is not None
            unit.status = event.outcome.status if ran else Status.SKIPPED
            unit.finished_at = event.at
