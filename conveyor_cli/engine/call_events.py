"""The facts of a call: its text, its units, what they wrote, and how it went."""

from __future__ import annotations

from dataclasses import dataclass

from conveyor_sandbox.reports import Outcome, Status, Stream, UnitKey


@dataclass(frozen=True, slots=True)
class CallOpened:
    """The response opened a tool call; its text begins at character `start` of the response.

    `lane` names the state that its units touch; it is empty where the call cannot be run at all.
    `literal`: its text stands there as the inside of a JSON string, escapes and all. `pure`: it
    waits for none of the calls before it.
    """

    at: float
    turn: int
    call: int
    tool: str
    lane: str
    start: int
    literal: bool = False
    pure: bool = False


@dataclass(frozen=True, slots=True)
class CallClosed:
    """The call's text is complete (or was cut off: `complete` is False), `text` being all of it.

    `end`: where that ends in the response, if not its own length behind where it begins.
    """

    at: float
    turn: int
    call: int
    text: str
    complete: bool
    end: int | None = None


@dataclass(frozen=True, slots=True)
class UnitReady:
    """A unit closed: no continuation of the text can change it.

    `at` is when the delta that closed it was decoded. `span` is its first and last line. `after`
    names the units of its call that it depends on, by their indices; None: all before it.
    `external`: it waits for the end of its call, whatever the policy. `end` is as in `CallClosed`.
    """

    at: float
    unit: UnitKey
    span: tuple[int, int]
    text: str
    after: tuple[int, ...] | None = None
    external: bool = False
    end: int | None = None


@dataclass(frozen=True, slots=True)
class UnitHeld:
    """A ready unit may not start yet: the policy waits for the end of the call."""

    at: float
    unit: UnitKey


@dataclass(frozen=True, slots=True)
class UnitStarted:
    """A unit began to run."""

    at: float
    unit: UnitKey


@dataclass(frozen=True, slots=True)
class UnitProgressed:
    """How far a unit has come, as its tool says; `fraction` from 0 to 1, if that is known."""

    at: float
    unit: UnitKey
    text: str
    fraction: float | None


@dataclass(frozen=True, slots=True)
class OutputReceived:
    """Code in the sandbox wrote something, attributed to the unit that ran (or had run last)."""

    at: float
    unit: UnitKey
    stream: Stream
    text: str


@dataclass(frozen=True, slots=True)
class NestedCallMade:
    """A unit's code called a function tool; `number` counts those of its call.

    `arguments` is JSON, shortened. `waits`: the unit does nothing else until it is answered.
    """

    at: float
    unit: UnitKey
    number: int
    tool: str
    arguments: str
    waits: bool


@dataclass(frozen=True, slots=True)
class NestedCallStarted:
    """The tool began to run: nothing keeps it waiting any more, neither policy nor approval."""

    at: float
    unit: UnitKey
    number: int


@dataclass(frozen=True, slots=True)
class NestedCallFinished:
    """The code has its answer, or waits for none any more. `message` says what went wrong."""

    at: float
    unit: UnitKey
    number: int
    status: Status
    message: str


@dataclass(frozen=True, slots=True)
class UnitFinished:
    """A unit ended; it ran from `started_at` to `at`."""

    at: float
    unit: UnitKey
    started_at: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class UnitSkipped:
    """A unit will not run."""

    at: float
    unit: UnitKey


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A call's effects were taken back. `lost` says what else is gone, and what stays, if any."""

    at: float
    call: int
    lost: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call is over, with its final outcome."""

    at: float
    call: int
    outcome: Outcome
