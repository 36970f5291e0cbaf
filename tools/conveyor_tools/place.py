"""Where a tool's session works: what it may use of the run that it is part of."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from conveyor_sandbox.client import GuestClient
from conveyor_tools.function import Effects, FunctionTool

if TYPE_CHECKING:
    from conveyor_tools.tool import Tool


class Refusal(Protocol):
    """Asks the user, where the task wants that."""

    def __call__(self, tool: str, effects: Effects, arguments: str) -> Awaitable[str | None]:
        """Why a call with these effects may not be made; None if it may."""


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
    keeps_files: bool = False
    """Whether the user wants the files that tools make."""
    refusal: Refusal = _nobody_objects
    """For a session that makes calls of its own, as a plan does."""
