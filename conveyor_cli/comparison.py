"""The same task run sequentially and partially, and what the difference comes to."""

from __future__ import annotations

import asyncio
import statistics
from dataclasses import dataclass
from typing import Any

from conveyor_cli.backends.base import Backend, Progress
from conveyor_cli.compose import make_backend, make_parts
from conveyor_cli.engine.approval import Ask
from conveyor_cli.engine.events import RunStatus
from conveyor_cli.engine.metrics import Metrics
from conveyor_cli.engine.policy import Mode
from conveyor_cli.errors import Interrupted, Terminated
from conveyor_cli.performance import Performance, ProgressRelay, Shown, Stage
from conveyor_cli.task import Task
from conveyor_sandbox.pool import Pool

SCHEMA = 1
COMPARED = ("wall_s", "decode_s", "tool_s", "overlap_s", "exposed_tool_s", "efficiency")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Pairs of runs, a sequential and a partial one each, in the order in which they were made."""

    task: str
    pairs: tuple[tuple[Performance, Performance], ...]

    @property
    def reduction(self) -> float:
        """1 - partial / sequential wall time; the median over the pairs."""
        walls = [(a.metrics.wall_s, b.metrics.wall_s) for a, b in self.pairs]
        return statistics.median(1 - partial / sequential for sequential, partial in walls)

    @property
    def saved_tokens(self) -> int:
        """Decoding that early stop avoided, in tokens of the first pair."""
        sequential, partial = self.pairs[0]
        return sequential.metrics.tokens - partial.metrics.tokens

    @property
    def differences(self) -> list[str]:
        """In what the two modes' results differ; empty where they are the same."""
        found: dict[str, None] = {}
        for sequential, partial in self.pairs:
            found.update(dict.fromkeys(_differences(sequential, partial)))
        return list(found)

    @property
    def unmet(self) -> list[str]:
        """What of the task's `expect` did not hold in some run, in words."""
        runs = [run for pair in self.pairs for run in pair]
        return list(dict.fromkeys(problem for run in runs for problem in run.report["unmet"]))

    def median(self, mode: Mode, name: str) -> float:
        """A metric's median over the runs of a mode."""
        runs = [pair[mode is Mode.PARTIAL].metrics for pair in self.pairs]
        return statistics.median(_value(metrics, name) for metrics in runs)

    def as_dict(self) -> dict[str, Any]:
        """The comparison as plain data, with each run's report."""
        modes = {
            mode.value: {
                "median": {name: round(self.median(mode, name), 6) for name in COMPARED},
                "runs": [pair[mode is Mode.PARTIAL].report for pair in self.pairs],
            }
            for mode in (Mode.SEQUENTIAL, Mode.PARTIAL)
        }
        return {
            "schema": SCHEMA,
            "task": self.task,
            **modes,
            "reduction": round(self.reduction, 6),
            "saved_tokens": self.saved_tokens,
            "same_result": not self.differences,
            "differences": self.differences,
        }


def _value(metrics: Metrics, name: str) -> float:
    value = getattr(metrics, name)
    return 0.0 if value is None else float(value)


def _differences(sequential: Performance, partial: Performance) -> list[str]:
    """What a user, or the model in its next turn, could tell the two runs apart by."""
    pairs = {
        "status": (sequential.status, partial.status),
        "answer": (sequential.report["answer"], partial.report["answer"]),
        "conversation": (sequential.conversation, partial.conversation),
        "calls": (_results(sequential), _results(partial)),
    }
    return [name for name, (one, other) in pairs.items() if one != other]


def _results(performance: Performance) -> list[dict[str, Any]]:
    """What became of its calls. How many were skipped depends on when decoding stopped."""
    names = ("tool", "status", "output", "stderr", "result", "error")
    calls = [call for call in performance.report["calls"] if call["status"] != "skipped"]
    return [{name: call[name] for name in names} for call in calls]


async def compare(
    task: Task,
    runs: int,
    progress: Progress,
    ask: Ask | None = None,
    *,
    warm_up: bool = False,
) -> Comparison:
    """Run the task so many times in each mode, in turn, with one loaded model.

    `ask` asks the user about calls, about equal ones once: all runs get the same answer. Without
    it, what needs approval is denied.

    `warm_up`: once more before, uncounted. What tools on the host import and keep when they are
    first used stays in this process: else the first run would pay for it, and the others not.

    Raises:
        ConveyorError, SandboxError: what ended a run that could not be done.
        Interrupted, Terminated: the user or a signal ended it.
    """
    backend = make_backend(task.model)
    pool = make_parts(task, progress, backend, spares=2).pool
    asked = _Remembered(ask) if ask is not None else None
    pairs = []
    try:
        if warm_up:
            progress("warming up", None)
            await _run(task, Mode.PARTIAL, backend, pool, progress, asked)
        for number in range(runs):
            done: dict[Mode, Performance] = {}
            pool.fill()  # between runs: what starts beside one is measured with it
            await pool.filled()
            order = (Mode.SEQUENTIAL, Mode.PARTIAL)
            for mode in order if number % 2 == 0 else reversed(order):
                progress(f"run {number + 1} of {runs}, {mode.value}", None)
                done[mode] = await _run(task, mode, backend, pool, progress, asked)
            pairs.append((done[Mode.SEQUENTIAL], done[Mode.PARTIAL]))
    finally:
        await asyncio.gather(pool.close(), backend.close())
    return Comparison(task.name, tuple(pairs))


class _Remembered:
    """Asks the user about each call once."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._answers: dict[tuple[str, str], bool] = {}

    async def __call__(self, tool: str, arguments: str) -> bool:
        call = (tool, arguments)
        if call not in self._answers:
            self._answers[call] = await self._ask(tool, arguments)
        return self._answers[call]


async def _run(
    task: Task, mode: Mode, backend: Backend, pool: Pool, progress: Progress, ask: Ask | None
) -> Performance:
    """One run in a sandbox of its own, the model knowing nothing of earlier ones."""
    await backend.forget()
    task = task.model_copy(update={"mode": mode})
    relay = ProgressRelay()
    relay.show = progress
    parts = make_parts(task, relay, backend, pool)
    parts.approval.ask = ask
    try:
        stage = Stage(task, parts, Shown(quiet=True), relay)
        performance = await stage.perform(give_back=False)
    finally:
        await parts.workplace.close()
    if performance.error is not None:
        raise performance.error
    if performance.status is RunStatus.TERMINATED:
        raise Terminated("terminated")
    if performance.status is RunStatus.INTERRUPTED:
        raise Interrupted("interrupted")
    return performance
