"""Statements, and URLs of databases, that were written to do harm."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conveyor_sandbox.reports import Ended, Failure
from conveyor_tools.databases.base import Limits
from conveyor_tools.databases.text import first_rows, shown
from tests.tools.postgres import PostgresServer
from tests.tools.shops import Shop, run

SORTS_MUCH = (
    "SELECT max(a) FROM "
    "(SELECT a, random() AS r FROM range(400000000) t(a) ORDER BY r LIMIT 300000000)"
)
"""About six gigabytes."""


def failure(shop: Shop, text: str, **options: Any) -> Failure:
    """Why a call of it fails."""
    reports = run(shop, text, **options).reports
    (outcome,) = (report.outcome for report in reports if isinstance(report, Ended))
    assert outcome.failure is not None
    return outcome.failure


def nobody() -> PostgresServer:
    """There is no server in it."""
    raise AssertionError


@contextmanager
def role(postgres: PostgresServer, *grants: str) -> Iterator[str]:
    """The URL of a role that was given something."""
    postgres.sql("CREATE ROLE risky LOGIN", *grants)
    try:
        yield postgres.url("risky")
    finally:
        postgres.sql("DROP OWNED BY risky", "DROP ROLE risky", "DROP ROLE IF EXISTS middle")


RISKY = {
    "member": ("GRANT pg_execute_server_program TO risky",),
    "not inherited": (
        "ALTER ROLE risky NOINHERIT", "GRANT pg_read_server_files TO risky",
    ),
    "of a superuser": ("GRANT boss TO risky",),
    "not inherited, of a superuser": ("ALTER ROLE risky NOINHERIT", "GRANT boss TO risky"),
    "by another role": (
        "CREATE ROLE middle", "GRANT middle TO risky", "ALTER ROLE risky NOINHERIT",
        "GRANT pg_write_server_files TO middle",
    ),
    "set at login": (
        "GRANT boss TO risky", "GRANT clerk TO risky", "ALTER ROLE risky SET role = clerk",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", RISKY)
def test_a_role_that_can_become_a_risky_one_is_refused(
    way: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    shop = Shop("postgresql", tmp_path, lambda: postgres)
    with role(postgres, *RISKY[way]) as shop.url:
        assert failure(shop, "SELECT 1").kind == "denied"
        assert run(shop, "SELECT 1", superuser=True).ends(1) == ["ok"]


def test_a_role_that_makes_roles_is_refused_where_it_could_become_any(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    shop = Shop("postgresql", tmp_path, lambda: postgres)
    version = int(postgres.sql("SHOW server_version_num"))
    with role(postgres, "ALTER ROLE risky CREATEROLE") as shop.url:
        expected = ["error"] if version < 160_000 else ["ok"]
        assert run(shop, "SELECT 1").ends(1) == expected


def test_control_an_ordinary_member_is_not(postgres: PostgresServer, tmp_path: Path) -> None:
    shop = Shop("postgresql", tmp_path, lambda: postgres)
    with role(postgres, "GRANT pg_read_all_data TO risky") as shop.url:
        assert run(shop, "SELECT 1").ends(1) == ["ok"]


def test_what_only_reads_changes_no_large_object(postgres: PostgresServer, tmp_path: Path) -> None:
    """Servers before version 16 let a transaction that only reads make and delete them."""
    shop = Shop("postgresql", tmp_path, lambda: postgres)
    count = "SELECT count(*) FROM pg_largeobject_metadata"
    before = postgres.sql(count)
    made = "SELECT lo_create(0)"

    run(shop, made, "SELECT 1")
    assert postgres.sql(count) == before
    assert run(shop, made, "SELECT 1", write=True).ends(1) == ["ok"]
    assert postgres.sql(count) != before


@pytest.mark.parametrize("text", ["PREPARE/**/TRANSACTION 'x'", "PREPARE -- x\n TRANSACTION 'x'"])
def test_comments_do_not_hide_the_end_of_a_transaction(
    text: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    shop = Shop("postgresql", tmp_path, lambda: postgres)
    assert "leave this statement out" in failure(shop, text, write=True).message


def test_no_prepared_statement_outlives_its_call(postgres: PostgresServer, tmp_path: Path) -> None:
    shop = Shop("postgresql", tmp_path, lambda: postgres)
    assert "outlive the undoing" in failure(shop, "/**/prepare kept AS SELECT 1").message


def test_passwords_behind_the_question_mark_are_told_to_nobody(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    shop = Shop("postgresql", tmp_path, lambda: postgres)
    shop.url += "&password=hunter2&sslpassword=hunter3"
    tool = shop.tool()
    told = tool.lane + tool.description + tool.instructions + repr(tool)
    done = run(shop, "SELECT 'hunter2'::int;", "SELECT 'hunter3'::int;")
    assert done.ends(1) == ["error"]
    assert "hunter" not in told + repr(done.reports)


def test_a_row_of_gigabytes_fails(tmp_path: Path) -> None:
    """Each of its columns holds what one may hold."""
    shop = Shop("sqlite", tmp_path, nobody)
    columns = ", ".join(["hex(zeroblob(33000000))"] * 20)
    told = failure(shop, f"SELECT {columns}").message
    assert "more memory than SQLite is given" in told
    assert run(shop, "SELECT length(hex(zeroblob(33000000)))").ends(1) == ["ok"]


def test_no_more_of_a_value_is_kept_than_is_shown() -> None:
    limits = Limits()
    answer = first_rows(["a"], [["x" * 1_000_000]] * 50, limits)
    assert sum(len(value or "") for row in answer.rows for value in row) < 10_000
    assert "… (cut: 1000000 characters)" in shown(answer, limits)


@pytest.mark.parametrize("function", ["load_extension('x')", "FTS3_tokenizer('simple')"])
def test_functions_that_reach_into_the_program(function: str, tmp_path: Path) -> None:
    shop = Shop("sqlite", tmp_path, nobody)
    assert failure(shop, f"SELECT {function}").kind == "denied"


def test_full_text_tables_can_be_used(tmp_path: Path) -> None:
    """They ask for a pragma."""
    shop = Shop("sqlite", tmp_path, nobody)
    made = "CREATE VIRTUAL TABLE found USING fts5(x); INSERT INTO found VALUES ('an otter')"
    assert run(shop, made, write=True).ends(1) == ["ok", "ok"]
    assert "an otter" in run(shop, "SELECT x FROM found WHERE found MATCH 'otter'").output(1)


@pytest.mark.parametrize(
    "text",
    [
        "ATTACH ':memory:' AS more",
        "DETACH shop",
        "USE shop.main",
        "SET VARIABLE kept = 1",
        "SET schema = 'main'",
        "RESET schema",
        "LOAD json",
        "PREPARE kept AS SELECT 1",
        "EXPLAIN ANALYZE COMMIT",
        "EXPLAIN/**/ANALYZE -- x\n COMMIT",
        "EXPLAIN (ANALYZE, FORMAT json) ROLLBACK",
        "EXPLAIN (ANALYZE) SET VARIABLE kept = 1",
        "EXPLAIN (FORMAT ')') COMMIT",
        "EXPLAIN ANALYZE LOAD json",
    ],
)
def test_duckdb_changes_nothing_that_no_transaction_undoes(text: str, tmp_path: Path) -> None:
    found = failure(Shop("duckdb", tmp_path, nobody), text, write=True)
    assert found.kind == "denied"


def test_duckdb_commits_nothing_of_a_call_that_fails(tmp_path: Path) -> None:
    shop = Shop("duckdb", tmp_path, nobody)
    run(shop, "DELETE FROM orders; EXPLAIN ANALYZE COMMIT; SELECT nonsense", write=True)
    assert shop.names() == ["ann", "bob"]


@pytest.mark.parametrize(
    "text",
    [
        "EXPLAIN ANALYZE SELECT CASE WHEN name = 'ann' THEN 1 END FROM orders",
        "EXPLAIN (SELECT 1) UNION (SELECT 2)",
        "EXPLAIN (ANALYZE, FORMAT json) INSERT INTO orders VALUES (3, 'cid', 3)",
        "EXPLAIN -- why\n FROM orders",
    ],
)
def test_control_duckdb_explains_the_rest(text: str, tmp_path: Path) -> None:
    assert run(Shop("duckdb", tmp_path, nobody), text, write=True).ends(1) == ["ok"]


def test_duckdb_does_not_fill_the_disk(tmp_path: Path) -> None:
    """By default, what does not fit in memory is put beside the file, and stays after `kill -9`."""
    seen: set[str] = set()

    def look() -> None:
        while not done.wait(0.02):
            seen.update(it.name for it in tmp_path.iterdir())

    done = threading.Event()
    looking = threading.Thread(target=look)
    looking.start()
    try:
        found = failure(Shop("duckdb", tmp_path, nobody), SORTS_MUCH, timeout=300)
    finally:
        done.set()
        looking.join()
    assert found.message == "it takes more memory than DuckDB is given here (1 GB)"
    assert seen <= {"shop.db", "shop.db.wal"}
