"""Databases: two in files, and a server."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.cli.matrix.answering import answering, saying
from tests.cli.matrix.sides import Call, Death, Shown, Side, Try
from tests.tools.postgres import PostgresServer

_SCHEMA = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, name VARCHAR(40));
INSERT INTO orders VALUES (1, 'ann'), (2, 'b;b');
"""
_SLOW = {
    "sqlite": "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM r) SELECT max(i) FROM r;",
    "duckdb": "SELECT count(*) FROM range(10000000000) a, range(1000000) b WHERE a.range % 7 = 1;",
    "postgresql": "SELECT pg_sleep(1000);",
}
_LARGE = {
    "sqlite": "SELECT replace(hex(zeroblob(5000000)), '0', 'x') AS a;",
    "duckdb": "SELECT repeat('x', 10000000) AS a;",
    "postgresql": "SELECT repeat('x', 10000000) AS a;",
}
_READS = (
    "SELECT id, name FROM orders ORDER BY id;",
    "SELECT count(*) AS n FROM orders WHERE name LIKE 'a%';",
    "SELECT name FROM orders WHERE id > 7;",
)


@contextmanager
def sqlite(folder: Path, _: object) -> Iterator[Side]:
    path = folder / "shop.db"
    with contextlib.closing(sqlite3.connect(path)) as shop:
        shop.executescript(_SCHEMA)

    def read(text: str) -> tuple[list[str], list[Any]]:
        with contextlib.closing(sqlite3.connect(path)) as shop:
            cursor = shop.execute(text)
            return [it[0] for it in cursor.description], cursor.fetchall()

    yield _side("sqlite", f"sqlite:///{path}", read, _damaged(folder, "sqlite"))


@contextmanager
def duck(folder: Path, _: object) -> Iterator[Side]:
    path = folder / "shop.duckdb"
    with duckdb.connect(str(path)) as shop:
        shop.execute(_SCHEMA)

    def read(text: str) -> tuple[list[str], list[Any]]:
        with duckdb.connect(str(path)) as shop:
            cursor = shop.execute(text)
            return [it[0] for it in cursor.description or ()], cursor.fetchall()

    yield _side("duckdb", f"duckdb:///{path}", read, _damaged(folder, "duckdb"))


@contextmanager
def postgresql(_: Path, request: pytest.FixtureRequest) -> Iterator[Side]:
    server: PostgresServer = request.getfixturevalue("postgres")
    server.sql("SET ROLE clerk", _SCHEMA)

    def read(text: str) -> tuple[list[str], list[Any]]:
        names = text.removeprefix("SELECT ").partition(" FROM")[0].split(", ")
        lines = server.sql(text).splitlines()
        return [it.rpartition(" ")[2] for it in names], [line.split("|") for line in lines]

    def restart(_: object) -> None:
        server.kill()
        server.start()

    no_database = saying(raw=b"\xff\x00HTTP/1.1 500 no\r\n" * 99)
    with answering(no_database) as other:
        url = f"postgresql://clerk@127.0.0.1:{other.port}/shop"
        yield _side(
            "postgresql",
            server.url(),
            read,
            _try(url),
            Death(restart, "connection", "onnection"),
        )


def _side(
    kind: str,
    url: str,
    read: Callable[[str], tuple[list[str], list[Any]]],
    garbage: Try,
    death: Death | None = None,
) -> Side:
    return Side(
        settings=_settings(url),
        plain=[_query(text) for text in _READS] + [_query("\n".join(_READS))],
        direct=lambda: [*(_told(read, [it]) for it in _READS), _told(read, _READS)],
        hangs=_query(f"DELETE FROM orders;\n{_SLOW[kind]}\nSELECT 1;"),
        hangs_at=1,
        look=_query("SELECT count(*) AS n FROM orders;"),
        seen="n\n2\n(1 row)\n",
        garbage=[garbage],
        large=[Try(_query(_LARGE[kind]), "cut: 10000000 characters", "ok", None)],
        death=death,
        slow=_settings(url, timeout=0.5),
    )


def _settings(url: str, **options: Any) -> dict[str, Any]:
    return {"tools": [{"sql": {"url": url, "write": True, **options}}]}


def _query(text: str) -> Call:
    return Call("sql", {"query": text})


def _told(read: Callable[[str], tuple[list[str], list[Any]]], texts: Any) -> Shown:
    """The rows, as the driver alone gives them, in the words of the tool."""
    parts = []
    for text in texts:
        names, rows = read(text)
        lines = [" | ".join(map(str, row)) for row in (names, *rows)]
        parts += [*lines, f"({len(rows)} row{'' if len(rows) == 1 else 's'})"]
    return "".join(f"{line}\n" for line in parts), None


def _damaged(folder: Path, kind: str) -> Try:
    """A file that is no database."""
    (folder / "damaged.db").write_bytes(b"no database at all \x00\x1b[2J" * 1000)
    return _try(f"{kind}:///{folder / 'damaged.db'}")


def _try(url: str) -> Try:
    """The next call fails as this one does."""
    return Try(_query("SELECT 1;"), "", "error", "connection", _settings(url), after="error")
