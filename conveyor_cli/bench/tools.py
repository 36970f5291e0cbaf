"""A task's two modes against each other, as a row of figures."""

from __future__ import annotations

from dataclasses import dataclass

from conveyor_cli.backends.base import Progress
from conveyor_cli.comparison import Comparison, compare
from conveyor_cli.engine.policy import Mode
from conveyor_cli.task import Task


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of a task."""

    found: Comparison

    @property
    def problems(self) -> list[str]:
        """Why the figures do not count, if they do not."""
        differ = self.found.differences
        same = [f"the modes differ in {', '.join(differ)}"] if differ else []
        return [*same, *self.found.unmet]

    def as_dict(self) -> dict[str, object]:
        """The figures: times in seconds, medians of the runs of each mode."""
        found = self.found
        calls = found.pairs[0][1].report["calls"]
        return {
            "task": found.task,
            "tools": " ".join(dict.fromkeys(call["tool"] for call in calls)),
            "sequential_s": round(found.median(Mode.SEQUENTIAL, "wall_s"), 6),
            "partial_s": round(found.median(Mode.PARTIAL, "wall_s"), 6),
            "reduction": round(found.reduction, 4),
            "tool_s": round(found.median(Mode.PARTIAL, "tool_s"), 6),
            "efficiency": round(found.median(Mode.PARTIAL, "efficiency"), 4),
            "overhead_s": round(found.median(Mode.PARTIAL, "overhead_s"), 6),
            "saved_tokens": found.saved_tokens,
        }


async def measure_task(task: Task, runs: int, progress: Progress) -> Row:
    """Run a task so many times in each mode, in turn, after one run that does not count.

    Raises:
        ConveyorError, SandboxError: what ended a run that could not be done.
    """
    return Row(await compare(task, runs, progress, warm_up=True))
