"""The tools that tasks can name."""

from __future__ import annotations

from conveyor_tools.python import PythonTool
from conveyor_tools.tool import Tool

_TOOLS = (PythonTool,)


def tool_names() -> list[str]:
    """The names that a task may give."""
    return [tool.name for tool in _TOOLS]


def find_tool(name: str) -> Tool:
    """The tool of that name. Raises KeyError."""
    return {tool.name: tool for tool in _TOOLS}[name]()
