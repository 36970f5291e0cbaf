"""Reading a response with the fence dialect and the real Python splitter, as the engine does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from conveyor_cli.dialects.base import CallText, Closed, Item, Opened, Prose
from conveyor_cli.dialects.fences import FenceDialect
from conveyor_tools.splitters.base import Unit
from conveyor_tools.splitters.python import PythonSplitter

TAGS = {"python": "python", "py": "python", "sh": "shell"}


@dataclass
class Reading:
    """What was found in a response."""

    dialect: FenceDialect
    prose: str = ""
    tool: str | None = None
    start: int | None = None
    code: str = ""
    closed: bool = False
    units: list[Unit] = field(default_factory=list)
    released_at: list[int] = field(default_factory=list)
    """After how many characters of the response each unit was released."""
    taken: int = 0
    splitter: PythonSplitter | None = None

    def act(self, items: Iterable[Item]) -> None:
        """As the engine does: each item before the next one is taken."""
        for item in items:
            match item:
                case Prose(text):
                    self.prose += text
                case Opened(tool, start):
                    assert self.tool is None, "a fenced call ends the response"
                    self.tool, self.start = tool, start
                    self.splitter = PythonSplitter((3, 12))
                    self.dialect.watch(self.splitter)
                case CallText(text):
                    assert self.splitter is not None
                    self.code += text
                    self._release(self.splitter.feed(text))
                case Closed(length):
                    self._close(length)

    def _close(self, length: int | None) -> None:
        assert self.splitter is not None
        self.closed = True
        if length is not None:
            self.code = self.code[:length]
            self.splitter.truncate(length)
        self._release(self.splitter.flush())

    def _release(self, units: list[Unit]) -> None:
        self.units += units
        self.released_at += [self.taken] * len(units)

    def summary(self) -> tuple[object, ...]:
        return (self.prose, self.tool, self.start, self.code, self.closed, self.units)


def read(
    deltas: Iterable[str], *, complete: bool = True, untagged: str | None = "python"
) -> Reading:
    """Read a response that comes in these deltas."""
    reading = Reading(FenceDialect(TAGS, untagged))
    for delta in deltas:
        reading.taken += len(delta)
        reading.act(reading.dialect.feed(delta))
    reading.act(reading.dialect.finish(complete=complete))
    return reading


def found(response: str, *, complete: bool = True, untagged: str | None = "python") -> Reading:
    return read([response], complete=complete, untagged=untagged)
