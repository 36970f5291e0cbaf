"""What a sandbox reports about the code it runs.

All times are seconds of the host's monotonic clock: the guest's own clock, mapped by the client.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a unit or a call ended."""

    OK = "ok"
    ERROR = "error"
    ROLLED_BACK = "rolled_back"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    SKIPPED = "skipped"


class Stream(StrEnum):
    """Where output came from."""

    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed.

    `kind` is the finer distinction: `exception`, `exit`, `crash`, `memory`, `syntax`, `input`,
    `timeout`, `interrupt`, `sandbox_died`. `type` and `message` are the exception's, where there
    is one; `traceback` is what Python would have printed.
    """

    kind: str
    type: str
    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a unit or a call ended.

    `result` is the shown value of a call's last expression. `exited`: the code ended its call by
    itself, with `sys.exit(0)`.
    """

    status: Status
    failure: Failure | None = None
    result: str | None = None
    exited: bool = False

    @property
    def ends_call(self) -> bool:
        """Whether nothing more of the call may run."""
        return self.status is not Status.OK or self.exited


@dataclass(frozen=True, slots=True)
class UnitKey:
    """A unit's identity in a run: the call's number (from 1) and its place in it (from 0)."""

    call: int
    index: int


@dataclass(frozen=True, slots=True)
class Started:
    """A unit began to run."""

    unit: UnitKey
    at: float


@dataclass(frozen=True, slots=True)
class Output:
    """Text that a unit wrote. `data`: what it says as plain data, for a call that wants such."""

    unit: UnitKey
    stream: Stream
    text: str
    at: float
    data: object = None


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a unit has come, in words of its tool's; `fraction` from 0 to 1, if that is known."""

    unit: UnitKey
    text: str
    fraction: float | None
    at: float


@dataclass(frozen=True, slots=True)
class FileMade:
    """A tool on this side of the sandbox made a file, which the user may want."""

    unit: UnitKey
    name: str
    content: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A unit ended, having run from `started_at` to `at`."""

    unit: UnitKey
    outcome: Outcome
    started_at: float
    at: float


@dataclass(frozen=True, slots=True)
class Skipped:
    """A unit will not run, since an earlier one of its call failed."""

    unit: UnitKey
    at: float


@dataclass(frozen=True, slots=True)
class Called:
    """Code calls one of our functions, and expects a reply to this number.

    `arguments` is the code's own text, which should be JSON of an object. `waits`: it says that its
    main thread waits for the reply.
    """

    number: int
    unit: UnitKey
    function: str
    arguments: str
    waits: bool
    at: float


@dataclass(frozen=True, slots=True)
class Dropped:
    """Nobody waits for the reply to that call any more."""

    number: int
    at: float


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a call's whole text compiles: `problem` says why not, also where nobody knows."""

    call: int
    problem: str
    at: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A call ended: its text was checked as a whole and its last value shown."""

    call: int
    outcome: Outcome
    at: float


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint was taken, in so many seconds, of an interpreter that holds `resident` bytes.

    `why_not`: why the interpreter has none; empty if it has.
    """

    seconds: float
    resident: int
    why_not: str
    at: float


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A call was taken back: all is as it was at the checkpoint, but for what is named here.

    `lost` is what was there at the checkpoint and is gone; `not_undone` what the call changed and
    what stays so. In words, each.
    """

    call: int
    lost: tuple[str, ...]
    at: float
    not_undone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Restarted:
    """The interpreter was lost, and is what it was at the checkpoint. Files stay as they are.

    The `reason` is `shell` where only the shell ended, and is what it was.

    `lost` names what it lacks of that; without a checkpoint, all variables.
    """

    reason: str
    lost: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Died:
    """The sandbox is gone; nothing more will be reported."""

    reason: str
    at: float


Report = (
    Started
    | Output
    | Progressed
    | FileMade
    | Finished
    | Skipped
    | Called
    | Dropped
    | Checked
    | Ended
    | Checkpoint
    | RolledBack
    | Restarted
    | Died
)
