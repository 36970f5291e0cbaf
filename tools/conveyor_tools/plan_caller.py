"""Calls the tool of a step, with what other steps gave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from conveyor_sandbox.reports import Failure, Outcome, Report, Status, UnitKey
from conveyor_tools.errors import ToolError
from conveyor_tools.function import Effects, FunctionTool
from conveyor_tools.hearing import Ear, hearing
from conveyor_tools.place import Place
from conveyor_tools.plan_calls import StepCalls
from conveyor_tools.plan_schema import StepTool
from conveyor_tools.plan_tools import SessionTool, step_tools
from conveyor_tools.plan_values import Failed, Given, Step, resolve

_OF_THE_WHOLE = frozenset(("arguments", "syntax", "unknown_tool", "cut_off"))
"""Kinds of failures by which nothing of a call counts as run. Of a plan, the step counts as run."""


class StepCaller:
    """Makes the steps of a plan. `prepared` gives what to wait for before a function is called."""

    def __init__(
        self,
        place: Place,
        calls: StepCalls,
        prepared: Callable[[str], Awaitable[None] | None],
    ) -> None:
        self.effects: list[str] = []
        """What steps did, or may have done, that cannot be taken back."""
        self._tools = step_tools(place)
        self._refusal = place.refusal
        self._keeps_files = place.keeps_files
        self._calls = calls
        self._prepared = prepared

    async def make(
        self,
        unit: UnitKey,
        step: Step,
        results: Mapping[int, Any],
        counts: asyncio.Future[bool],
        begin: Callable[[], None],
        hear: Callable[[Report], None],
    ) -> Given | Failed:
        """Make a step, and say so when it begins. Returns what it gave, or how it failed.

        `hear` is told how far it has come, if its tool says so. To be awaited in a task of its own.
        """
        tool = self._tools[step.tool]
        arguments: dict[str, Any] = {}
        refused: Failure | None = None
        try:
            arguments = resolve(step.arguments, results, python=_is_python(tool))
        except ToolError as problem:
            refused = Failure("exception", "ToolError", str(problem))
        effects = tool.effects_of(arguments)
        if refused is None and _may_be_asked_about(tool):
            text = json.dumps(arguments, ensure_ascii=False)
            why = await self._refusal(tool.name, effects, text)
            refused = None if why is None else Failure("denied", "ToolError", why)
        begin()
        if refused is not None:
            return Failed(Outcome(Status.ERROR, refused))
        undone = isinstance(tool, SessionTool) and effects is Effects.REVERSIBLE
        if effects is not Effects.PURE and not undone:
            self.effects.append(f"what {tool.name} did (${step.number})")
        if isinstance(tool, SessionTool):
            text = tool.text(arguments)
            found = await self._calls.answer(unit, step.number, tool, text, counts)
        else:
            name = f"{tool.name}-{unit.call}-step{step.number}"
            ear = Ear(unit, hear, name, kept=self._keeps_files)
            found = await self._call_function(tool, arguments, ear)
        return found if isinstance(found, Given) else _of_a_step(found)

    async def _call_function(
        self, tool: StepTool, arguments: dict[str, Any], ear: Ear
    ) -> Given | Failed:
        assert isinstance(tool, FunctionTool)
        hearing.set(ear)
        try:
            answer = await tool.call(arguments, prepared=self._prepared(tool.name))
        finally:
            ear.close()
        if answer.failure is None:
            result = answer.result or "null"
            return Given(json.loads(result), result, answer.shown, files=tuple(ear.files))
        timeout = answer.failure.kind == "timeout"
        return Failed(Outcome(Status.TIMEOUT if timeout else Status.ERROR, answer.failure))


def _is_python(tool: StepTool) -> bool:
    return isinstance(tool, SessionTool) and tool.tool.language == "python"


def _may_be_asked_about(tool: StepTool) -> bool:
    return tool.asks if isinstance(tool, SessionTool) else True


def _of_a_step(failed: Failed) -> Failed:
    """How a step failed, given how its call did."""
    outcome = failed.outcome
    failure = outcome.failure
    if failure is not None and failure.kind in _OF_THE_WHOLE:
        failure = replace(failure, kind="exception")
    status = Status.TIMEOUT if outcome.status is Status.TIMEOUT else Status.ERROR
    return replace(failed, outcome=Outcome(status, failure))
