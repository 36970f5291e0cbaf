"""The `sql` tool, on each of its databases: the real ones."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from conveyor_sandbox.reports import Ended, Finished, Output, Status
from conveyor_tools.answer import Unusable
from conveyor_tools.apart import in_thread
from conveyor_tools.errors import ToolLoadError
from conveyor_tools.registry import find_tool
from conveyor_tools.sql import SqlTool
from tests.tools.shops import KINDS, Shop, run, talk

SLOW = {
    "sqlite": "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM r) SELECT max(i) FROM r;",
    "duckdb": "SELECT count(*) FROM range(10000000000) a, range(1000000) b WHERE a.range % 7 = 1;",
    "postgresql": "SELECT pg_sleep(1000);",
}
NUMBERS = {
    "sqlite": "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM r WHERE i < {}) "
    "SELECT i FROM r;",
    "duckdb": "SELECT i FROM range(1, {} + 1) t(i);",
    "postgresql": "SELECT i FROM generate_series(1, {}) t(i);",
}


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    return Shop(request.param, tmp_path, lambda: request.getfixturevalue("postgres"))


def test_rows_as_text(shop: Shop) -> None:
    """Numbers keep their digits, and NULL is told from the text."""
    text = "SELECT id, name, price FROM orders ORDER BY id; SELECT NULL AS a, 'NULL' AS b"
    done = run(shop, text)
    price = "1.5" if shop.kind == "sqlite" else "1.50"
    assert done.output(1) == (
        f"id | name | price\n1 | ann | {price}\n2 | bob | 2.25\n(2 rows)\n"
        "a | b\nNULL | NULL\n(1 row)\n"
    )
    assert done.ends(1) == ["ok", "ok"]


VALUES = {
    "sqlite": (
        "SELECT 7 AS i, 1.5 AS f, 'x' AS t, NULL AS n, 9e999 AS e, x'00ff' AS b, 2 AS i",
        {"i": 7, "f": 1.5, "t": "x", "n": None, "e": "inf", "b": "x'00ff' (2 bytes)", "i_2": 2},
    ),
    "duckdb": (
        ("SELECT 7 AS i, 1.50::DECIMAL(9, 2) AS f, 'x' AS t, NULL AS n, true AS y, "
        "0.1234567890123456789::DECIMAL(38, 19) AS d, [1, 2] AS l, DATE '2020-02-03' AS a, 2 AS i"),
        {"i": 7, "f": 1.5, "t": "x", "n": None, "y": True,
         "d": "0.1234567890123456789", "l": [1, 2], "a": "2020-02-03", "i_2": 2},
    ),
    "postgresql": (
        ("SELECT 7 AS i, 1.50 AS f, 'x' AS t, NULL AS n, true AS y, 'NaN'::float8 AS e, "
        """0.1234567890123456789 AS d, '{"a": [1]}'::jsonb AS l, DATE '2020-02-03' AS a, 2 AS i"""),
        {"i": 7, "f": 1.5, "t": "x", "n": None, "y": True, "e": "NaN",
         "d": "0.1234567890123456789", "l": {"a": [1]}, "a": "2020-02-03", "i_2": 2},
    ),
}  # fmt: skip


def data(shop: Shop, text: str, **options: object) -> list[object]:
    """What each statement of a call gives as data, where that is wanted."""

    async def do() -> list[object]:
        async with talk(shop.tool(**options)) as conversation:
            conversation.session.want_data(1)  # type: ignore[attr-defined]
            await conversation.call(1, text)
            return [it.data for it in conversation.reports if isinstance(it, Output)]

    return asyncio.run(do())


def test_rows_as_data(shop: Shop) -> None:
    """Values as JSON has them; as text what it cannot hold, or not exactly."""
    text, expected = VALUES[shop.kind]
    assert data(shop, f"{text};") == [[expected]]
    changed = data(shop, "DELETE FROM orders; SELECT id FROM orders;", write=True)
    assert changed == [None, []]


@pytest.mark.parametrize(("count", "length"), [(10_000, 1), (10_001, 1), (300, 1000)])
def test_all_rows_as_data_or_none(shop: Shop, count: int, length: int) -> None:
    """More of them than are shown; where they are too many, or too long, it is said why not."""
    long = "replace(hex(zeroblob({})), '00', 'x')" if shop.kind == "sqlite" else "repeat('x', {})"
    (found,) = data(shop, f"{NUMBERS[shop.kind].format(count)[:-1]} ;".replace(
        "SELECT i FROM", f"SELECT i, {long.format(length)} AS t FROM"))  # fmt: skip
    if (count, length) == (10_000, 1):
        assert isinstance(found, list)
        assert (len(found), found[-1]) == (10_000, {"i": 10_000, "t": "x"})
    else:
        assert isinstance(found, Unusable)
        assert ("10000 rows" if length == 1 else "256 KiB") in found.why


def test_a_call_that_ends_well_is_kept(shop: Shop) -> None:
    text = "INSERT INTO orders VALUES (3, 'cid', 3);\nUPDATE orders SET name = 'eve' WHERE id = 1;"
    run(shop, text, write=True)
    assert shop.names() == ["eve", "bob", "cid"]


def test_nothing_is_kept_before_the_call_counts(shop: Shop) -> None:
    """Other programs see it when it is committed, not when it ran."""

    async def do() -> None:
        async with talk(shop.tool(write=True)) as conversation:
            conversation.write(1, "DELETE FROM orders;")
            outcome = await conversation.ended(1)
            assert outcome.status is Status.OK
            await conversation.taken_back(1)

    asyncio.run(do())
    assert shop.names() == ["ann", "bob"]


def test_a_call_that_fails_is_undone_as_a_whole(shop: Shop) -> None:
    text = "DELETE FROM orders;\nDROP TABLE orders;\nSELECT nope FROM nowhere;\nSELECT 1;"
    done = run(shop, text, "SELECT count(*) FROM orders;", write=True)
    assert done.ends(1) == ["ok", "ok", "error", "skipped"]
    assert "2" in done.output(2)
    assert shop.names() == ["ann", "bob"]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_sequential_and_partial_leave_the_same(shop: Shop, size: int) -> None:
    """Units that come one by one, or all at once, give what a direct call gives."""
    text = "INSERT INTO orders VALUES (3, 'c;d', 1); -- e\nSELECT name FROM orders WHERE id = 3;"

    async def do() -> str:
        async with talk(shop.tool(write=True)) as conversation:
            conversation.write(1, text, size)
            await conversation.ended(1)
            conversation.session.commit()
            return conversation.output(1)

    assert asyncio.run(do()).endswith("name\nc;d\n(1 row)\n")
    assert shop.names() == ["ann", "bob", "c;d"]


WRITES = [
    "INSERT INTO orders VALUES (3, 'x', 1)",
    "UPDATE orders SET name = 'x'",
    "DELETE FROM orders",
    "DROP TABLE orders",
    "CREATE TABLE more (a INT)",
    "ALTER TABLE orders ADD COLUMN a INT",
]


@pytest.mark.parametrize("text", WRITES)
def test_read_only_unless_allowed(shop: Shop, text: str) -> None:
    """The database itself refuses; with `write` the same statement runs."""
    assert run(shop, text).ends(1) == ["error"]
    assert shop.names() == ["ann", "bob"]
    assert run(shop, text, write=True).ends(1) == ["ok"]


ESCAPES = {
    "sqlite": [
        "ATTACH 'other.db' AS other",
        "PRAGMA query_only = off",
        "PRAGMA writable_schema = on",
        "PRAGMA journal_mode = wal",
        "PRAGMA user_version = 7",
        "VACUUM INTO 'other.db'",
        "SELECT load_extension('x')",
    ],
    "duckdb": [
        "ATTACH 'other.db' AS other",
        "COPY orders TO 'other.db'",
        "EXPORT DATABASE 'other.db'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "LOAD httpfs",
    ],
    "postgresql": [
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "COPY orders TO '/tmp/other.db'",
        "COPY orders TO PROGRAM 'id'",
        "COPY orders TO STDOUT",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT pg_reload_conf()",
        "SET SESSION AUTHORIZATION boss",
        "SET ROLE boss",
        "SELECT nextval('s')",
        "DO $$ BEGIN DELETE FROM orders; END $$",
        "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
    ],
}
ENDING = ["BEGIN", "COMMIT", "ROLLBACK", "commit", "/* a */ END", "SELECT 1; COMMIT; SELECT 2"]


@pytest.mark.parametrize(("kind", "text"), [(kind, it) for kind in KINDS for it in ESCAPES[kind]])
def test_no_way_out_of_read_only(
    kind: str,
    text: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shop = Shop(kind, tmp_path, lambda: request.getfixturevalue("postgres"))
    if kind == "postgresql":
        shop.look("CREATE SEQUENCE s")
    done = run(shop, f"{text};")
    assert done.ends(1) == ["error"]
    assert shop.names() == ["ann", "bob"]
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("text", [*ENDING, "PREPARE TRANSACTION 'a'", "SAVEPOINT a; ROLLBACK"])
def test_the_transaction_is_not_the_models(shop: Shop, text: str) -> None:
    """What would end it is refused, and nothing of the call stays."""
    done = run(shop, "SELECT 1", f"DELETE FROM orders; {text}", write=True)
    assert "error" in done.ends(2)
    assert shop.names() == ["ann", "bob"]


def test_stopped_in_mid_statement(shop: Shop) -> None:
    """The statement ends, the call is taken back, the connection goes on."""

    async def do() -> None:
        async with talk(shop.tool(write=True)) as conversation:
            conversation.write(1, f"DELETE FROM orders; {SLOW[shop.kind]} SELECT 3;")
            await conversation.started(1, 1)
            conversation.session.cancel(1)
            outcome = await conversation.ended(1)
            assert outcome.status is Status.CANCELLED
            assert conversation.ends(1) == ["ok", "cancelled", "skipped"]
            await conversation.taken_back(1)
            assert (await conversation.call(2, "SELECT name FROM orders;")).status is Status.OK
            assert "ann" in conversation.output(2)

    asyncio.run(do())
    assert shop.names() == ["ann", "bob"]


def test_an_interrupt_that_comes_too_early_is_not_the_only_one(shop: Shop) -> None:
    """A statement that has not quite begun does not notice it. Its connection is kept."""

    async def do() -> None:
        async with talk(shop.tool(write=True)) as conversation:
            conversation.write(1, f"DELETE FROM orders; {SLOW[shop.kind]}")
            await conversation.started(1, 1)
            database = conversation.session._database  # type: ignore[attr-defined]
            interrupt, tries = database.interrupt, itertools.count()
            database.interrupt = lambda: interrupt() if next(tries) else None
            conversation.session.cancel(1)
            await conversation.ended(1)
            await conversation.taken_back(1)
            assert conversation.session._database is database  # type: ignore[attr-defined]
            assert (await conversation.call(2, "SELECT 1;")).status is Status.OK

    asyncio.run(do())
    assert shop.names() == ["ann", "bob"]


def test_a_connection_that_was_given_up_holds_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No lock of it is in the next call's way, once its statement has ended."""
    monkeypatch.setattr("conveyor_tools.sql_session._GRACE", 0.1)

    async def do() -> None:
        async with talk(shop.tool(write=True)) as conversation:
            conversation.write(1, f"DELETE FROM orders; {SLOW[shop.kind]}")
            await conversation.started(1, 1)
            database = conversation.session._database  # type: ignore[attr-defined]
            database.interrupt = lambda: None
            conversation.session.cancel(1)
            await conversation.ended(1)
            await conversation.taken_back(1)
            assert conversation.session._database is not database  # type: ignore[attr-defined]
            text = "UPDATE orders SET name = 'eve' WHERE id = 1;"
            assert (await conversation.call(2, text)).status is Status.OK

    asyncio.run(do())
    assert shop.names() == ["eve", "bob"]


