"""Where a tool's session works: what it may use of the run that it is part of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.reports import Report, UnitKey
from conveyor_tools.function import Effects, FunctionTool

if TYPE_CHECKING:
    from conveyor_tools.tool import Tool


class Refusal(Protocol):
    """Asks the user, where the task wants that."""

    def __call__(self, tool: str, effects: Effects, arguments: str) -> Awaitable[str | None]:
        """Why a call with these effects may not be made; None if it may."""


class InnerCall(Protocol):
    """A call of another tool, on the lane of that tool, where it sees the state that others see."""

    def begin(self) -> None:
        """Run all of it. Its reports follow, up to `Ended`, or to `Died`."""

    def cancel(self) -> None:
        """Stop what runs of it. `Ended` still follows."""

    def roll_back(self) -> None:
        """Take back what it did, which has ended. Ends with `RolledBack`, or with `Died`."""

    def commit(self) -> None:
        """It counts, or was taken back: nothing more is asked of it."""


class Inner(Protocol):
    """Makes calls within a call, for its session."""

    def call(
        self,
        unit: UnitKey,
        number: int,
        tool: Tool,
        text: str,
        counts: asyncio.Future[bool],
        listener: Callable[[Report], None],
    ) -> InnerCall:
        """A call that a unit makes, whose text this is, with a number that is nobody else's.

        `counts` says, once that is known, whether all before the unit has ended well: what cannot
        be taken back waits for this, and for the unit's own call to be complete.
        """


async def _nobody_objects(tool: str, effects: Effects, arguments: str) -> str | None:  # noqa: ARG001
    return None


@dataclass(frozen=True, slots=True)
class Place:
    """What splitters and sessions are made with."""

    guest: GuestClient | None = None
    """The sandbox's inner side; None where no tool of the task needs one."""
    tools: Mapping[str, Tool] = field(default_factory=dict)
    """All that the model can call, by name."""
    functions: Mapping[str, FunctionTool] = field(default_factory=dict)
    """All that its code can call, by name."""
    refusal: Refusal = _nobody_objects
    """For a session that makes calls of its own, as a plan does."""
    inner: Inner | None = None
    """The same, for calls of tools with sessions; None where there are none."""
    keeps_files: bool = False
    """Whether the user wants the files that tools make."""
