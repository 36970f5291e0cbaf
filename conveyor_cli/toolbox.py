"""The tools of a task: those that the model calls itself, and functions that its code calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from conveyor_cli.errors import UsageError
from conveyor_cli.tool_choice import ToolChoice
from conveyor_cli.trust import TrustStore
from conveyor_tools.argument_tool import ArgumentTool
from conveyor_tools.errors import ToolLoadError
from conveyor_tools.function import FunctionTool
from conveyor_tools.loading import load, read
from conveyor_tools.registry import find_tool
from conveyor_tools.tool import Tool


@dataclass(frozen=True, slots=True)
class Toolbox:
    """A function is there twice where the task has `python`: called by the model, and by its code.

    All names are different.
    """

    tools: dict[str, Tool] = field(default_factory=dict)
    """What the model can call, by name."""
    functions: dict[str, FunctionTool] = field(default_factory=dict)
    """What its code can call, by name."""

    @property
    def needs_sandbox(self) -> bool:
        """Whether one of the tools does."""
        return any(tool.needs_sandbox for tool in self.tools.values())

    @property
    def from_code(self) -> frozenset[str]:
        """The functions that code or plans call, where a call is a fenced block of these."""
        return frozenset(self.functions if _CALLED_FROM.keys() & self.tools.keys() else ())

    @property
    def functions_told(self) -> str:
        """What the model is told about the functions of its code; empty if there are none."""
        if not self.from_code:
            return ""
        how = [text for tool, text in _CALLED_FROM.items() if tool in self.tools]
        return "\n".join([*how, *map(_described, self.functions.values())])

    def add(self, tool: Tool | FunctionTool) -> None:
        """Put it in. Raises UsageError if there is one of its name."""
        if tool.name in self.tools:
            raise UsageError(f"there is a tool called {tool.name!r} already")
        if isinstance(tool, FunctionTool):
            self.functions[tool.name] = tool
            self.tools[tool.name] = ArgumentTool(tool)
        else:
            self.tools[tool.name] = tool


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


def open_toolbox(choices: Iterable[ToolChoice]) -> Toolbox:
    """The tools that were chosen. Code of the user's is run here, if it is trusted.

    Raises:
        UsageError: one cannot be had, or there are none.
    """
    toolbox = Toolbox()
    chosen: list[ToolChoice] = []
    for choice in choices:
        if choice in chosen:  # the same, twice
            continue
        chosen.append(choice)
        try:
            toolbox.add(_make(choice))
        except (ToolLoadError, UsageError) as error:
            raise UsageError(choice.complaint(error)) from None
    if not toolbox.tools:
        raise UsageError("tools: name at least one tool, such as python")
    return toolbox


def _make(choice: ToolChoice) -> Tool | FunctionTool:
    reference = choice.reference
    if reference is None:
        return find_tool(choice.name, choice.options, choice.base)
    code = read(reference)
    if code not in TrustStore():
        raise UsageError(f"{reference} is not trusted, or was changed just now")
    return load(reference, code, choice.options, choice.base)
