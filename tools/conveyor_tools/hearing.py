"""What a tool says beside its result while it runs: how far it has come, files that it made."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar

from conveyor_sandbox.reports import FileMade, Progressed, Report, UnitKey


class Ear:
    """Hears what one unit's tool says, until that has ended.

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

    def progress(self, text: str, fraction: float | None) -> None:
        """It has come so far. The text is one line; whoever calls this does not do so too often."""
        if not self._over:
            self._report(Progressed(self._unit, text, fraction, time.monotonic()))

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


hearing: ContextVar[Ear | None] = ContextVar("hearing", default=None)
"""Who hears what the tool says that runs in this context."""
