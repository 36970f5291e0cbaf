"""The tools that tasks can name."""

from __future__ import annotations

from importlib import import_module

from conveyor_tools.function import FunctionTool, function_tool
from conveyor_tools.plan import PlanTool
from conveyor_tools.python import PythonTool
from conveyor_tools.tool import Tool

_TOOLS = (PythonTool, PlanTool)
_FUNCTIONS = {"calculator": "conveyor_tools.calculator"}
"""Functions, by the modules that hold them: these are imported only where a task wants them."""


def tool_names() -> list[str]:
    """The names that a task may give."""
    return [*(tool.name for tool in _TOOLS), *_FUNCTIONS]


def find_tool(name: str) -> Tool | FunctionTool:
    """The tool of that name. Raises KeyError."""
    if name in _FUNCTIONS:
        return function_tool(getattr(import_module(_FUNCTIONS[name]), name), name)
    return {tool.name: tool for tool in _TOOLS}[name]()
