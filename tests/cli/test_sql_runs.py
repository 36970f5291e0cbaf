"""The `sql` tool in whole runs: what the model is told, and what stays in the database."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from tests.cli.command import Command, Done

TASK = """
name: shop
prompt: Look after the shop.
model: {backend: scripted, script: script.txt, rate: 400%s}
tools: [{sql: {url: "sqlite:///shop.db", write: true}}]
"""
SCRIPTS = {
    "kept": "INSERT INTO orders VALUES (2, 'bob');\nSELECT * FROM orders;\n-- that is all\n",
    "failed": "DELETE FROM orders;\nSELECT count(*) FROM orders;\nSELECT nope;\nSELECT 'never';\n",
    "refused": "DELETE FROM orders;\nCOMMIT;\nSELECT 'never';\n",
    "no SQL further down": "DELETE FROM orders;\n.tables\nSELECT 'never';\n",
    "no semicolon": "SELECT name FROM orders",
}
KEPT = ["ann", "bob"]


def run(conveyor: Command, text: str, *arguments: str, model: str = "") -> Done:
    """A run of the task with that call, in a shop with one order."""
    with contextlib.closing(sqlite3.connect(conveyor.folder / "shop.db")) as shop:
        shop.execute("DROP TABLE IF EXISTS orders")
        shop.execute("CREATE TABLE orders (id INTEGER, name TEXT)")
        shop.execute("INSERT INTO orders VALUES (1, 'ann')")
        shop.commit()
    conveyor.write("task.yaml", TASK % model)
    conveyor.write("script.txt", f"Now:\n```sql\n{text}```\n<<<turn>>>\nDone.\n")
    return conveyor("run", "task.yaml", "--json", "--journal", "journal.jsonl", *arguments)


def names(folder: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(folder / "shop.db")) as shop:
        return [row[0] for row in shop.execute("SELECT name FROM orders ORDER BY id")]


@pytest.mark.parametrize("case", SCRIPTS)
def test_sequential_is_partial(conveyor: Command, case: str) -> None:
    """The same rows, the same failure, the same database; no sandbox is started for it."""
    seen = {}
    for mode in ("partial", "sequential"):
        done = run(conveyor, SCRIPTS[case], "--mode", mode)
        assert done.code == 0, done.err
        (call,) = done.json["calls"]
        units = [unit["status"] for unit in call["units"] if unit["status"] != "skipped"]
        kept = {"output": call["output"], "status": call["status"], "error": call["error"]}
        seen[mode] = (kept, units, names(conveyor.folder))
        assert "sandbox_started" not in (conveyor.folder / "journal.jsonl").read_text()
    assert seen["partial"] == seen["sequential"]
    assert seen["partial"][2] == (KEPT if case == "kept" else ["ann"])


def test_a_failed_call_says_that_it_was_undone(conveyor: Command) -> None:
    (call,) = run(conveyor, SCRIPTS["failed"]).json["calls"]
    assert call["status"] == "error"
    assert call["error"]["message"] == ("no such column: nope\n(what this call changed was undone)")
    assert call["output"] == "DELETE: 1 row\ncount(*)\n0\n(1 row)\n"


@pytest.mark.parametrize("mode", ["partial", "sequential"])
def test_a_call_that_is_cut_off_is_undone(conveyor: Command, mode: str) -> None:
    """The token limit is reached after statements have run."""
    text = f"DELETE FROM orders;\n-- {'a long comment ' * 100}\nSELECT 1;\n"
    done = run(conveyor, text, "--mode", mode, model=", max_new_tokens: 60")
    assert done.json["calls"][0]["status"] == "rolled_back"
    assert names(conveyor.folder) == ["ann"]


def test_the_database_is_found_beside_the_task(conveyor: Command) -> None:
    """Not where the command was called."""
    run(conveyor, SCRIPTS["kept"])
    (conveyor.folder / "elsewhere").mkdir()
    task = conveyor.folder / "task.yaml"
    done = conveyor.shell(f"cd elsewhere && conveyor run {task} --json")
    assert done.code == 0, done.err
    assert names(conveyor.folder) == ["ann", "bob", "bob"]


def test_two_databases(conveyor: Command) -> None:
    """Each has its name, its state and its transaction."""
    conveyor.write(
        "task.yaml",
        "prompt: x\nmodel: {backend: scripted, script: script.txt, rate: 400}\n"
        "tools: [sql, {sql: {name: archive, url: 'duckdb://'}}]\n",
    )
    calls = ["sql\nCREATE TABLE t (a);", "archive\nSELECT 7 AS b;", "sql\nSELECT count(*) FROM t;"]
    turns = [f"Now:\n```{call}\n```\n<<<turn>>>\n" for call in calls]
    conveyor.write("script.txt", "".join(turns) + "Done.\n")
    done = conveyor("run", "task.yaml", "--json")
    assert done.code == 0, done.err
    assert [call["output"] for call in done.json["calls"]] == [
        "CREATE: done\n",
        "b\n7\n(1 row)\n",
        "count(*)\n0\n(1 row)\n",
    ]


def test_passwords_stay_out_of_journals(conveyor: Command) -> None:
    """There is no such server: what is told of it has no password."""
    url = "postgresql://clerk:hunter2@127.0.0.1:1/shop"
    conveyor.write("task.yaml", TASK.replace("sqlite:///shop.db", url) % "")
    conveyor.write("script.txt", "```sql\nSELECT 1;\n```\n<<<turn>>>\nDone.\n")
    done = conveyor("run", "task.yaml", "--json", "--trust", "--journal", "journal.jsonl")
    assert done.json["calls"][0]["error"]["kind"] == "connection"
    journal = (conveyor.folder / "journal.jsonl").read_text()
    assert "hunter2" not in done.out + done.err + journal
    conveyor.write(
        "task.yaml", TASK.replace('sqlite:///shop.db", write', f'{url}", rows: 0, x') % ""
    )
    done = conveyor("run", "task.yaml", "--json", "--trust")
    assert done.code == 2
    assert "hunter2" not in done.out + done.err


def test_the_database_task(conveyor: Command) -> None:
    """All but the last statement start while the model writes."""
    root = Path(__file__).parents[2]
    done = conveyor("run", root / "tasks/database.yaml", "--json", "--journal", "journal.jsonl")
    assert done.code == 0, done.err
    (call,) = done.json["calls"]
    lines = (conveyor.folder / "journal.jsonl").read_text().splitlines()
    stops = [json.loads(line) for line in lines if '"decode_stopped"' in line]
    early = [it for it in call["units"] if it["ready_at"] < stops[0]["at"]]
    assert len(call["units"]) == 6
    assert len(early) >= 5
    assert call["units"][0]["started_at"] < stops[0]["at"]


def test_the_search_task(conveyor: Command) -> None:
    root = Path(__file__).parents[2]
    done = conveyor("run", root / "tasks/search.yaml", "--json")
    assert done.code == 0, done.err
    search, calculator = done.json["calls"]
    assert "lighthouses.md:7" in search["result"]
    assert calculator["result"] == "17.7"
