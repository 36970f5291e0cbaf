"""What the steps of a plan can call: functions, and the other tools of the task."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from conveyor_tools.declaration import Effects
from conveyor_tools.errors import ArgumentsError
from conveyor_tools.place import Place
from conveyor_tools.plan_schema import StepTool
from conveyor_tools.splitters.base import Splitter
from conveyor_tools.tool import Tool

PLAN = "plan"
"""The name of the tool itself, which is no step."""


class SessionTool:
    """A tool with a session, whose calls are steps on the lane that its other calls are on."""

    def __init__(self, tool: Tool, splitter: Callable[[], Splitter]) -> None:
        self.tool = tool
        self.name = tool.name
        self.effects = tool.effects
        self.schema: dict[str, Any] = {"additionalProperties": False, **tool.schema}
        self._splitter = splitter

    @property
    def lane(self) -> str | None:
        """The state on which its steps follow each other; None: they change none."""
        return None if self.effects is Effects.PURE else self.tool.lane

    @property
    def asks(self) -> bool:
        """Whether the user may be asked about a call: of code, they are about what it calls."""
        return self.tool.argument is None

    def effects_of(self, arguments: Mapping[str, Any]) -> Effects:  # noqa: ARG002 - of all calls
        return self.effects

    def check(self, name: str, value: Any) -> None:
        """Raises ArgumentsError if its own splitter, which reads arguments, does not like one."""
        if self.tool.argument is None:
            splitter = self._splitter()
            splitter.feed(json.dumps({name: value}, ensure_ascii=False)[:-1])
            if splitter.problem is not None:
                raise ArgumentsError(splitter.problem.message)

    def text(self, arguments: Mapping[str, Any]) -> str:
        """The text of a call with these arguments."""
        if self.tool.argument is None:
            return json.dumps(arguments, ensure_ascii=False)
        return str(arguments[self.tool.argument])


def step_tools(place: Place) -> dict[str, StepTool]:
    """All that steps can call there, by name."""
    found: dict[str, StepTool] = dict(place.functions)
    if place.inner is not None:
        for tool in _with_sessions(place.tools, found):
            found[tool.name] = SessionTool(tool, lambda tool=tool: tool.splitter(place))  # type: ignore[misc]
    return found


def tools_told(tools: Mapping[str, Tool], functions: Iterable[str]) -> str:
    """What the model is told of tools that are steps, too; empty if there are none."""
    lines = []
    for tool in _with_sessions(tools, functions):
        takes = ", ".join(tool.schema.get("properties", ()))
        lines.append(f"- {tool.name}({takes})")
    return "\n".join([_TOLD, *lines]) if lines else ""


def _with_sessions(tools: Mapping[str, Tool], functions: Iterable[str]) -> list[Tool]:
    known = {PLAN, *functions}
    return [tool for name, tool in tools.items() if name not in known]


_TOLD = (
    'Steps can call these tools, too, such as $1 = python(code="""print(6 * 7)"""). Such a step '
    "gives its output as text, a query its rows as objects ($1[0].name); of a text that is JSON, "
    "parts can be used, too. ${1} puts it into code as it stands. Steps that share a state "
    "run one after another. If a step fails, what the plan changed is undone. The tools are:"
)
