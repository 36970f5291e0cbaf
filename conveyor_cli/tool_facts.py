"""What is to be known of a tool: for lists, for its own page, and how a model calls it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from conveyor_tools.argument_tool import ArgumentTool
from conveyor_tools.function import FunctionTool
from conveyor_tools.schema_told import told
from conveyor_tools.tool import Tool

_UNITS = {"python": "statements", "sql": "statements", "bash": "commands", "text": "steps"}
"""What calls of tools are cut into, whose text is code, by its language; a plan's is text."""
_EXAMPLES = {
    "python": "print(6 * 7)",
    "sql": "SELECT 1;",
    "bash": "ls",
    "text": '$1 = calculator("6 * 7")',
}
_BY_TYPE: dict[str, Any] = {"integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}}


class ToolFacts:
    """The facts of one tool. `options`: what a task can say of it, in words."""

    def __init__(self, tool: Tool, options: str = "") -> None:
        self.tool = tool
        self.options = options
        self.function: FunctionTool | None = (
            tool.function if isinstance(tool, ArgumentTool) else None
        )

    @property
    def units(self) -> str:
        """What its calls are cut into."""
        if self.tool.argument is not None:
            return _UNITS.get(self.tool.language, "whole")
        early = self.function is not None and (
            self.function.declaration.ready_when is not None or self.function.early
        )
        return "arguments" if early else "whole"

    @property
    def starts(self) -> str:
        """When a call of it starts, in partial mode."""
        if self.tool.argument is not None:
            return f"each of the {self.units} as soon as it is written"
        if self.tool.effects.value != "pure":
            asks = " and is allowed" if self.tool.effects.value == "external" else ""
            less = hasattr(self.function and self.function.function, "effects_of")
            sooner = "; with arguments that do less, sooner" if less else ""
            return f"when the call is complete{asks}{sooner}"
        ready = self.function.declaration.ready_when if self.function is not None else None
        if ready is None:
            return "when its arguments are complete"
        return f"when {' and '.join(sorted(ready))} {'is' if len(ready) == 1 else 'are'} written"

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        first = self.tool.description.strip().partition("\n")[0]
        end = first.find(". ")
        return first if end < 0 else first[: end + 1]

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        declared = self.function.declaration if self.function is not None else None
        return {
            "name": self.tool.name,
            "description": self.tool.description,
            "effects": self.tool.effects.value,
            "units": self.units,
            "starts": self.starts,
            "runs": "in the sandbox" if self.tool.needs_sandbox else "on this machine",
            "lane": self.tool.lane,
            "schema": told(self.tool.schema),
            "ready_when": sorted(declared.ready_when) if declared and declared.ready_when else None,
            "timeout": self._timeout,
            "retries": declared.retries if declared else None,
            "options": self.options,
            "calls": self.calls(),
        }

    def calls(self) -> dict[str, str]:
        """How a model writes a call of it, by dialect."""
        name, arguments = self.tool.name, self.example
        text = json.dumps(arguments, ensure_ascii=False)
        inner = str(arguments[self.tool.argument]) if self.tool.argument is not None else text
        call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
        parameters = json.dumps({"name": name, "parameters": arguments}, ensure_ascii=False)
        tag = self.tool.tags[0] if self.tool.tags else name
        found = {
            "fences": f"```{tag}\n{inner}\n```",
            "hermes": f"<tool_call>\n{call}\n</tool_call>",
            "qwen3-coder": _tagged(name, arguments),
            "mistral": f"[TOOL_CALLS] [{call}]",
            "llama": parameters,
            "native": json.dumps({"function": {"name": name, "arguments": text}}),
        }
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        if self.function is not None:
            found["in python"] = f"{name}({given})"
        if name != "plan":
            found["in a plan"] = f"$1 = {name}({given})"
        return found

    @property
    def _timeout(self) -> float | None:
        """Seconds that a call may take: where the tool has a limit of its own, that one."""
        if self.function is None:
            return None
        own: float | None = getattr(self.function.function, "timeout", None)
        return own or self.function.declaration.timeout

    @property
    def example(self) -> dict[str, Any]:
        """Arguments that it might be given."""
        if self.tool.argument is not None:
            return {self.tool.argument: _EXAMPLES.get(self.tool.language, "…")}
        schema = self.tool.schema
        properties: Mapping[str, Any] = schema.get("properties", {})
        wanted = schema.get("required") or list(properties)[:1]
        return {name: _value(properties.get(name, {})) for name in wanted}


def _tagged(name: str, arguments: Mapping[str, Any]) -> str:
    """The call as tags: texts as they are, all else as JSON."""
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in arguments.items()
    }
    inside = "".join(f"<parameter={key}>\n{it}\n</parameter>\n" for key, it in texts.items())
    return f"<tool_call>\n<function={name}>\n{inside}</function>\n</tool_call>"


def _value(schema: Mapping[str, Any]) -> Any:
    """A value that a schema might mean."""
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if schema.get(key):
            return schema[key][0]
    return _BY_TYPE.get(str(schema.get("type")), "…")
