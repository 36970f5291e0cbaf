"""One MCP server: started, asked for its tools, called, and started again if it died."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
from mcp import Client, MCPError
from mcp.types import CONNECTION_CLOSED, CallToolResult, Tool
from pydantic import ValidationError

from conveyor_tools.errors import TemporaryError, ToolError, ToolLoadError
from conveyor_tools.hearing import one_line
from conveyor_tools.mcp_http import sse, streamable
from conveyor_tools.mcp_stdio import Notes, environment, stdio

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams
    from mcp.shared.dispatcher import ProgressFnT

    from conveyor_tools.mcp import McpOptions

_MOST_TOOLS = 10_000
"""Tools that are listed."""
_NOT_PARSED = ("Failed to parse JSON response", "Failed to parse SSE message")
"""How the SDK begins what it says of what is no message of the protocol."""
_SHOWN = 500
"""Characters of what a server or library says went wrong."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What a server offers. `name` is what it calls itself."""

    name: str
    tools: list[Tool]


class Connection:
    """A conversation with a server that runs, held by a task of its own.

    The client's parts must be left by the task that entered them, whoever ends the conversation.
    """

    def __init__(self, options: McpOptions) -> None:
        self._options = options
        self._notes = Notes()
        self._over = asyncio.Event()
        self._happened = "the server has ended"
        self._ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold())

    @property
    def ended(self) -> bool:
        """Whether the server is gone, or never came."""
        return self._over.is_set()

    async def client(self) -> Client:
        """The client, once the server has answered. Raises what kept it from that."""
        return await asyncio.shield(self._ready)

    def give_up(self) -> None:
        """It is of no use any more."""
        self._over.set()

    async def close(self) -> None:
        """End it, and the server if that is a child."""
        self._over.set()
        if not self._ready.done():  # it has not answered yet, and may never do so
            self._task.cancel()
        await asyncio.wait([self._task])

    def why(self, problem: BaseException) -> str:
        """What went wrong, in one line, with the last that the server said beside the protocol."""
        while isinstance(problem, BaseExceptionGroup):
            problem = problem.exceptions[0]
        if isinstance(problem, TimeoutError):
            what = f"no answer within {self._options.start_timeout:g} s"
        elif isinstance(problem, MCPError) and problem.error.code == CONNECTION_CLOSED:
            what = self._happened
        elif isinstance(problem, MCPError):
            what = problem.error.message
            if what.startswith(_NOT_PARSED):
                what = "this is not MCP: it answers with something else"
        elif isinstance(problem, ValidationError):
            first = problem.errors(include_url=False, include_context=False)[0]
            what = f"this is not MCP: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        else:
            what = str(problem) or type(problem).__name__
        said = self._notes.last_lines
        return one_line(f"{what[:_SHOWN]}{said and ': '}{said}")

    async def _hold(self) -> None:
        try:
            async with asyncio.timeout(self._options.start_timeout) as limit:
                async with Client(self._transport()) as client:
                    limit.reschedule(None)
                    self._ready.set_result(client)
                    await self._over.wait()
        except BaseException as problem:
            if not isinstance(problem, Exception):
                self._ready.cancel()
                raise
            if not self._ready.done():
                self._ready.set_exception(problem)
                self._ready.exception()  # perhaps nobody asks
        finally:
            self._over.set()

    def _end(self, happened: str) -> None:
        self._happened = happened
        self._over.set()

    def _transport(self) -> AbstractAsyncContextManager[TransportStreams]:
        options = self._options
        if options.command is not None:
            env = environment(options.env)
            return stdio(options.command, env, options.cwd, self._notes, self._end)
        assert options.url is not None
        if options.transport == "sse":
            return sse(options.url, options.headers, options.timeout)
        return streamable(options.url, options.headers, options.timeout)


class Server:
    """A server of a task. Its tools share the one connection, and what is behind it."""

    def __init__(self, options: McpOptions) -> None:
        self._options = options
        self._connection: Connection | None = None
        self._old: list[Connection] = []
        logging.getLogger("mcp").setLevel(logging.CRITICAL)  # it writes tracebacks to stderr
        logging.getLogger("client").setLevel(logging.CRITICAL)

    async def offered(self) -> Offered:
        """Start it, and ask what it offers.

        Raises:
            ToolLoadError: in one line.
        """
        if not _is_there(self._options):
            raise ToolLoadError(f"mcp: {self._options.label}: there is no such program")
        connection = self._connected()
        try:
            async with asyncio.timeout(self._options.start_timeout):
                client = await connection.client()
                tools = await _listed(client)
        except Exception as problem:
            await self.close()
            raise ToolLoadError(
                f"mcp: {self._options.label}: {connection.why(problem)}"
            ) from problem
        info = client.server_info
        return Offered(info.name if info is not None else "", tools)

    async def prepare(self) -> None:
        """Start it again if it died. What goes wrong is the next call's affair."""
        self._connected()

    async def call(
        self, name: str, arguments: Mapping[str, Any], progress: ProgressFnT | None = None
    ) -> CallToolResult:
        """Call one of its tools. If this is cancelled, the server is told.

        `progress` is told each time how far the server says that it has come, and of how much.

        Raises:
            ToolError: there is no result, with the reason.
        """
        connection = self._connected()
        try:
            client = await connection.client()
        except Exception as problem:
            raise TemporaryError(f"it cannot be started: {connection.why(problem)}") from problem
        try:
            return await client.call_tool(name, dict(arguments), progress_callback=progress)
        except MCPError as problem:
            if problem.error.code != CONNECTION_CLOSED:
                raise ToolError(connection.why(problem)) from problem
            connection.give_up()
            raise TemporaryError(connection.why(problem)) from problem
        except (OSError, httpx2.HTTPError) as problem:
            connection.give_up()
            raise TemporaryError(f"the connection was lost: {connection.why(problem)}") from problem
        except (ValueError, RuntimeError) as problem:  # what the protocol does not allow
            raise ToolError(f"no valid answer: {connection.why(problem)}") from problem

    async def close(self) -> None:
        """End it, with all its children."""
        old, self._old = self._old, []
        if self._connection is not None:
            old.append(self._connection)
            self._connection = None
        for connection in old:
            await connection.close()

    def _connected(self) -> Connection:
        """The connection, made anew if the server is gone."""
        if self._connection is not None and self._connection.ended:
            self._old.append(self._connection)
            self._connection = None
        if self._connection is None:
            self._connection = Connection(self._options)
        return self._connection


def _is_there(options: McpOptions) -> bool:
    """Whether the program is found, as far as can be told before it is started."""
    if options.command is None:
        return True
    program = options.command[0]
    if "/" in program:
        return (options.cwd or Path()).joinpath(program).exists()
    return shutil.which(program, path=environment(options.env).get("PATH")) is not None


async def _listed(client: Client) -> list[Tool]:
    """All its tools, page by page; of a list without an end, the beginning."""
    tools: list[Tool] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor, cache_mode="bypass")
        tools += page.tools
        cursor = page.next_cursor
        if not cursor or not page.tools or len(tools) >= _MOST_TOOLS:
            return tools
