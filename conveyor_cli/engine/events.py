"""The facts of a run.

Journal, timeline, live view and reports are folds over these events; the engine imports none of
them. `at` is in seconds of the run's clock: monotonic, zero at `RunStarted`. Times of units are the
guest's own, mapped to that clock, so an event may carry an `at` that is a little older than those
of the events before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from conveyor_cli.engine.call_events import (
    CallClosed,
    CallEnded,
    CallOpened,
    NestedCallFinished,
    NestedCallMade,
    NestedCallStarted,
    OutputReceived,
    RolledBack,
    UnitFinished,
    UnitHeld,
    UnitProgressed,
    UnitReady,
    UnitSkipped,
    UnitStarted,
)

__all__ = [
    "CallClosed",
    "CallEnded",
    "CallOpened",
    "CheckpointTaken",
    "DecodeStopped",
    "DeltaDecoded",
    "Emit",
    "Event",
    "FileChanged",
    "FileSaved",
    "FirstToken",
    "ModelLoaded",
    "NestedCallFinished",
    "NestedCallMade",
    "NestedCallStarted",
    "OutputReceived",
    "RolledBack",
    "RunEnded",
    "RunStarted",
    "RunStatus",
    "SandboxDied",
    "SandboxStarted",
    "StopReason",
    "TurnEnded",
    "TurnStarted",
    "UnitFinished",
    "UnitHeld",
    "UnitProgressed",
    "UnitReady",
    "UnitSkipped",
    "UnitStarted",
]


class StopReason(StrEnum):
    """Why decoding of a response ended."""

    EOS = "eos"
    LENGTH = "length"
    DROPPED = "dropped"
    """The connection to the model ended in the middle of the response."""
    CALL_CLOSED = "call_closed"
    UNIT_FAILED = "unit_failed"
    """A unit, or a call as a whole, failed before the response ended."""
    CANCELLED = "cancelled"
    LIMIT = "limit"
    """A limit of the run (tokens, seconds) was reached."""


class RunStatus(StrEnum):
    """How a run ended."""

    DONE = "done"
    FAILED = "failed"
    LIMIT = "limit"
    INTERRUPTED = "interrupted"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run began. `began` is the wall-clock time, ISO 8601, UTC."""

    at: float
    run_id: str
    task: str
    mode: str
    backend: str
    began: str


@dataclass(frozen=True, slots=True)
class ModelLoaded:
    """The model is ready to decode. `seconds` is how long that took."""

    at: float
    label: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SandboxStarted:
    """A sandbox is ready. `seconds` is how long that took; `python` the guest's version.

    `weaknesses`: what it does not enforce, though its kind could elsewhere.
    """

    at: float
    kind: str
    image: str
    python: str
    seconds: float
    weaknesses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The model was asked for a response."""

    at: float
    turn: int


@dataclass(frozen=True, slots=True)
class FirstToken:
    """The turn's first token was decoded."""

    at: float
    turn: int


@dataclass(frozen=True, slots=True)
class DeltaDecoded:
    """A decoding step ended. `text` may be empty."""

    at: float
    turn: int
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class CheckpointTaken:
    """A lane's state can be brought back to what it is now; `seconds` is how long that took.

    `resident` is the size in bytes of the interpreter. `why_not` says why it has no checkpoint;
    empty if it has.
    """

    at: float
    lane: str
    seconds: float
    resident: int
    why_not: str


@dataclass(frozen=True, slots=True)
class DecodeStopped:
    """Decoding of the turn's response ended."""

    at: float
    turn: int
    reason: StopReason


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """Decoding and all calls of the turn are over."""

    at: float
    turn: int


@dataclass(frozen=True, slots=True)
class SandboxDied:
    """The sandbox ended while it was in use."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class FileSaved:
    """A file that the run made or changed was saved; `path` is its name in the workspace."""

    at: float
    path: str
    size: int
    saved_as: str


@dataclass(frozen=True, slots=True)
class FileChanged:
    """A file of the copied folder is other than it was, in the workspace: `change` says how."""

    at: float
    path: str
    change: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over. `answer` is the last response without a call, if there was one."""

    at: float
    status: RunStatus
    answer: str | None
    reason: str


Event = (
    RunStarted
    | ModelLoaded
    | SandboxStarted
    | TurnStarted
    | FirstToken
    | DeltaDecoded
    | CallOpened
    | CallClosed
    | UnitReady
    | UnitHeld
    | UnitStarted
    | UnitProgressed
    | OutputReceived
    | NestedCallMade
    | NestedCallStarted
    | NestedCallFinished
    | UnitFinished
    | UnitSkipped
    | CheckpointTaken
    | RolledBack
    | CallEnded
    | DecodeStopped
    | TurnEnded
    | SandboxDied
    | FileSaved
    | FileChanged
    | RunEnded
)

Emit = Callable[[Event], None]
