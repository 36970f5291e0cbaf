"""How far a server says that a call has come: shown, but not as often as it may say it."""

from __future__ import annotations

import asyncio
import math
import time

from conveyor_tools.hearing import Ear
from conveyor_tools.mcp_server import printable

_APART_S = 0.25
"""Seconds between two that are passed on, at least."""
_MOST = 1000
"""Of one call. What a server says after that is not shown."""
_LONGEST = 200
"""Characters of its words."""


class McpProgress:
    """Passes on what a server says of one call, from its loop to the one that this is made in."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self._loop = asyncio.get_running_loop()
        self._last = -math.inf
        self._count = 0

    async def told(self, progress: float, total: float | None, message: str | None) -> None:
        """The server says that it has done so much, of so much."""
        now = time.monotonic()
        if now - self._last < _APART_S or self._count >= _MOST:
            return
        self._last = now
        self._count += 1
        text, fraction = described(progress, total, message)
        self._loop.call_soon_threadsafe(self._ear.progress, text, fraction)


def described(
    progress: float, total: float | None, message: str | None
) -> tuple[str, float | None]:
    """What is shown of it, on one line, and the fraction done, if the numbers make one."""
    done = f"{progress:g}" if total is None else f"{progress:g} of {total:g}"
    words = printable(message or "")
    if len(words) > _LONGEST:
        words = f"{words[:_LONGEST]}…"
    fraction = None
    if total is not None and math.isfinite(total) and total > 0 and math.isfinite(progress):
        fraction = min(max(progress / total, 0.0), 1.0)
    return f"{done}: {words}" if words else done, fraction