def test_a_statement_has_its_time(shop: Shop) -> None:
    done = run(shop, f"DELETE FROM orders; {SLOW[shop.kind]}", "SELECT 1", write=True, timeout=0.5)
    assert done.ends(1) == ["ok", "timeout"]
    assert done.ends(2) == ["ok"]
    assert shop.names() == ["ann", "bob"]


def test_many_rows_are_cut_visibly(shop: Shop) -> None:
    done = run(shop, NUMBERS[shop.kind].format(100_000), rows=5)
    first, *_, last = done.output(1).splitlines()
    assert (first, last) == ("i", "(cut: the first 5 rows; there are more)")
    assert len(done.output(1).splitlines()) == 7


@pytest.mark.parametrize("write", [False, True])
def test_ten_megabytes(shop: Shop, *, write: bool) -> None:
    """A large value, and many large rows, give a short text that says what it is."""
    large = {
        "sqlite": "SELECT replace(hex(zeroblob(5000000)), '0', 'x') AS a;",
        "duckdb": "SELECT repeat('x', 10000000) AS a;",
        "postgresql": "SELECT repeat('x', 10000000) AS a;",
    }
    done = run(shop, large[shop.kind] * 2, write=write)
    assert done.ends(1) == ["ok", "ok"]
    assert done.output(1).count("… (cut: 10000000 characters)\n(1 row)\n") == 2
    assert len(done.output(1)) < 1000


