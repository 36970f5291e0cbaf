"""Which units of a tool's calls wait for the end of the call, and for the user."""

from __future__ import annotations

from collections.abc import Iterable

from conveyor_cli.engine.approval import Approval
from conveyor_tools.function import Effects
from conveyor_tools.splitters.base import Unit
from conveyor_tools.tool import Tool


class Consent:
    """The user's, to calls of one tool.

    They are asked about whole calls of argument tools. Code is not asked about, but what it calls;
    nor is a plan, but its steps.
    """

    def __init__(self, tool: Tool, approval: Approval) -> None:
        self._tool = tool
        self._approval = approval

    def waits(self, unit: Unit) -> bool:
        """Whether the unit has to wait until its call is complete."""
        return unit.external or self.asks([unit])

    def asks(self, units: Iterable[Unit]) -> bool:
        """Whether the user is asked before these units run."""
        if self._tool.argument is not None:
            return False
        return any(self._approval.wanted(self._effects(unit)) for unit in units)

    async def refusal(self, units: Iterable[Unit], text: str) -> str | None:
        """Ask. Why the call, whose arguments are the text, may not be made; None if it may."""
        asked = next(unit for unit in units if self._approval.wanted(self._effects(unit)))
        return await self._approval.refusal(self._tool.name, self._effects(asked), text)

    def _effects(self, unit: Unit) -> Effects:
        """A tool's calls may do less than it can: then their units are not external."""
        return self._tool.effects if unit.external else Effects.PURE
