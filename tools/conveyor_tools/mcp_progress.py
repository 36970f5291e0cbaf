"""How far a server says that a call has come."""

from __future__ import annotations

import math

from conveyor_tools.hearing import Ear, EarlyEar


class McpProgress:
    """Passes on what a server says of one call."""

    def __init__(self, ear: Ear | EarlyEar) -> None:
        self._ear = ear

    async def told(self, progress: float, total: float | None, message: str | None) -> None:
        """The server says that it has done so much, of so much."""
        done = f"{progress:g}" if total is None else f"{progress:g} of {total:g}"
        fraction = None
        if total is not None and math.isfinite(total) and total > 0 and math.isfinite(progress):
            fraction = progress / total
        self._ear.progress(f"{done}: {message}" if message else done, fraction)
