"""Real databases with a few orders in them, and conversations about these."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import duckdb

from conveyor_tools.registry import find_tool
from conveyor_tools.sql import SqlTool
from tests.tools.postgres import PostgresServer
from tests.tools.sessions import Conversation

KINDS = ("sqlite", "duckdb", "postgresql")
SCHEMA = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, name VARCHAR(40), price DECIMAL(10,2));
INSERT INTO orders VALUES (1, 'ann', 1.50), (2, 'bob', 2.25);
"""


class Shop:
    """A database with a few orders, and a tool to reach it."""

    def __init__(self, kind: str, folder: Path, server: Callable[[], PostgresServer]) -> None:
        self.kind = kind
        self.folder = folder
        self._server = server
        if kind == "postgresql":
            self.url = server().url()
        else:
            self.url = f"{kind}:///shop.db"
        self.look(SCHEMA)

    def tool(self, **options: Any) -> SqlTool:
        """The tool, made as a task makes it."""
        tool = find_tool("sql", {"url": self.url, **options}, self.folder)
        assert isinstance(tool, SqlTool)
        return tool

    def look(self, text: str) -> list[tuple[Any, ...]]:
        """What a program of its own sees in the database."""
        path = self.folder / "shop.db"
        if self.kind == "sqlite":
            with contextlib.closing(sqlite3.connect(path)) as lite:
                rows = [lite.execute(it).fetchall() for it in text.split(";") if it.strip()]
                lite.commit()
                return rows[-1]
        if self.kind == "duckdb":
            with duckdb.connect(str(path)) as duck:
                return duck.execute(text).fetchall()
        printed = self._server().sql("SET ROLE clerk", text)
        return [tuple(line.split("|")) for line in printed.splitlines()]

    def names(self) -> list[str]:
        """The names in the database, in order."""
        return [row[0] for row in self.look("SELECT name FROM orders ORDER BY id")]


@contextlib.asynccontextmanager
async def talk(tool: SqlTool) -> AsyncIterator[Conversation]:
    """A conversation that is closed in the end."""
    conversation = Conversation(tool)
    try:
        yield conversation
    finally:
        await conversation.session.close()


def run(shop: Shop, *texts: str, **options: Any) -> Conversation:
    """A conversation with these calls."""

    async def do() -> Conversation:
        async with talk(shop.tool(**options)) as conversation:
            for number, text in enumerate(texts, 1):
                await conversation.call(number, text)
            return conversation

    return asyncio.run(do())
