"""The `plan` tool: calls of the task's other tools, each as soon as its inputs are there."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from conveyor_sandbox.reports import Report, RolledBack, UnitKey
from conveyor_tools.function import Effects, FunctionTool
from conveyor_tools.place import Place
from conveyor_tools.plan_calls import TakenBack
from conveyor_tools.plan_run import PlanRun
from conveyor_tools.plan_tools import PLAN, step_tools
from conveyor_tools.preparation import Preparation
from conveyor_tools.splitters.base import Unit
from conveyor_tools.splitters.plan import PlanSplitter, PlanUnit
from conveyor_tools.tool import text_schema

EXAMPLE = """\
$1 = search(query="population of Oslo")
$2 = search(query="population of Rome")
$3 = compare(first=$1[0].text, second="Rome: ${2}")
"""
RULES = (
    "A step uses the result of an earlier one as $1, a part of it as $1[0].text, and in a string "
    "as ${1}. Steps that do not use each other run at the same time. You are shown the results; "
    "then answer in words, without a plan."
)


class PlanTool:
    """Steps that call the task's other tools; values flow from step to step by number."""

    name = PLAN
    tags = ("plan",)
    lane = "plan"
    language = "text"
    argument = "plan"
    schema = text_schema("plan")
    effects = Effects.REVERSIBLE
    needs_sandbox = False
    description = (
        "Runs a plan: steps that call tools, each as soon as what it uses is there.\n"
        f"The steps stand one a line, such as\n{EXAMPLE}{RULES}"
    )
    instructions = (
        "Write a plan in one fenced block that begins with ```plan. It holds steps that call "
        f"tools, one a line, such as\n{EXAMPLE}{RULES}"
    )

    def splitter(self, place: Place) -> PlanSplitter:
        return PlanSplitter(step_tools(place))

    def open(self, place: Place) -> PlanSession:
        return PlanSession(place)


class PlanSession:
    """The plans of one conversation. They share nothing: what a plan knows ends with it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._report: Callable[[Report], None] = lambda _: None
        self._runs: dict[int, PlanRun] = {}
        self._prepared: dict[str, Preparation] = {}
        self._undoing: set[asyncio.Task[TakenBack]] = set()

    def listen(self, listener: Callable[[Report], None]) -> None:
        self._report = listener

    def prepare(self, call: int) -> None:  # noqa: ARG002 - for all plans alike
        """Have the functions get ready, all of them: nobody knows yet which will be called."""
        for name, function in self._place.functions.items():
            if name not in self._prepared:
                self._prepared[name] = Preparation(function)

    def run(self, key: UnitKey, unit: Unit) -> None:
        if isinstance(unit, PlanUnit) and unit.step is not None:
            self._of(key.call).add(key, unit.step, unit.after or ())

    def end(self, call: int) -> None:
        self._of(call).end()

    def cancel(self, call: int) -> None:
        self._of(call).cancel()

    def roll_back(self, call: int) -> None:
        run = self._runs.pop(call, None)
        stays = tuple(run.effects) if run is not None else ()
        if run is None or not run.calls:
            self._report(RolledBack(call, (), time.monotonic(), stays))
            return
        undoing = asyncio.create_task(run.calls.take_back())
        self._undoing.add(undoing)
        undoing.add_done_callback(lambda done: self._taken_back(call, stays, done))

    def _taken_back(self, call: int, stays: tuple[str, ...], done: asyncio.Task[TakenBack]) -> None:
        self._undoing.discard(done)
        if not done.cancelled():
            lost, not_undone = done.result()
            self._report(RolledBack(call, lost, time.monotonic(), (*stays, *not_undone)))

    def commit(self) -> None:
        for call, run in tuple(self._runs.items()):
            if run.ended:
                run.calls.commit()
                del self._runs[call]

    async def close(self) -> None:
        self._report = lambda _: None
        for run in self._runs.values():
            run.close()
        self._runs.clear()
        getting_ready = [it.task for it in self._prepared.values()]
        for task in (*getting_ready, *self._undoing):
            task.cancel()
        await asyncio.gather(*getting_ready, return_exceptions=True)
        functions = [self._place.functions[name] for name in self._prepared]
        await asyncio.gather(*map(_close, functions))

    def _of(self, call: int) -> PlanRun:
        if call not in self._runs:
            place = self._place
            self._runs[call] = PlanRun(call, place, self._preparation, self._tell)
        return self._runs[call]

    def _preparation(self, name: str) -> Awaitable[None] | None:
        """What to wait for before a function is called; one that failed is tried again then."""
        ready = self._prepared.get(name)
        return None if ready is None or ready.failed else asyncio.shield(ready.awaited())

    def _tell(self, report: Report) -> None:
        self._report(report)


async def _close(function: FunctionTool) -> None:
    """Have it give back what it holds, if it can; others that use it may have done so already."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(function.timeout):
            await function.close()
