"""How close a run comes to the perfect pipeline, by our metrics and without them.

The response is pinned: plain one-line statements, some of which sleep. So the perfect pipeline
follows from the text, the rate and the sleeps alone: neither our splitter nor the guest's clock has
a say in it, and late cuts or a slow guest cannot hide.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from conveyor_cli.backends.base import Progress
from conveyor_cli.backends.scripted import ScriptedBackend
from conveyor_cli.compose import make_parts, make_run
from conveyor_cli.engine.events import Event, RunStatus, TurnEnded, TurnStarted
from conveyor_cli.engine.metrics import Metrics, measure
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.performance import end_parts
from conveyor_cli.task import Task

RATE = 60.0
"""Tokens a second."""
CHUNK = 4
"""Characters a token."""
LINES = 40
_OPENING = "```python\n"
_ANSWER = "Done."


@dataclass(frozen=True, slots=True)
class Case:
    """A program of `LINES` lines, `calls` of which sleep for `sleep` seconds."""

    calls: int
    sleep: float

    @property
    def name(self) -> str:
        """E.g. `8 x 0.6 s`."""
        return f"{self.calls} x {self.sleep:g} s"

    def program(self) -> list[str]:
        """Its lines. The sleeps are spread evenly over them."""
        lines = ["import time"]
        every = (LINES - 1) / self.calls
        sleeping = {1 + math.floor(every * call) for call in range(self.calls)}
        for number in range(1, LINES):
            sleeps = f"time.sleep({self.sleep})"
            lines.append(sleeps if number in sleeping else f"value_{number} = {number} * 2")
        return lines

    def response(self) -> str:
        """The model's response that holds it."""
        return _OPENING + "".join(line + "\n" for line in self.program()) + "```\n"

    def perfect(self) -> float:
        """Seconds that the perfect pipeline takes for both responses."""
        read, free = len(_OPENING), 0.0
        for line in self.program():
            read += len(line) + 1
            if "sleep" in line:
                free = max(free, _decoded(read)) + self.sleep
        return max(free, _decoded(len(self.response()))) + _decoded(len(_ANSWER))


def _decoded(characters: int) -> float:
    """When so many characters of a response are decoded, in seconds from its beginning."""
    return math.ceil(characters / CHUNK) / RATE


CASES = (Case(4, 0.25), Case(8, 0.25), Case(12, 0.25), Case(8, 0.6))


@dataclass(frozen=True, slots=True)
class Result:
    """One run of a case. `wall` is the time from outside, in seconds."""

    case: Case
    metrics: Metrics
    wall: float

    @property
    def efficiency(self) -> float:
        """The perfect pipeline's time by the time from outside."""
        return self.case.perfect() / self.wall

    @property
    def overhead(self) -> float:
        """What the run took beyond the perfect pipeline, in seconds."""
        return self.wall - self.case.perfect()


class Stopwatch:
    """Adds up the time of turns, by its own clock."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds = 0.0
        self._clock = clock

    def apply(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, TurnStarted):
            self.seconds -= self._clock()
        elif isinstance(event, TurnEnded):
            self.seconds += self._clock()


async def measure_case(case: Case, task: Task, progress: Progress) -> Result:
    """Run a case in a fresh sandbox of the task's kind.

    Raises:
        SandboxError: there is none.
        RuntimeError: the run did not come to its answer.
    """
    timeline, stopwatch = Timeline(), Stopwatch()

    def emit(event: Event) -> None:
        stopwatch.apply(event)
        timeline.apply(event)

    backend = ScriptedBackend([case.response(), _ANSWER], rate=RATE, chunk=CHUNK)
    parts = make_parts(task, progress, backend)
    try:
        run = make_run(task, case.name, parts, emit, progress)
        ending = await run.run(task.prompt, task.limits.seconds)
    finally:
        await end_parts(parts)
    if ending.status is not RunStatus.DONE:
        raise RuntimeError(f"{case.name}: the run ended as {ending.status}: {ending.reason}")
    return Result(case, measure(timeline), stopwatch.seconds)
