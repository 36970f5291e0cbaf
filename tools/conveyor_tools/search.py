"""The `search` tool: finds places in a folder of documents, or on the web."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from conveyor_tools.function import Effects, tool
from conveyor_tools.later import Later
from conveyor_tools.searching.base import Engine, Hit
from conveyor_tools.searching.folder import FolderSearch
from conveyor_tools.searching.web import Brave, Searxng, Tavily

_MOST = 20
"""Hits of one search. So many are asked for before it is known how many are wanted."""
_LONGEST_TIMEOUT = 120.0


@tool(effects=Effects.PURE, timeout=2 * _LONGEST_TIMEOUT, name="search", ready_when={"query"},
      retries=1)  # fmt: skip
class Search:
    """Searches for words and gives the best hits: title, where it stands, and what it says.

    Write the words to look for; `limit` is how many hits are wanted, 5 by default.
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        searxng: str | None = None,
        brave: bool = False,
        tavily: bool = False,
        timeout: Annotated[float, Field(gt=0, le=_LONGEST_TIMEOUT)] = 15.0,
    ) -> None:
        """Options of a task: one of the first four says what is searched.

        `folder`: text, Markdown and HTML files in a folder and those below it. `searxng`: the URL
        of a SearXNG or searx server. `brave`, `tavily`: these services, with the key from the
        environment (`BRAVE_API_KEY`, `TAVILY_API_KEY`). `timeout`: seconds for a server to answer.

        Raises:
            ValueError: none or several are given, or what is given will not do.
        """
        self.timeout = None if folder is not None else timeout
        given = [folder is not None, searxng is not None, brave, tavily]
        if sum(given) != 1:
            raise ValueError("give one of its options: folder, searxng, brave or tavily")
        self._engine: Engine
        if folder is not None:
            self._engine = FolderSearch(folder)
        elif searxng is not None:
            self._engine = Searxng(searxng, timeout)
        else:
            self._engine = Brave(timeout) if brave else Tavily(timeout)

    async def prepare(self) -> None:
        """Connect, or bring the index up to date."""
        await self._engine.prepare()

    async def __call__(
        self,
        query: Annotated[str, Field(min_length=1, max_length=1000)],
        limit: Later[Annotated[int, Field(ge=1, le=_MOST)]] = Later(5),  # noqa: B008
    ) -> list[Hit]:
        found = await self._engine.find(query, _MOST)
        return found[: await limit]

    async def close(self) -> None:
        """Give back the connection or the index."""
        await self._engine.close()