def test_values_that_are_no_text(shop: Shop) -> None:
    """Bytes, dates, booleans and line ends can be read, and stay on their line."""
    text = {
        "sqlite": "SELECT x'00ff' AS a, date('2020-02-03') AS b, 'c\nd' AS e",
        "duckdb": "SELECT '\\x00\\xff'::BLOB AS a, DATE '2020-02-03' AS b, 'c\nd' AS e",
        "postgresql": "SELECT '\\x00ff'::bytea AS a, DATE '2020-02-03' AS b, 'c\nd' AS e",
    }
    row = run(shop, text[shop.kind]).output(1).splitlines()[1]
    blob = "\\x00ff" if shop.kind == "postgresql" else "x'00ff' (2 bytes)"
    assert row == f"{blob} | 2020-02-03 | c\\nd"


def test_ddl_is_undone_too(shop: Shop) -> None:
    text = "CREATE TABLE more (a INT); INSERT INTO more VALUES (1); ALTER TABLE orders ADD b INT;"
    done = run(shop, f"{text} SELECT 1/'x' FROM nowhere", "SELECT * FROM more", write=True)
    assert done.ends(1) == ["ok", "ok", "ok", "error"]
    assert done.ends(2) == ["error"]
    assert len(shop.look("SELECT * FROM orders")[0]) == 3


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
@pytest.mark.parametrize(
    ("name", "what"), [("none.db", "there is no such database"), ("folder", "this is no file")]
)
def test_no_such_database(kind: str, name: str, what: str, tmp_path: Path) -> None:
    """A file that is not there is not made, not even for writing; a folder is no file.

    That is told before a model is asked, and where the file has gone since then, by the call.
    """
    (tmp_path / "folder").mkdir()
    with pytest.raises(ToolLoadError, match=f"option url: {tmp_path / name}: {what}"):
        find_tool("sql", {"url": f"{kind}:///{name}", "write": True}, tmp_path)
    (tmp_path / "here.db").touch()
    tool = find_tool("sql", {"url": f"{kind}:///here.db", "write": True}, tmp_path)
    assert isinstance(tool, SqlTool)
    (tmp_path / "here.db").unlink()
    if name == "folder":
        (tmp_path / "here.db").mkdir()

    async def do() -> None:
        async with talk(tool) as conversation:
            outcome = await conversation.call(1, "SELECT 1")
            assert outcome.failure is not None
            assert outcome.failure.kind == "connection"
            # No path of the host, and nothing is said to be undone.
            assert outcome.failure.message == f"here.db: {what}"

    asyncio.run(do())
    left = {"folder", "here.db"} if name == "folder" else {"folder"}
    assert {it.name for it in tmp_path.iterdir()} == left


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """Here one that is another one's by now. That the task allows no writing would not be true."""
    shop = Shop("sqlite", tmp_path, pytest.fail)

    async def do() -> None:
        async with talk(shop.tool(write=True)) as conversation:
            await conversation.call(1, "SELECT 1")
            conversation.session.commit()
            (tmp_path / "shop.db").rename(tmp_path / "moved.db")
            outcome = await conversation.call(2, "DELETE FROM orders")
            assert outcome.failure is not None
            assert outcome.failure.kind == "denied"
            assert "cannot be written" in outcome.failure.message
            assert "option" not in outcome.failure.message

    asyncio.run(do())


