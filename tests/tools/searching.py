"""A folder of documents to search in, and searches as a conversation makes them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from conveyor_sandbox.reports import Outcome, Status
from conveyor_tools.function import FunctionTool
from conveyor_tools.registry import find_tool
from conveyor_tools.searching.base import Hit
from conveyor_tools.searching.folder import FolderSearch

GUIDE = """# Guide

Otters are playful.

## Feeding

An otter eats a fifth of its weight each day.
Crabs, mostly.
"""


def tool(options: dict[str, Any], base: Path | None = None) -> FunctionTool:
    found = find_tool("search", options, base)
    assert isinstance(found, FunctionTool)
    return found


def hits(outcome: Outcome) -> list[dict[str, str]]:
    assert outcome.status is Status.OK, outcome
    assert outcome.result is not None
    found: list[dict[str, str]] = json.loads(outcome.result)
    return found


async def find(engine: Any, query: str, limit: int = 5) -> list[Hit]:
    """What an engine finds, ready and closed as in a conversation."""
    await engine.prepare()
    try:
        found: list[Hit] = await engine.find(query, limit)
        return found
    finally:
        await engine.close()


def search(folder: Path, query: str, limit: int = 5) -> list[Hit]:
    return asyncio.run(find(FolderSearch(folder), query, limit))
