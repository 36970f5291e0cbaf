"""Servers that tests use: published ones, which none of us wrote, and a hostile one of our own.

The published ones are in the folder that `make mcp-servers` fills.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from conveyor_tools.function import FunctionTool
from conveyor_tools.mcp import McpOptions, McpServer

ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path(os.environ.get("MCP_SERVERS_FOLDER", ROOT / ".mcp-servers"))
HOSTILE = Path(__file__).with_name("hostile.py")
Result = TypeVar("Result")


def published(name: str, *arguments: str) -> list[str]:
    """The command of a published server. In CI one that is not there is a failure."""
    for folder in (FOLDER / "python" / "bin", FOLDER / "node" / "node_modules" / ".bin"):
        if (folder / name).exists():
            return [str(folder / name), *arguments]
    if os.environ.get("CI"):
        pytest.fail(f"CI needs the published MCP servers: {name} is not in {FOLDER}")
    pytest.skip("make mcp-servers installs the published MCP servers")


def hostile(mode: str, *arguments: str) -> list[str]:
    return [sys.executable, str(HOSTILE), mode, *arguments]


@asynccontextmanager
async def started(
    command: list[str] | None = None, **options: Any
) -> AsyncIterator[dict[str, FunctionTool]]:
    """A server's tools by name; it is ended afterwards."""
    if command is not None:
        options["command"] = command
    server = McpServer(McpOptions.model_validate(options))
    try:
        await server.ready()
        yield {tool.name: tool for tool in server.tools()}
    finally:
        await server.close()


def run(work: Callable[[], Awaitable[Result]]) -> Result:
    async def main() -> Result:
        return await work()

    return asyncio.run(main())


def processes(mark: str) -> list[int]:
    """Those that live and have this argument."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                arguments = (folder / "cmdline").read_bytes().split(b"\0")
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if mark.encode() in arguments and state != "Z":
                found.append(int(folder.name))
    return found
