"""What a tool says beside its result while it runs: how far it has come, files that it made."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from contextvars import ContextVar

from conveyor_sandbox.reports import FileMade, Progressed, Report, UnitKey

_APART_S = 0.25
"""Seconds between two that are passed on, at least."""
_MOST = 1000
"""Of one unit. What its tool says after that is not shown."""
_LONGEST = 200
"""Characters of its words."""


class Ear:
    """Hears what one unit's tool says, until that has ended. It is made in the loop that reports.

    Files of it are called `name`, with a number from the second one on, if they are `kept` at all.
    Whether they count is for who asked for the unit to say, once that is known.
    """

    def __init__(
        self, unit: UnitKey, report: Callable[[Report], None], name: str, *, kept: bool
    ) -> None:
        self._unit = unit
        self._report = report
        self._name = name
        self._kept = kept
        self.files: list[FileMade] = []
        """What it made."""
        self._over = False
        self._loop = asyncio.get_running_loop()
        self._heard_at = -math.inf
        self._count = 0

    def progress(self, text: str, fraction: float | None = None) -> None:
        """It has come so far. From any thread, and as often as it likes: not all of it is told."""
        now = time.monotonic()
        if self._over or now - self._heard_at < _APART_S or self._count >= _MOST:
            return
        self._heard_at = now
        self._count += 1
        words = one_line(text[: 4 * _LONGEST])
        words = words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
        known = fraction is not None and not math.isnan(fraction)
        done = min(max(fraction, 0.0), 1.0) if fraction is not None and known else None
        with contextlib.suppress(RuntimeError):  # a thread that was given up: the loop has ended
            self._loop.call_soon_threadsafe(self._pass_on, Progressed(self._unit, words, done, now))

    def _pass_on(self, report: Progressed) -> None:
        if not self._over:
            self._report(report)

    def keep(self, content: bytes, suffix: str) -> str | None:
        """Keep a file for the user. Its name, or None where files are not kept."""
        if self._over or not self._kept:
            return None
        number = f"-{len(self.files) + 1}" if self.files else ""
        name = f"{self._name}{number}{suffix}"
        self.files.append(FileMade(self._unit, name, content, time.monotonic()))
        return name

    def close(self) -> None:
        """It has ended: nothing that it still says counts."""
        self._over = True


class EarlyEar:
    """Hears what a tool says that gets ready, maybe before a unit waits for it, which tells it."""

    def __init__(self) -> None:
        self._ear: Ear | None = None
        self._last: tuple[str, float | None] | None = None

    def progress(self, text: str, fraction: float | None = None) -> None:
        """It has come so far."""
        if self._ear is None:
            self._last = text, fraction
        else:
            self._ear.progress(text, fraction)

    def keep(self, content: bytes, suffix: str) -> None:
        """Nothing is made before there is a call."""

    def go_to(self, ear: Ear) -> None:
        """This unit waits for it."""
        if self._ear is None:
            self._ear = ear
            if self._last is not None:
                ear.progress(*self._last)


hearing: ContextVar[Ear | EarlyEar | None] = ContextVar("hearing", default=None)
"""Who hears what the tool says that runs in this context."""


def one_line(text: str) -> str:
    """The text on one line, without what cannot be seen: others write it."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())
