"""MCP servers as tools: each of a server's tools is one that a model can call.

A server is either a command, run as a child of this program, or a URL.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from conveyor_tools.function import Effects, FunctionTool
from conveyor_tools.variables import filled

Seconds = Annotated[float, Field(gt=0, le=3600)]
Filled = Annotated[str, AfterValidator(filled)]


class McpOptions(BaseModel):
    """What a task says of a server: `{mcp: {command: […]}}` or `{mcp: {url: …}}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: tuple[str, ...] | None = Field(None, min_length=1)
    """Program and arguments."""
    env: dict[str, Filled] = {}
    """What the command gets beside a minimal environment. `${NAME}` is a variable of ours."""
    cwd: Path | None = None
    url: str | None = Field(None, pattern=r"^https?://")
    transport: Literal["http", "sse"] = "http"
    """How a URL is spoken to: `sse` is the older way."""
    headers: dict[str, Filled] = {}
    """Sent with each request to the URL."""
    name: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9_]{0,31}$")
    """What stands before the name of a tool that another one has already."""
    tools: tuple[str, ...] | None = None
    """The only tools to take, by the server's names."""
    effects: dict[str, Effects] = {}
    """What tools do, where the server's own word for it is not to be taken."""
    timeout: Seconds = 60.0
    """Seconds for a call."""
    start_timeout: Seconds = 30.0

    @model_validator(mode="after")
    def _one_of_both(self) -> McpOptions:
        if (self.command is None) == (self.url is None):
            raise ValueError("give either command (a list: program and arguments) or url")
        of_command, of_url = bool(self.env or self.cwd), bool(self.headers)
        if (self.url and of_command) or (self.command and of_url):
            raise ValueError("env and cwd belong to a command, headers to a url")
        return self

    @property
    def runs(self) -> str | None:
        """The command line that runs on this machine, which the user has to trust; or None."""
        if self.command is None:
            return None
        where = f" in {self.cwd}" if self.cwd else ""
        names = "".join(f" {name}=…" for name in sorted(self.env))
        return f"{shlex.join(self.command)}{where}{names and ' with'}{names}"


class McpServer:
    """A server of a task, for one conversation.

    `start` it as early as possible, while the model loads; then its tools are known.
    """

    def __init__(self, options: McpOptions) -> None:
        from conveyor_tools.mcp_server import Server  # noqa: PLC0415 - it imports the SDK

        self._options = options
        self._server = Server(options)

    async def tools(self, taken: Collection[str] = ()) -> list[FunctionTool]:
        """Start the server and make a tool of each that it offers; none has a name in `taken`.

        Raises:
            ToolLoadError: it does not start, or what it offers will not do. In one line.
        """
        from conveyor_tools.mcp_tools import make_tools  # noqa: PLC0415

        offered = await self._server.offered()
        return make_tools(self._server, self._options, offered, taken)

    async def close(self) -> None:
        """End it, with all its children."""
        await self._server.close()
