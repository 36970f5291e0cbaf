"""Calls of a function tool as a model makes them: written bit by bit, in either mode."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from conveyor_sandbox.reports import Ended, Finished, Outcome, Report, Started, UnitKey
from conveyor_tools.arguments import ArgumentSplitter, ArgumentUnit, Role
from conveyor_tools.function import FunctionTool
from conveyor_tools.host_session import HostSession
from conveyor_tools.splitters.base import Unit


@dataclass
class Written:
    """A call that was written, and what came of it."""

    tool: FunctionTool
    reports: list[Report] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, report: Report) -> None:
        self.reports.append(report)
        self._news.set()

    async def until(self, kind: type[Report], count: int = 1) -> None:
        """Wait for so many reports of a kind."""
        while sum(isinstance(it, kind) for it in self.reports) < count:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 60)

    @property
    def outcome(self) -> Outcome:
        (ended,) = [it for it in self.reports if isinstance(it, Ended)]
        return ended.outcome


async def write(
    tool: FunctionTool,
    text: str,
    *,
    partial: bool,
    chunk: int = 5,
    before_end: Callable[[Written], Awaitable[None]] | None = None,
    session: HostSession | None = None,
) -> Written:
    """Write a call's arguments to the tool, a chunk at a time.

    Partially, each unit runs as soon as it is closed, and external ones when all is written;
    sequentially, all run then. `before_end` is awaited when the text is complete but for its last
    character.
    """
    written = Written(tool)
    own = session is None
    session = session or HostSession(tool)
    session.listen(written.hear)
    session.prepare(1)
    splitter = ArgumentSplitter(tool)
    held: list[Unit] = []

    def take(units: list[Unit]) -> None:
        for unit in units:
            if not unit.blank and isinstance(unit, ArgumentUnit):
                if partial and not unit.external and not held:
                    session.run(UnitKey(1, unit.index), unit)
                else:
                    held.append(unit)

    try:
        for start in range(0, len(text) - 1, chunk):
            take(splitter.feed(text[start : min(start + chunk, len(text) - 1)]))
            await asyncio.sleep(0)
        if before_end is not None:
            await before_end(written)
        take(splitter.feed(text[-1]))
        take(splitter.flush())
        assert splitter.problem is None, splitter.problem
        for unit in held:
            session.run(UnitKey(1, unit.index), unit)
        session.end(1)
        await written.until(Ended)
    finally:
        if own:
            await session.close()
    return written


def roles(written: Written) -> int:
    """How many units ran."""
    return sum(isinstance(it, Started) for it in written.reports)


__all__ = ["Finished", "Role", "Written", "roles", "write"]
