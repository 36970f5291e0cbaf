"""The tools that tasks can name."""

from __future__ import annotations

from conveyor_tools.function import FunctionTool
from conveyor_tools.loading import Reference, load, read
from conveyor_tools.python import PythonTool
from conveyor_tools.tool import Tool

_TOOLS = (PythonTool,)
_FUNCTIONS = {"calculator": Reference("conveyor_tools.calculator", "calculator")}


def tool_names() -> list[str]:
    """The names that a task may give."""
    return [*(tool.name for tool in _TOOLS), *_FUNCTIONS]


def find_tool(name: str) -> Tool | FunctionTool:
    """The tool of that name. Raises KeyError."""
    if name in _FUNCTIONS:
        reference = _FUNCTIONS[name]
        return load(reference, read(reference))
    return {tool.name: tool for tool in _TOOLS}[name]()
