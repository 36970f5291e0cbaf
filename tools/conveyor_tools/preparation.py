"""A tool that gets ready, beside whoever will call it."""

from __future__ import annotations

import asyncio

from conveyor_tools.function import FunctionTool
from conveyor_tools.hearing import Ear, EarlyEar, hearing


class Preparation:
    """One that is under way. What the tool says meanwhile is told with the unit that waits."""

    def __init__(self, tool: FunctionTool) -> None:
        self._ear = EarlyEar()
        before = hearing.set(self._ear)
        self.task = asyncio.create_task(tool.prepare())
        hearing.reset(before)
        # A problem is the call's to tell, if it comes to that.
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())

    @property
    def failed(self) -> bool:
        """Whether it came to its end without success."""
        task = self.task
        return task.done() and (task.cancelled() or task.exception() is not None)

    def awaited(self) -> asyncio.Task[None]:
        """It, for the unit in whose context this is called, which will wait for it."""
        ear = hearing.get()
        if isinstance(ear, Ear):
            self._ear.go_to(ear)
        return self.task
