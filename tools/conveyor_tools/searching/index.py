"""A full-text index of a folder: SQLite's FTS5, ranked by BM25. It lies in the user's cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from conveyor_tools.errors import ToolError
from conveyor_tools.searching.base import Hit
from conveyor_tools.searching.documents import Document, documents, passages

MOST_DOCUMENTS = 100_000
"""Of a folder; more are left out."""
_FORMAT = 4
_OF_ONE_FILE = 3
"""Passages of one document among the hits."""
_SHOWN_WORDS = 48
_PATIENCE = 20.0
"""Seconds for which another program may hold the index."""
_KEPT_EVERY = 1.0
"""Seconds of reading after which what was read is kept, whatever becomes of the rest."""
_LET_IN = 0.11
"""Seconds in between. SQLite lets those who wait try every 0.1 s, and nobody is next in line."""
_UNUSED = 90 * 86400
"""Seconds after which an index that nobody uses is removed."""
_NO_PLACE = frozenset(
    (
        *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY),
        *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB),
    )
)
"""What SQLite says of a file that cannot be written, or is damaged."""
_SPAN = 1 << 24
"""Row numbers of a document's passages, from its own times this: FTS5 finds them at once."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY, path TEXT UNIQUE, changed INTEGER, size INTEGER
);
CREATE VIRTUAL TABLE IF NOT EXISTS passages USING fts5 (
    title, text, path UNINDEXED, line UNINDEXED, tokenize = 'porter unicode61'
);
"""
_FIND = f"""
    SELECT title, path, line, snippet(passages, 1, '', '', ' … ', {_SHOWN_WORDS})
    FROM passages WHERE passages MATCH ? ORDER BY bm25(passages, 4.0, 1.0), path, line LIMIT ?
