"""The tools of a task: those that the model calls itself, and functions that its code calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from conveyor_cli.errors import UsageError
from conveyor_cli.tool_choice import SERVER, ToolChoice
from conveyor_cli.trust import Claim, TrustStore, claim_of, claim_of_code
from conveyor_tools.argument_tool import ArgumentTool
from conveyor_tools.errors import ToolLoadError
from conveyor_tools.function import FunctionTool
from conveyor_tools.loading import load, read
from conveyor_tools.plan_tools import PLAN, tools_told
from conveyor_tools.registry import find_tool
from conveyor_tools.tool import Tool

if TYPE_CHECKING:
    from conveyor_tools.mcp import McpServer


class Toolbox:
    """The tools of a task, by name; all names are different.

    A function is there twice: called by the model, and by its code. What MCP servers offer comes in
    when they are started, and is not called by Python code, which a sandbox is told of before.
    """

    def __init__(self) -> None:
        self.tools: dict[str, Tool] = {}
        """What the model can call."""
        self.functions: dict[str, FunctionTool] = {}
        """What its code and plans can call."""
        self._chosen_servers: list[ToolChoice] = []
        self._servers: list[McpServer] = []
        self._served: list[str] = []

    @property
    def needs_sandbox(self) -> bool:
        """Whether one of the tools does."""
        return any(tool.needs_sandbox for tool in self.tools.values())

    @property
    def has_servers(self) -> bool:
        """Whether servers offer some."""
        return bool(self._chosen_servers)

    @property
    def started(self) -> bool:
        """Whether the servers are there, and their tools known."""
        return bool(self._servers)

    @property
    def from_code(self) -> frozenset[str]:
        """The functions that code or plans call, where a call is a fenced block of these."""
        if "plan" in self.tools:
            return frozenset(self.functions)
        return frozenset(self._own if "python" in self.tools else ())

    @property
    def functions_told(self) -> str:
        """What the model is told about functions that are not called alone; empty if none are."""
        told = []
        if self.from_code:
            told += [text for tool, text in _CALLED_FROM.items() if tool in self.tools]
            told += [_described(self.functions[it]) for it in sorted(self.from_code)]
        if PLAN in self.tools:
            told += filter(None, [tools_told(self.tools, self.functions)])
        return "\n".join(told)

    @property
    def _own(self) -> list[str]:
        """The functions that no server offers."""
        return [name for name in self.functions if name not in self._served]

    def choose(self, choice: ToolChoice) -> None:
        """Put a tool in. Raises UsageError."""
        try:
            if choice.name == SERVER:
                self._chosen_servers.append(choice)
            else:
                self.add(_make(choice))
        except ToolLoadError as error:
            raise UsageError(choice.complaint(error)) from None

    async def start(self) -> None:
        """Start the servers, if they are not there, and take in their tools.

        Raises:
            UsageError: one does not start, or what it offers will not do.
        """
        if self._servers or not self._chosen_servers:
            return
        for choice in self._chosen_servers:
            self._servers.append(_begin(choice))
        for choice, server in zip(self._chosen_servers, self._servers, strict=True):
            await server.ready()
            try:
                served = await asyncio.to_thread(server.tools, tuple(self.tools))
                for tool in served:
                    self._served.append(tool.name)
                    self.add(tool)
            except ToolLoadError as error:
                raise UsageError(choice.complaint(error)) from None

    async def close(self) -> None:
        """End the servers. `start` begins anew."""
        servers, self._servers = self._servers, []
        for name in self._served:
            self.tools.pop(name, None)
            self.functions.pop(name, None)
        self._served.clear()
        await asyncio.gather(*(server.close() for server in servers))

    def add(self, tool: Tool | FunctionTool) -> None:
        """Put a tool in that is there. Raises ToolLoadError if its name is taken."""
        if tool.name in self.tools:
            how = "option name of sql, @tool(name=…) of yours"
            raise ToolLoadError(
                f"there is a tool called {tool.name!r} already: name one of them otherwise ({how})"
            )
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
        if choice not in chosen:
            chosen.append(choice)
            toolbox.choose(choice)
    if not chosen:
        raise UsageError("tools: name at least one tool, such as python")
    return toolbox


def _make(choice: ToolChoice) -> Tool | FunctionTool:
    reference = choice.reference
    if reference is None:
        return find_tool(choice.name, choice.options, choice.base)
    code = read(reference)  # once: what is trusted is what runs
    _require_trusted(claim_of_code(choice, code))
    return load(reference, code, choice.options, choice.base)


def _begin(choice: ToolChoice) -> McpServer:
    """A server, which starts now."""
    from conveyor_tools.mcp import McpServer, read_options  # noqa: PLC0415 - its libraries are slow

    try:
        _require_trusted(claim_of(choice))
        return McpServer(read_options(choice.options, choice.base))
    except ToolLoadError as error:
        raise UsageError(choice.complaint(error)) from None


def _require_trusted(claim: Claim | None) -> None:
    if claim is not None and claim not in TrustStore():
        raise ToolLoadError(f"{claim.name} is not trusted, or was changed just now")
