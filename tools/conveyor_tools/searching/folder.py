"""Full-text search over a folder: SQLite's FTS5, ranked by BM25.

The index lies in the user's cache. It is brought up to date when a call is opened: only files whose
size or time of change differ are read again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from conveyor_tools.blocking import in_thread
from conveyor_tools.errors import ToolError
from conveyor_tools.searching.base import Hit
from conveyor_tools.searching.documents import documents, passages

_FORMAT = 2
_WORD = re.compile(r"\w+")
_MOST_WORDS = 32
_LONGEST_WORD = 64
_OF_ONE_FILE = 3
"""Passages of one document among the hits."""
_SHOWN_WORDS = 48
_PATIENCE = 20.0
"""Seconds for which another program may hold the index."""
_GRACE = 1.0
"""Seconds that what is under way may take to end before it is left to itself."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (path TEXT PRIMARY KEY, changed INTEGER, size INTEGER);
CREATE VIRTUAL TABLE IF NOT EXISTS passages USING fts5 (
    title, text, path UNINDEXED, line UNINDEXED, tokenize = 'porter unicode61'
);
"""
_FIND = f"""
    SELECT title, path, line, snippet(passages, 1, '', '', ' … ', {_SHOWN_WORDS})
    FROM passages WHERE passages MATCH ? ORDER BY bm25(passages, 4.0, 1.0), path, line LIMIT ?
"""  # noqa: S608 - a number of ours


class FolderSearch:
    """A folder of text, Markdown and HTML files. `cache` is where indexes are kept."""

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        """Raises ValueError: there is no such folder."""
        if not folder.is_dir():
            raise ValueError(f"option folder: {folder}: there is no such folder")
        self._folder = folder.resolve()
        self._cache = cache or platformdirs.user_cache_path("conveyor") / "search"
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    async def prepare(self) -> None:
        await in_thread(self._refresh)

    async def find(self, query: str, limit: int) -> list[Hit]:
        words = [word[:_LONGEST_WORD] for word in _WORD.findall(query)][:_MOST_WORDS]
        if not words:
            raise ToolError("the query has no word in it")
        # Quoted, each is a word and no operator of FTS5's query language.
        expression = " OR ".join(f'"{word}"' for word in words)
        return list(await in_thread(lambda: self._find(expression, limit)))

    async def close(self) -> None:
        """Give the index back: at once, or else when what is under way has ended."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.interrupt()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(in_thread(lambda: self._hang_up(connection)), _GRACE)

    def _find(self, expression: str, limit: int) -> list[Hit]:
        with self._lock, _told():
            rows = self._open().execute(_FIND, (expression, limit * _OF_ONE_FILE * 4)).fetchall()
        hits, seen = list[Hit](), dict[str, int]()
        for title, path, line, text in rows:
            seen[path] = seen.get(path, 0) + 1
            if seen[path] <= _OF_ONE_FILE and len(hits) < limit:
                hits.append(Hit(title, f"{path}:{line}", " ".join(text.split())))
        return hits

    def _hang_up(self, connection: sqlite3.Connection) -> None:
        """Not while another thread uses it: SQLite's module for Python would crash."""
        with self._lock:
            connection.close()

    # The index

    def _refresh(self) -> None:
        if not self._folder.is_dir():
            raise ToolError(f"{self._folder.name}: the folder is not there any more")
        with self._lock, _told():
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")  # another program may be at it
            try:
                self._update(connection)
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def _update(self, connection: sqlite3.Connection) -> None:
        known = {
            path: (changed, size)
            for path, changed, size in connection.execute("SELECT * FROM documents")
        }
        for document in documents(self._folder):
            if self._connection is not connection:
                raise ToolError("the index was given back")
            facts = (document.changed, document.size)
            if known.pop(document.path, None) == facts:
                continue
            self._forget(connection, document.path)
            with contextlib.suppress(OSError):  # it was taken away, or may not be read
                connection.executemany(
                    "INSERT INTO passages (title, text, path, line) VALUES (?, ?, ?, ?)",
                    [(it.title, it.text, document.path, it.line) for it in passages(document.file)],
                )
            connection.execute("INSERT INTO documents VALUES (?, ?, ?)", (document.path, *facts))
        for path in known:
            self._forget(connection, path)

    def _forget(self, connection: sqlite3.Connection, path: str) -> None:
        gone = connection.execute("DELETE FROM documents WHERE path = ?", (path,))
        if gone.rowcount:
            connection.execute("DELETE FROM passages WHERE path = ?", (path,))

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = self._opened(self._file())
            except (sqlite3.DatabaseError, OSError):
                # Damaged, or no place to keep it: one for this run only, which is always right.
                self._connection = self._opened(":memory:")
        return self._connection

    def _file(self) -> str:
        """Nobody else may read it: it holds what the documents say, whoever may read these."""
        self._cache.mkdir(parents=True, exist_ok=True)
        key = hashlib.sha256(f"{_FORMAT} ".encode() + os.fsencode(self._folder)).hexdigest()[:24]
        path = self._cache / f"{key}.db"
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        path.chmod(0o600)
        return str(path)

    def _opened(self, name: str) -> sqlite3.Connection:
        connection = sqlite3.connect(name, _PATIENCE, isolation_level=None, check_same_thread=False)
        connection.executescript(f"PRAGMA journal_mode = wal;{_SCHEMA}")
        connection.execute("SELECT count(*) FROM documents").fetchone()
        return connection


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What SQLite says is wrong is a failure of the tool."""
    try:
        yield
    except sqlite3.Error as error:
        raise ToolError(f"the index cannot be used: {error}") from error
