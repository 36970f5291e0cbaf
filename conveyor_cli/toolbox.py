"""The tools of a task: those that the model calls itself, and functions that its code calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from conveyor_cli.errors import UsageError
from conveyor_cli.trust import TrustStore
from conveyor_tools.errors import ToolLoadError
from conveyor_tools.function import FunctionTool
from conveyor_tools.loading import Reference, load, read
from conveyor_tools.registry import find_tool
from conveyor_tools.tool import Tool


@dataclass(frozen=True, slots=True)
class Toolbox:
    """Both kinds, by name."""

    tools: dict[str, Tool]
    functions: dict[str, FunctionTool]

    @property
    def functions_told(self) -> str:
        """What the model is told about the functions; empty if there are none."""
        if not self.functions:
            return ""
        how = [text for tool, text in _CALLED_FROM.items() if tool in self.tools]
        return "\n".join([*how, *map(_described, self.functions.values())])


_CALLED_FROM = {
    "python": (
        "In your Python code these functions are defined already; call them as they are, without "
        "an import. In async code, await them. One that fails raises ToolError."
    ),
    "plan": "The steps of a plan call these functions:",
}


def _described(function: FunctionTool) -> str:
    lines = function.description.splitlines()
    return "\n".join([f"- {function.name}{function.signature.shown}", *(f"  {it}" for it in lines)])


def open_toolbox(names: Iterable[str]) -> Toolbox:
    """The tools of these names. Code of the user's is run here, if it is trusted.

    Raises:
        UsageError: one cannot be had, or nothing could call it.
    """
    toolbox = Toolbox({}, {})
    for name in dict.fromkeys(names):
        tool = _load_trusted(Reference.parse(name)) if ":" in name else find_tool(name)
        if not isinstance(tool, FunctionTool):
            toolbox.tools[tool.name] = tool
        elif tool.name in toolbox.functions:
            raise UsageError(f"tools: {name}: there is a tool called {tool.name!r} already")
        else:
            toolbox.functions[tool.name] = tool
    if not toolbox.tools:
        raise UsageError("tools: functions are called from code: add python")
    return toolbox


def _load_trusted(reference: Reference) -> FunctionTool:
    try:
        code = read(reference)
        if code not in TrustStore():
            raise UsageError(f"tools: {reference} is not trusted, or was changed just now")
        return load(reference, code)
    except ToolLoadError as error:
        raise UsageError(f"tools: {error}") from None
