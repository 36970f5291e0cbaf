"""What is known of one turn, call, unit or nested call: what the timeline keeps of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from conveyor_cli.engine.events import StopReason
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
    released_end: int | None = None
    """Where these end in the response, if not so many behind `start`."""
    lines: int = 1
    """The line that the text not yet in units begins on."""
    text: str | None = None
    end: int | None = None
    """Where its text ends in the response, if not its length behind `start`."""
    closed_at: float | None = None
    complete: bool = False
    outcome: Outcome | None = None
    rolled_back_at: float | None = None
    lost: str = ""
    """What is gone after a rollback, and what it could not undo."""
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
