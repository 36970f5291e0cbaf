"""Driving a session directly, as the engine does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from conveyor_sandbox.reports import (
    Ended,
    Finished,
    Outcome,
    Output,
    Report,
    RolledBack,
    Skipped,
    Started,
    UnitKey,
)
from conveyor_tools.place import Place
from conveyor_tools.tool import Session, Tool

_PATIENCE = 60.0


class Conversation:
    """A tool's session, and what it reported."""

    def __init__(self, tool: Tool, place: Place | None = None) -> None:
        self.tool = tool
        self.place = place or Place()
        self.session: Session = tool.open(self.place)
        self.reports: list[Report] = []
        self._news = asyncio.Event()
        self.session.listen(self._hear)

    def _hear(self, report: Report) -> None:
        self.reports.append(report)
        self._news.set()

    async def until(self, found: Callable[[Report], bool]) -> Report:
        """The first report of that kind, once it is there."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                for report in self.reports:
                    if found(report):
                        return report
                self._news.clear()
                await self._news.wait()

    def write(self, number: int, text: str, size: int = 1000) -> None:
        """Begin a call, in pieces; its units are run as they close."""
        self.session.prepare(number)
        splitter = self.tool.splitter(self.place)
        deltas = [text[start : start + size] for start in range(0, len(text), size)]
        units = [unit for delta in deltas for unit in splitter.feed(delta)] + splitter.flush()
        for unit in units:
            if not unit.blank:
                self.session.run(UnitKey(number, unit.index), unit)

    async def ended(self, number: int) -> Outcome:
        """End a call, and wait for its outcome."""
        self.session.end(number)
        report = await self.until(lambda it: isinstance(it, Ended) and it.call == number)
        assert isinstance(report, Ended)
        return report.outcome

    async def call(self, number: int, text: str) -> Outcome:
        """A whole call, kept if it ends well, as the engine does it."""
        self.write(number, text)
        outcome = await self.ended(number)
        self.session.commit()
        return outcome

    async def taken_back(self, number: int) -> None:
        """Roll a call back, and wait for that."""
        self.session.roll_back(number)
        await self.until(lambda it: isinstance(it, RolledBack) and it.call == number)
        self.session.commit()

    async def started(self, number: int, index: int) -> None:
        """Wait until that unit runs."""
        key = UnitKey(number, index)
        await self.until(lambda it: isinstance(it, Started) and it.unit == key)

    def output(self, number: int) -> str:
        """What a call wrote."""
        parts = (it for it in self.reports if isinstance(it, Output) and it.unit.call == number)
        return "".join(part.text for part in parts)

    def ends(self, number: int) -> list[str]:
        """How each unit of a call ended, in order of the reports."""
        ends = []
        for it in self.reports:
            if isinstance(it, Finished) and it.unit.call == number:
                ends.append(str(it.outcome.status))
            elif isinstance(it, Skipped) and it.unit.call == number:
                ends.append("skipped")
        return ends

    @property
    def lost(self) -> list[str]:
        """What was reported as lost."""
        return [
            it for report in self.reports if isinstance(report, RolledBack) for it in report.lost
        ]
