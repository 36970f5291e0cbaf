"""A function tool that the model calls itself, with arguments as JSON."""

from __future__ import annotations

import json
from typing import Any

from conveyor_tools.arguments import ArgumentSplitter
from conveyor_tools.function import Effects, FunctionTool
from conveyor_tools.host_session import HostSession
from conveyor_tools.place import Place


class ArgumentTool:
    """Its calls are the JSON of all arguments; they run on the host, and touch no sandbox."""

    language = "json"
    argument = None
    needs_sandbox = False

    def __init__(self, function: FunctionTool) -> None:
        self.function = function
        self.name = function.name
        self.tags = (function.name,)
        self.lane = function.name
        self.description = function.description

    @property
    def schema(self) -> dict[str, Any]:
        return self.function.schema

    @property
    def effects(self) -> Effects:
        return self.function.effects

    @property
    def instructions(self) -> str:
        """With what it takes, since in fences no schema is told."""
        first, *rest = self.function.description.splitlines()
        example = json.dumps(
            dict.fromkeys(self.schema.get("required", ()), "…"), ensure_ascii=False
        )
        how = (
            f"To call {self.name}{self.function.signature.shown}, write its arguments as JSON in "
            f"one fenced block that begins with ```{self.name}, for example {example}."
        )
        return "\n".join([f"{how} What it does: {first}", *rest])

    def splitter(self, place: Place) -> ArgumentSplitter:  # noqa: ARG002 - it is the same everywhere
        return ArgumentSplitter(self.function)

    def open(self, place: Place) -> HostSession:
        return HostSession(self.function, keeps_files=place.keeps_files)
