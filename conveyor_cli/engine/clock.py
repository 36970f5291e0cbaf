"""The run's clock: seconds since the run began, on the host's monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Callable


class RunClock:
    """Zero when it is made. `monotonic` can be replaced, for tests."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._began = monotonic()

    def now(self) -> float:
        """Seconds since the run began."""
        return self._monotonic() - self._began

    def at(self, monotonic: float) -> float:
        """A time of the monotonic clock, on the run's clock."""
        return monotonic - self._began