@contextlib.asynccontextmanager
async def all_threads_taken() -> AsyncIterator[None]:
    """Other tools' functions hang, as many as may run: there is none for the database."""
    release = threading.Event()
    held = [asyncio.create_task(in_thread(release.wait)) for _ in range(64)]
    await asyncio.sleep(0)
    try:
        yield
    finally:
        release.set()
        await asyncio.wait(held)


def test_a_call_ends_whatever_happens(shop: Shop) -> None:
    """Where it cannot even be undone here, the database does it."""

    async def do() -> None:
        async with talk(shop.tool(write=True)) as conversation:
            conversation.write(1, "DELETE FROM orders;")
            await conversation.until(lambda it: isinstance(it, Finished))
            async with all_threads_taken():
                conversation.write(1, "SELECT 1;")
                assert (await conversation.ended(1)).status is Status.ERROR
                conversation.write(2, "SELECT 2;")
                conversation.session.end(2)  # at once, as for a step of a plan
                two = await conversation.until(lambda it: isinstance(it, Ended) and it.call == 2)
                assert isinstance(two, Ended)
                assert two.outcome.failure is not None
                assert "64 blocking calls" in two.outcome.failure.message
            conversation.write(3, "DELETE FROM orders WHERE id = 1;")
            await conversation.until(lambda it: isinstance(it, Finished) and it.unit.call == 3)
            async with all_threads_taken():
                assert (await conversation.ended(3)).failure is None
                conversation.session.commit()
                await conversation.session.close()

    asyncio.run(do())
    assert shop.names() == ["bob"]


