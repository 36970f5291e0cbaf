"""The timeline: what is known of a run, folded from its events."""

from __future__ import annotations

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
    TurnEnded,
    TurnStarted,
    UnitFinished,
    UnitHeld,
    UnitProgressed,
    UnitReady,
    UnitSkipped,
    UnitStarted,
)
from conveyor_cli.engine.tracks import CallTrack, NestedTrack, TurnTrack, UnitTrack
from conveyor_sandbox.reports import Status, UnitKey


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
                call.end = event.end
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
            call.released_end = event.end
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
