"""The time that the worker has for what it does."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from .calls import Calls

_GRACE = 1.0
"""Seconds that code has to react to an interrupt before its process is killed."""
_AGAIN = 0.8
"""Seconds after which it is interrupted once more: `asyncio.run` answers the first interrupt by
cancelling its main task, which code that does not await is not told of."""
_LOOK = 0.05
"""Seconds between two looks whether code that is out of time still waits for a tool."""


class Timer:
    """When to interrupt the worker, and when to kill it if that has been done."""

    def __init__(self, calls: Calls) -> None:
        self.reason: Optional[str] = None
        """Why it was interrupted: `timeout` or `cancelled`."""
        self._again = False
        self._calls = calls
        self._deadline: Optional[float] = None
        self._waited = 0.0
        """What of the time it waited for tools of the host is in the deadline."""

    def start(self, seconds: float) -> float:
        """It begins with something that may take so long; returns the time."""
        now = time.monotonic()
        self._deadline = now + seconds
        self._waited = self._calls.waited()
        return now

    def stop(self) -> None:
        """It is done."""
        self._deadline = self.reason = None

    def stop_waiting(self) -> None:
        """It is killed, and its end is near."""
        self._deadline = None

    def give_grace(self) -> None:
        """It has a moment left."""
        self._deadline = time.monotonic() + _GRACE

    def interrupt(self, reason: str) -> bool:
        """It is to be interrupted, and then has a moment left. False: that has been done."""
        if self.reason is not None:
            return False
        self.reason = reason
        self._deadline = time.monotonic() + _AGAIN
        self._again = True
        return True

    def interrupt_again(self) -> bool:
        """Whether it is time for the second interrupt, and not for the end."""
        again, self._again = self._again, False
        if again:
            self._deadline = time.monotonic() + _GRACE - _AGAIN
        return again

    @property
    def left(self) -> Optional[float]:
        """Seconds until the time is up; None if it has no limit now."""
        return None if self._deadline is None else self._deadline - time.monotonic()

    @property
    def is_up(self) -> bool:
        """Whether the time is up."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def extend(self) -> bool:
        """Whether there is time left after all: none passes while it waits for a tool."""
        waited = self._calls.waited()
        now = time.monotonic()
        assert self._deadline is not None
        self._deadline += waited - self._waited
        self._waited = waited
        if self._calls.waiting:
            self._deadline = max(self._deadline, now + _LOOK)
        return self._deadline > now