def test_garbage_for_a_database(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_bytes(b"no database at all " * 1000)
    for kind in ("sqlite", "duckdb"):
        tool = find_tool("sql", {"url": f"{kind}:///shop.db"}, tmp_path)
        assert isinstance(tool, SqlTool)

        async def do(tool: SqlTool) -> None:
            async with talk(tool) as conversation:
                outcome = await conversation.call(1, "SELECT 1")
                assert outcome.failure is not None
                assert outcome.failure.kind == "connection"

        asyncio.run(do(tool))


def test_a_file_of_the_other_database(tmp_path: Path) -> None:
    """That is told before a model is asked, with the URL that it takes."""
    with contextlib.closing(sqlite3.connect(tmp_path / "lite.db")) as lite:
        lite.execute("CREATE TABLE t (a)")
    with duckdb.connect(str(tmp_path / "duck.db")) as duck:
        duck.execute("CREATE TABLE t (a INT)")
    with pytest.raises(ToolLoadError, match=r"is one of SQLite: write sqlite:///lite\.db"):
        find_tool("sql", {"url": "duckdb:///lite.db"}, tmp_path)
    with pytest.raises(ToolLoadError, match=r"is one of DuckDB: write duckdb:///duck\.db"):
        find_tool("sql", {"url": "sqlite:///duck.db"}, tmp_path)
    find_tool("sql", {"url": "sqlite:///lite.db"}, tmp_path)
    find_tool("sql", {"url": "duckdb:///duck.db"}, tmp_path)


def test_a_database_of_its_own() -> None:
    """Without a URL there is an empty one, which lasts for the conversation."""

    async def do() -> None:
        async with talk(SqlTool()) as conversation:
            await conversation.call(1, "CREATE TABLE t (a); INSERT INTO t VALUES (7);")
            await conversation.call(2, "DELETE FROM t; SELECT nope;")
            await conversation.call(3, "SELECT a FROM t;")
            assert conversation.output(3) == "a\n7\n(1 row)\n"

    asyncio.run(do())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"url": "mysql://x"}, "there is sqlite, duckdb, postgresql"),
        ({"url": "nonsense"}, "not a URL of a database"),
        ({"url": "postgresql://a:secret@:x/y"}, "not a URL of a database"),
        ({"rows": 0}, "rows"),
        ({"nope": 1}, "no option 'nope'"),
    ],
)
def test_wrong_options(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ToolLoadError) as caught:
        find_tool("sql", options, Path())
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


# What only a file has


def test_a_locked_file(tmp_path: Path) -> None:
    """Another program's lock is waited for within the time of a statement, and then told."""
    shop = Shop("sqlite", tmp_path, lambda: pytest.fail("no server"))
    for lock in ("IMMEDIATE", "EXCLUSIVE"):  # the second is in the way of looking at it, too
        with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as other:
            other.execute(f"BEGIN {lock}")
            done = run(shop, "SELECT 1 FROM orders", write=True, timeout=0.5)
        assert done.ends(1) == ["error"]
        (outcome,) = (it.outcome for it in done.reports if isinstance(it, Ended))
        assert outcome.failure is not None
        assert "database is locked" in outcome.failure.message


def test_foreign_keys_hold(tmp_path: Path) -> None:
    """SQLite checks them only when asked to; a deferred one at the commit, which is told."""
    shop = Shop("sqlite", tmp_path, lambda: pytest.fail("no server"))
    shop.look(
        "CREATE TABLE line (o INT REFERENCES orders(id));"
        "CREATE TABLE later (o INT REFERENCES orders(id) DEFERRABLE INITIALLY DEFERRED)"
    )
    done = run(
        shop,
        "INSERT INTO line VALUES (9)",
        "INSERT INTO later VALUES (9)",
        "DELETE FROM orders",
        "SELECT 1",
        write=True,
    )
    assert done.ends(1) == ["error"]
    assert shop.look("SELECT * FROM later") == []
    assert done.lost == [
        "what call 2 changed in the database was not kept: FOREIGN KEY constraint failed"
    ]
    # The next call builds on what is not there: it is told, and does not run.
    assert done.ends(3) == ["error"]
    assert shop.names() == ["ann", "bob"]
    assert done.ends(4) == ["ok"]