"""  # noqa: S608 - a number of ours


class Index:
    """The index of one folder, for one thread at a time. It is opened when it is first used.

    Where it cannot be kept in the folder `cache`, or is damaged, it is in memory.
    """

    def __init__(self, folder: Path, cache: Path) -> None:
        self._folder = folder
        self._cache = cache
        self._connection: sqlite3.Connection | None = None
        self._given_up = False

    def update(self, progress: Callable[[int], None]) -> int:
        """Read what has changed; `progress` is told at times how many documents were looked at.

        Only files whose size or time of change differ are read. What was read is kept, also if
        this does not come to its end. Returns how many documents there are; of more than
        `MOST_DOCUMENTS`, those behind are left out.

        Raises:
            ToolError: the index was given up, or cannot be used.
        """
        with _told():
            connection = self._open()
            try:
                return self._write(connection, progress)
            except sqlite3.DatabaseError as error:
                lost = (error.sqlite_errorcode & 0xFF) in _NO_PLACE  # the code without its details
                if not lost or self._given_up:
                    raise
                self._connection = _opened(":memory:")
                connection.close()
                return self._write(self._connection, progress)

    def find(self, expression: str, limit: int) -> list[Hit]:
        """The best passages for an expression in FTS5's language. Raises ToolError."""
        with _told():
            connection = self._open()
            rows = connection.execute(_FIND, (expression, limit * _OF_ONE_FILE * 4)).fetchall()
            if not rows and connection.execute("SELECT 1 FROM documents").fetchone() is None:
                what = "no text, Markdown or HTML that could be searched"
                raise ToolError(f"{self._folder.name}: there is {what}")
        hits, seen = list[Hit](), dict[str, int]()
        for title, path, line, text in rows:
            seen[path] = seen.get(path, 0) + 1
            if seen[path] <= _OF_ONE_FILE and len(hits) < limit:
                hits.append(Hit(title, f"{path}:{line}", " ".join(text.split())))
        return hits

    def give_up(self) -> None:
        """From any thread: what is under way ends soon, with an error."""
        self._given_up = True
        if self._connection is not None:
            self._connection.interrupt()

    def close(self) -> None:
        """Give it back. Nothing may be under way: SQLite's module for Python would crash."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # Bringing it up to date

    def _write(self, connection: sqlite3.Connection, progress: Callable[[int], None]) -> int:
        connection.execute("BEGIN IMMEDIATE")  # another program may be at it
        try:
            count = self._update(connection, progress)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return count

    def _update(self, connection: sqlite3.Connection, progress: Callable[[int], None]) -> int:
        known = {
            path: (changed, size)
            for path, changed, size in connection.execute(
                "SELECT path, changed, size FROM documents"
            )
        }
        kept_at = time.monotonic()
        count = 0
        for document in documents(self._folder):
            if self._given_up:
                raise ToolError("the index was given back")
            count += 1
            if count > MOST_DOCUMENTS:
                break
            if known.pop(document.path, None) != (document.changed, document.size):
                self._read(connection, document)
            if time.monotonic() - kept_at > _KEPT_EVERY:
                progress(count)
                self._keep(connection)
                kept_at = time.monotonic()
        for path in known:
            self._forget(connection, path)
        return count

    def _keep(self, connection: sqlite3.Connection) -> None:
        """Keep what was read so far, and let others that wait have the index meanwhile."""
        written = connection.total_changes
        connection.execute("COMMIT")
        if written:
            time.sleep(_LET_IN)
        connection.execute("BEGIN IMMEDIATE")

    def _read(self, connection: sqlite3.Connection, document: Document) -> None:
        facts = (document.changed, document.size)
        stored = "SELECT changed, size FROM documents WHERE path = ?"
        if connection.execute(stored, (document.path,)).fetchone() == facts:
            return  # another program has read it meanwhile
        self._forget(connection, document.path)
        try:
            read = [(it.title, it.text, document.path, it.line) for it in passages(document.file)]
        except OSError:  # it was taken away, or may not be read: the next time, perhaps
            return
        added = connection.execute(
            "INSERT INTO documents (path, changed, size) VALUES (?, ?, ?)", (document.path, *facts)
        )
        first = (added.lastrowid or 0) * _SPAN
        connection.executemany(
            "INSERT INTO passages (rowid, title, text, path, line) VALUES (?, ?, ?, ?, ?)",
            [(first + number, *row) for number, row in enumerate(read)],
        )

    def _forget(self, connection: sqlite3.Connection, path: str) -> None:
        known = connection.execute("SELECT id FROM documents WHERE path = ?", (path,)).fetchone()
        if known is not None:
            (number,) = known
            theirs = (number * _SPAN, (number + 1) * _SPAN - 1)
            connection.execute("DELETE FROM passages WHERE rowid BETWEEN ? AND ?", theirs)
            connection.execute("DELETE FROM documents WHERE id = ?", (number,))

    # Where it is kept

    def _open(self) -> sqlite3.Connection:
        if self._given_up:
            raise ToolError("the index was given back")
        if self._connection is None:
            try:
                self._connection = _opened(str(self._file()))
            except (sqlite3.DatabaseError, OSError):
                # Damaged, or no place to keep it: one for this run only, which is always right.
                self._connection = _opened(":memory:")
        return self._connection

    def _file(self) -> Path:
        """Nobody else may read it: it holds what the documents say, whoever may read these."""
        self._cache.mkdir(parents=True, exist_ok=True)
        key = hashlib.sha256(f"{_FORMAT} ".encode() + os.fsencode(self._folder)).hexdigest()[:24]
        path = self._cache / f"{key}.db"
        if path.exists():
            os.utime(path)
        else:
            _remove_unused(self._cache)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        path.chmod(0o600)
        return path


def _opened(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        name, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
    )
    with contextlib.ExitStack() as unless_good:
        unless_good.callback(connection.close)
        connection.executescript(f"PRAGMA journal_mode = wal;{_SCHEMA}")
        connection.execute("SELECT count(*) FROM documents").fetchone()
        unless_good.pop_all()
    return connection


def _remove_unused(cache: Path) -> None:
    """Remove indexes that nobody has opened for long: of folders that are gone, say."""
    for path in cache.glob("*.db"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _UNUSED:
                for each in (path, *cache.glob(f"{path.name}-*")):
                    each.unlink(missing_ok=True)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What SQLite says is wrong is a failure of the tool."""
    try:
        yield
    except sqlite3.Error as error:
        raise ToolError(f"the index cannot be used: {error}") from error
