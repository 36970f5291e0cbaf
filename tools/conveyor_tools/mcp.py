"""MCP servers as tools: each of a server's tools is one that a model can call.

A server is either a command, run as a child of this program, or a URL.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from conveyor_tools.errors import ToolLoadError
from conveyor_tools.function import Effects, FunctionTool
from conveyor_tools.home import expanded
from conveyor_tools.side_loop import SideLoop
from conveyor_tools.variables import filled
from conveyor_tools.wording import wording

if TYPE_CHECKING:
    from conveyor_tools.mcp_server import Offered, Server


def _web(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("write a URL such as https://mcp.example.org/mcp")
    return url


Seconds = Annotated[float, Field(gt=0, le=3600)]
Filled = Annotated[str, AfterValidator(filled)]
Web = Annotated[str, AfterValidator(_web)]


class McpOptions(BaseModel):
    """What a task says of a server: `{mcp: {command: […]}}` or `{mcp: {url: …}}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: tuple[str, ...] | None = Field(None, min_length=1)
    """Program and arguments."""
    env: dict[str, Filled] = {}
    """What the command gets beside a minimal environment. `${NAME}` is a variable of ours."""
    cwd: Path | None = None
    url: Web | None = None
    transport: Literal["http", "sse"] = "http"
    """How a URL is spoken to: `sse` is the older way."""
    headers: dict[str, Filled] = {}
    """Sent with each request to the URL."""
    name: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9_]{0,31}$")
    """What stands before the name of a tool that another one has already."""
    tools: tuple[str, ...] | None = None
    """The only tools to take, by the server's names, or what becomes of these (`_` for `-`)."""
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
    def label(self) -> str:
        """What the user calls it."""
        return self.name or self.url or shlex.join(self.command or ())

    @property
    def runs(self) -> str | None:
        """The command line that runs on this machine, which the user has to trust; or None."""
        if self.command is None:
            return None
        where = f" in {self.cwd}" if self.cwd else ""
        names = "".join(f" {name}=…" for name in sorted(self.env))
        return f"{shlex.join(self.command)}{where}{names and ' with'}{names}"


def read_options(written: Mapping[str, Any], base: Path | None = None) -> McpOptions:
    """The options of a task. A command runs in `base`, the task's folder, if it says no other.

    Raises:
        ToolLoadError: an option is unknown or wrong; the message names it.
    """
    try:
        options = McpOptions.model_validate(dict(written))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, ("mcp", *first["loc"])))
        raise ToolLoadError(f"{place}: {wording(first)}") from None
    if options.command is None or base is None:
        return options
    return options.model_copy(update={"cwd": base / expanded(options.cwd or "")})


class McpServer:
    """A server of a task, which starts at once, beside whatever else there is to do.

    It has a loop of its own: what it sends, however much, does not hold up decoding, and it stays
    from one conversation of the program to the next.
    """

    def __init__(self, options: McpOptions) -> None:
        self._options = options
        self._server: Server | None = None
        self._loop = SideLoop("mcp")
        self._offered = self._loop.begin(self._open())

    async def ready(self) -> None:
        """Wait until its tools are known, or known not to come, which `tools` then says."""
        offered = asyncio.wrap_future(self._offered)
        await asyncio.wait([offered])
        if not offered.cancelled():
            offered.exception()  # it is known now; `tools` says it

    def tools(self, taken: Collection[str] = ()) -> list[FunctionTool]:
        """A tool of each that it offers; none has a name in `taken`. Waits until they are known.

        Raises:
            ToolLoadError: it did not start, or what it offers will not do. In one line.
        """
        from conveyor_tools.mcp_tools import McpFunction, make_tools  # noqa: PLC0415

        offered = self._offered.result()
        server = self._server
        assert server is not None

        def function(name: str) -> McpFunction:
            return McpFunction(server, self._loop, name)

        return make_tools(self._options, offered, taken, function)

    async def close(self) -> None:
        """End it, with all its children."""
        self._offered.cancel()
        await self._loop.run(self._end())
        self._loop.stop()

    async def _open(self) -> Offered:
        from conveyor_tools.mcp_server import Server  # noqa: PLC0415 - slow: it imports the SDK

        self._server = Server(self._options)
        return await self._server.offered()

    async def _end(self) -> None:
        if self._server is not None:
            await self._server.close()
