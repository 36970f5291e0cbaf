"""A task that others wrote does not use what is the user's without their word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.command import Command, Done

HTTP = {"hosts": ["a.example"]}


def run(conveyor: Command, tools: list[Any], *arguments: str, **fields: Any) -> Done:
    """A run of a task file with these tools; `API_KEY` is in the environment."""
    task = {
        "prompt": "hi", "model": {"backend": "scripted", "script": "script.txt"},
        "sandbox": {"kind": "local"}, "tools": tools, **fields,
    }  # fmt: skip
    (conveyor.folder / "task").mkdir(exist_ok=True)
    conveyor.write("task/script.txt", "```python\nx = 1\n```\n<<<turn>>>\nDone.")
    conveyor.write("task/task.yaml", json.dumps(task))
    for name in ("task/in.txt", "out.txt", "task/docs/a.txt", "docs/a.txt"):
        (conveyor.folder / name).parent.mkdir(exist_ok=True)
        conveyor.write(name, "text")
    (conveyor.folder / "task/in.db").touch()
    return conveyor("run", "task/task.yaml", *arguments, API_KEY="a-secret-of-mine")


HEADERS = {"a.example": {"Authorization": "Bearer ${API_KEY}"}}
SENT = {"url": "https://a.example/mcp", "headers": {"X-Key": "${API_KEY}"}}
REFUSED: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "a secret to a host": ([{"http": HTTP | {"headers": HEADERS}}], {}, "API_KEY"),
    "a secret to a server": ([{"mcp": SENT}], {}, "API_KEY"),
    "services of this machine": (
        [{"http": {"hosts": ["localhost:2375"], "private": True}}], {}, "services of this machine",
    ),
    "a search server of this machine": (
        [{"search": {"searxng": "http://127.1:8080/x?"}}], {}, "127.1, of this machine or network",
    ),
    "a search server behind a name": (
        [{"search": {"searxng": "http://a.example@printer/"}}], {}, "printer, of this machine",
    ),
    "an MCP server of this network": (
        [{"mcp": {"url": "http://[::ffff:10.0.0.1]/mcp"}}], {}, "of this machine or network",
    ),
    "a database server": ([{"sql": {"url": "postgresql://u@a.example/x"}}], {}, "passwords"),
    "a database above": ([{"sql": {"url": "sqlite:///../in.db"}}], {}, "not in the task's folder"),
    "a database elsewhere": (
        [{"sql": {"url": "duckdb:////tmp/x.db", "write": True}}], {}, "not in the task's folder",
    ),
    "a database in a folder elsewhere": (
        [{"sql": {"url": "sqlite:///in.db", "folder": "/tmp"}}], {}, "not in the task's folder",
    ),
    "a database behind a password with a path in it": (
        [{"sql": {"url": "sqlite://u:x/a/b@//tmp/x.db"}}], {}, "not in the task's folder",
    ),
    "a database that can be none": (
        [{"sql": {"url": "sqlite:///a\0b"}}], {}, "not in the task's folder",
    ),
    "no question": ([{"http": HTTP}], {"approve": "never"}, "unasked"),
    "files, and a way out": (
        ["python", {"http": HTTP}],
        {"sandbox": {"kind": "local", "files": {"a": "../out.txt"}}},
        "send it away",
    ),
    "a folder, and a way out": (
        [{"search": {"folder": "../docs"}}, {"http": HTTP}], {}, "send it away",
    ),
    "a project, and a way out": (
        ["python", {"http": HTTP}], {"workspace": {"from": "../docs"}}, "send it away",
    ),
}  # fmt: skip
ALLOWED: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "a host": ([{"http": HTTP | {"headers": {"a.example": {"X-Key": "public"}}}}], {}),
    "a search server": ([{"search": {"searxng": "https://a.example"}}], {}),
    "a database in its folder": ([{"sql": {"url": "sqlite:///in.db", "write": True}}], {}),
    "a database of its own": (["sql"], {}),
    "no question about code": (["python", "calculator"], {"approve": "never"}),
    "files without a way out": (
        ["python"], {"sandbox": {"kind": "local", "files": {"a": "../out.txt"}}},
    ),
    "its own files": (
        ["python", {"http": HTTP}], {"sandbox": {"kind": "local", "files": {"a": "in.txt"}}},
    ),
    "its own folder": ([{"search": {"folder": "docs"}}, {"http": HTTP}], {}),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_the_users_needs_their_word(conveyor: Command, case: str) -> None:
    tools, fields, told = REFUSED[case]
    done = run(conveyor, tools, **fields)
    assert (done.code, done.out) == (2, ""), done.err
    assert told in done.only_complaint
    assert "--trust" in done.only_complaint
    assert "a-secret-of-mine" not in done.err
    trusted = run(conveyor, tools, "--trust", **fields)
    assert "--trust" not in trusted.err


def test_a_word_is_remembered_for_what_it_was_given_for(conveyor: Command) -> None:
    """With other tools, which could be told other things, it is needed again."""
    tools: list[Any] = [{"http": HTTP | {"headers": HEADERS}}]
    assert run(conveyor, tools, "--trust").code == 0
    assert run(conveyor, tools).code == 0
    assert run(conveyor, ["python", *tools]).code == 2
    elsewhere = {"hosts": ["b.example"], "headers": {"b.example": HEADERS["a.example"]}}
    assert run(conveyor, [{"http": elsewhere}]).code == 2


def test_a_word_is_asked_for_on_a_terminal(conveyor: Command) -> None:
    """Once; nothing is run before."""
    tools = [{"http": HTTP | {"headers": HEADERS}}]
    run(conveyor, tools)
    for answer, code in (("n\r", 2), ("y\r", 0)):
        typed = conveyor.terminal("run", "task/task.yaml", "--plain", size=(120, 40), API_KEY="k")
        typed.until(
            "headers would send API_KEY, of your environment, to its hosts. Allow it? [y/N]"
        )
        typed.type(answer)
        assert typed.wait() == code
    again = run(conveyor, tools)
    assert again.code == 0


@pytest.mark.parametrize("case", ALLOWED)
def test_what_is_the_tasks_own_needs_none(conveyor: Command, case: str) -> None:
    tools, fields = ALLOWED[case]
    done = run(conveyor, tools, **fields)
    assert done.code == 0, done.err


@pytest.mark.parametrize("url", ["in.db", "mysql://a.example/x"])
def test_what_can_be_nothing_is_not_asked_about(conveyor: Command, url: str) -> None:
    """No database is reached by such a URL: that is what users are told."""
    done = run(conveyor, [{"sql": {"url": url}}])
    assert done.code == 2
    assert "option url: " in done.only_complaint


def test_what_users_say_themselves_needs_none(conveyor: Command) -> None:
    said = [
        "-c", f"tools={json.dumps([{'http': HTTP | {'headers': HEADERS, 'private': True}}])}",
        "-c", "approve=never",
    ]  # fmt: skip
    done = run(conveyor, ["python"], *said, approve="never")
    assert done.code == 0, done.err
    own = run(conveyor, ["python", {"http": HTTP}], "--workspace", "docs", "--apply", "never")
    assert own.code == 0, own.err
