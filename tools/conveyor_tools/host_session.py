"""A session of a function on the host: its calls run on the program's own loop, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable

from conveyor_sandbox.reports import Report, RolledBack, UnitKey
from conveyor_tools.function import FunctionTool
from conveyor_tools.host_call import HostCall
from conveyor_tools.splitters.base import Unit


class HostSession:
    """The live part of a function tool. It has no state that could be taken back."""

    def __init__(self, tool: FunctionTool, *, keeps_files: bool = False) -> None:
        self._tool = tool
        self._keeps_files = keeps_files
        self._calls: dict[int, HostCall] = {}
        self._listener: Callable[[Report], None] = _nobody

    def listen(self, listener: Callable[[Report], None]) -> None:
        self._listener = listener

    def prepare(self, call: int) -> None:
        self._call(call).prepare()

    def run(self, key: UnitKey, unit: Unit) -> None:
        self._call(key.call).run(key, unit)

    def end(self, call: int) -> None:
        self._call(call).end()

    def cancel(self, call: int) -> None:
        self._call(call).cancel()

    def roll_back(self, call: int) -> None:
        """A function has no undo: what runs before it is known to count is pure."""
        self._report(RolledBack(call, (), time.monotonic()))

    def commit(self) -> None:
        self._calls = {number: it for number, it in self._calls.items() if not it.is_quiet}

    async def close(self) -> None:
        """End what still runs; the tool gives back what it holds, if it can."""
        for call in self._calls.values():
            await call.close()
        self._calls.clear()
        await self._tool.close()

    def _call(self, number: int) -> HostCall:
        if number not in self._calls:
            self._calls[number] = HostCall(
                number, self._tool, self._report, keeps_files=self._keeps_files
            )
        return self._calls[number]

    def _report(self, report: Report) -> None:
        self._listener(report)


def _nobody(_report: Report) -> None:
    """Hears nothing."""
