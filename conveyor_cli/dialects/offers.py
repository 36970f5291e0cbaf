"""Tools as chat templates and servers are told of them."""

from __future__ import annotations

import re

from conveyor_cli.backends.base import ToolOffer
from conveyor_tools.schema_told import told
from conveyor_tools.tool import Tool

_TOOLS = re.compile(r"\btools\b")


def offer(tool: Tool) -> ToolOffer:
    """The tool's name, description and arguments."""
    function = {"name": tool.name, "description": tool.description, "parameters": told(tool.schema)}
    return {"type": "function", "function": function}


def takes_tools(template: str | None) -> bool:
    """Whether a chat template tells the model of tools."""
    return template is not None and _TOOLS.search(template) is not None
