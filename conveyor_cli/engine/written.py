"""The text of one call as it is written, and the units that it closes."""

from __future__ import annotations

from conveyor_sandbox.reports import Failure
from conveyor_tools.splitters.base import AcceptsAll, Splitter, Unit


class WrittenText:
    """Feeds a splitter, and notes the character at which it rejects the text.

    That place does not depend on how the text was chopped. What follows it is kept, but not cut.
    """

    def __init__(self, splitter: Splitter) -> None:
        self._splitter = splitter
        self._parts: list[str] = []
        self._length = 0
        self._flushed = False
        self.rejected_at: int | None = None
        """How many characters it takes to see that this cannot become a valid call."""

    @property
    def text(self) -> str:
        """All of it so far."""
        return "".join(self._parts)

    @property
    def problem(self) -> Failure | None:
        """Why it cannot become a valid call, if that is so."""
        return self._splitter.problem

    @property
    def released(self) -> int:
        """How many characters have been given out in units."""
        return self._splitter.released

    def may_end(self) -> bool:
        """Whether it could end here; what is rejected might anywhere."""
        return self.rejected_at is not None or self._splitter.may_end()

    def feed(self, text: str) -> list[Unit]:
        """Take more of it; return the units that it closed."""
        self._parts.append(text)
        begin, self._length = self._length, self._length + len(text)
        if isinstance(self._splitter, AcceptsAll):
            return self._splitter.feed(text)
        units = []
        for index, char in enumerate(text):
            if self.rejected_at is not None:
                break
            units += self._splitter.feed(char)
            if self._splitter.problem is not None:
                self.rejected_at = begin + index + 1
        return units

    def truncate(self, length: int) -> None:
        """Only the first so many characters of it count."""
        self._parts = [self.text[:length]]
        self._length = length
        self._splitter.truncate(length)

    def flush(self) -> list[Unit]:
        """No more comes: return what is left. A second time, nothing is."""
        if self._flushed or self.rejected_at is not None:
            return []
        self._flushed = True
        units = self._splitter.flush()
        if self._splitter.problem is not None:
            self.rejected_at = self._length
        return units
