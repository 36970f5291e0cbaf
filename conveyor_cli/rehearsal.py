"""Runs a script with tools of one's own, and no sandbox: to see them called as a model would.

For tests of tools: `rehearse([weather], ScriptedBackend([call, "Warm."], rate=None))`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from conveyor_cli.backends.scripted import ScriptedBackend
from conveyor_cli.compose import make_parts, make_run
from conveyor_cli.dialects.speech import DialectName
from conveyor_cli.engine.approval import Approve
from conveyor_cli.engine.metrics import measure
from conveyor_cli.engine.policy import Mode
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.performance import end_parts
from conveyor_cli.report import run_report
from conveyor_cli.task import Expectation, ModelOptions, Task
from conveyor_cli.toolbox import Toolbox
from conveyor_tools import apart
from conveyor_tools.function import FunctionTool, function_tool


def rehearse(
    tools: Iterable[Callable[..., Any] | FunctionTool],
    script: ScriptedBackend,
    *,
    mode: Mode | str = Mode.PARTIAL,
    dialect: DialectName = "hermes",
    approve: Approve | str = Approve.NEVER,
) -> dict[str, Any]:
    """The run as `conveyor run --json` prints it. Nobody is asked; the tools really run.

    `tools` are functions, classes that can be made without options, or made by `function_tool`.

    Raises:
        ModelError: the script ends too early.
    """
    toolbox = Toolbox()
    for each in tools:
        toolbox.add(each if isinstance(each, FunctionTool) else function_tool(each, "tool"))
    model = ModelOptions(backend="scripted", script=Path("-"), dialect=dialect)
    task = Task(
        name="rehearsal", prompt="-", model=model, mode=Mode(mode), approve=Approve(approve)
    )
    timeline = Timeline()

    async def run() -> None:
        parts = make_parts(task, _silent, script, toolbox=toolbox)
        try:
            whole = make_run(task, "rehearsal", parts, timeline.apply, _silent)
            await whole.run(task.prompt, task.limits.seconds)
        finally:
            await end_parts(parts)

    apart.run(run())
    return run_report(timeline, measure(timeline), Expectation(), None)


def _silent(_what: str, _fraction: float | None) -> None:
    """Shows no progress."""
