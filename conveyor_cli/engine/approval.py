"""The user's say in what leaves the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum

from conveyor_tools.function import Effects

Ask = Callable[[str, str], Awaitable[bool]]
"""Asks the user about a tool and its arguments."""


class Approve(StrEnum):
    """Which calls of functions the user is asked about."""

    NEVER = "never"
    EXTERNAL = "external"
    ALL = "all"


class Approval:
    """Asks the user, one question at a time, while there is someone who can be asked."""

    def __init__(self, which: Approve) -> None:
        self.ask: Ask | None = None
        """Set by who has the terminal, while they have it."""
        self._which = which
        self._asking = asyncio.Lock()

    def wanted(self, effects: Effects) -> bool:
        """Whether the user is asked about a call with these effects."""
        asked = self._which is Approve.EXTERNAL and effects is Effects.EXTERNAL
        return asked or self._which is Approve.ALL

    async def refusal(self, tool: str, effects: Effects, arguments: str) -> str | None:
        """Ask, if that is wanted. Why the call may not be made, or None if it may."""
        if not self.wanted(effects):
            return None
        async with self._asking:
            if self.ask is None:
                return f"{tool} needs the user's approval, and there is no terminal to ask on"
            if not await self.ask(tool, arguments):
                return f"the user did not allow this call of {tool}"
        return None
