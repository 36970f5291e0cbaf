"""Full-text search over a folder.

Its index is brought up to date when a call is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from pathlib import Path

import platformdirs

from conveyor_tools.apart import in_thread
from conveyor_tools.errors import ToolError
from conveyor_tools.progress import progress
from conveyor_tools.searching.base import Hit
from conveyor_tools.searching.index import MOST_DOCUMENTS, Index

_WORD = re.compile(r"\w+")
_MOST_WORDS = 32
_LONGEST_WORD = 64
_GRACE = 1.0
"""Seconds that what is under way may take to end before it is left to itself."""


class FolderSearch:
    """A folder of text, Markdown and HTML files. `cache` is where indexes are kept."""

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        """Raises ValueError: there is no such folder."""
        if not folder.is_dir():
            why = "this is no folder" if folder.exists() else "there is no such folder"
            raise ValueError(f"option folder: {folder}: {why}")
        self._folder = folder.resolve()
        self._cache = cache or platformdirs.user_cache_path("conveyor") / "search"
        self._lock = threading.Lock()
        self._index = self._new_index()
        self._too_many_told = False

    async def prepare(self) -> None:
        index = self._index
        await in_thread(lambda: self._refresh(index))

    async def find(self, query: str, limit: int) -> list[Hit]:
        words = [word[:_LONGEST_WORD] for word in _WORD.findall(query)][:_MOST_WORDS]
        if not words:
            raise ToolError("the query has no word in it")
        # Quoted, each is a word and no operator of FTS5's query language.
        expression = " OR ".join(f'"{word}"' for word in words)
        index = self._index
        return list(await in_thread(lambda: self._find(index, expression, limit)))

    async def close(self) -> None:
        """Give the index back: at once, or else when what is under way has ended."""
        index, self._index = self._index, self._new_index()
        index.give_up()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(in_thread(lambda: self._hang_up(index)), _GRACE)

    def _new_index(self) -> Index:
        return Index(self._folder, self._cache)

    def _find(self, index: Index, expression: str, limit: int) -> list[Hit]:
        with self._lock:
            return index.find(expression, limit)

    def _hang_up(self, index: Index) -> None:
        with self._lock:
            index.close()

    def _refresh(self, index: Index) -> None:
        if not self._folder.is_dir():
            raise ToolError(f"{self._folder.name}: the folder is not there any more")
        with self._lock:
            count = index.update(self._say)
        if count > MOST_DOCUMENTS and not self._too_many_told:
            self._too_many_told = True
            told = f"search: only {MOST_DOCUMENTS} documents of {self._folder} are searched"
            print(told)  # noqa: T201 - as every tool tells the user something

    def _say(self, count: int) -> None:
        """Of a folder that takes long: how many of its documents were looked at."""
        progress(f"{count:,} documents of {self._folder.name}")
