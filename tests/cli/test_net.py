"""Runs whose tools are on the network, or are other programs: `http` and MCP servers."""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command, Done, finish, named
from tests.tools.mcp_client.servers import hostile, processes, published
from tests.tools.web.nginx import Nginx, nginx

MODES = ["partial", "sequential"]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with nginx(tmp_path_factory.mktemp("nginx")) as server:
        yield server


def call(name: str, **arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def run(conveyor: Command, tools: list[Any], *responses: str, args: tuple[str, ...] = ()) -> Done:
    return conveyor(*command(conveyor, tools, *responses), *args)


def command(conveyor: Command, tools: list[Any], *responses: str) -> list[str]:
    script = conveyor.script(*responses, "Done.")
    return [
        "run", "-p", "hi", "--script", str(script), "--json", "-c", "model.dialect=hermes",
        "-c", f"tools={json.dumps(tools)}", "-c", "approve=external", "--sandbox", "local",
    ]  # fmt: skip


def http(web: Nginx, **options: Any) -> dict[str, Any]:
    hosts = [f"localhost:{web.tls}"]
    return {"http": {"hosts": hosts, "private": True, "ca": str(web.ca), **options}}


def results(done: Done) -> list[tuple[str, Any, str | None]]:
    """Status, result and kind of error of each call."""
    assert done.code == 0, done.err
    return [
        (it["status"], it["result"], it["error"] and it["error"]["kind"])
        for it in done.json["calls"]
    ]


# http


@pytest.mark.parametrize("mode", MODES)
def test_requests_of_the_model(conveyor: Command, web: Nginx, mode: str) -> None:
    """Reads at once; an error status is an answer."""
    done = run(
        conveyor,
        [http(web)],
        call("http", url=web.url("/json", "localhost"))
        + call("http", url=web.url("/missing", "localhost"), headers={"Accept": "text/plain"}),
        args=("--mode", mode),
    )
    (_, first, _), (_, second, _) = results(done)
    assert json.loads(first)["body"] == {"rows": [1, 2.5, None]}
    assert json.loads(second)["status"] == 404


@pytest.mark.parametrize("mode", MODES)
def test_what_has_effects_is_not_sent_without_approval(
    conveyor: Command, web: Nginx, mode: str
) -> None:
    """Without a terminal nobody can give it; the model is told, and the server hears nothing."""
    before = len(web.log())
    url = web.url("/told", "localhost")
    post = call("http", url=url, method="POST", body={"a": 1})
    done = run(conveyor, [http(web)], post, args=("--mode", mode))
    assert [it[2] for it in results(done)] == ["denied"]
    assert len(web.log()) == before
    done = run(conveyor, [http(web)], post, args=("--mode", mode, "-c", "approve=never"))
    assert json.loads(results(done)[0][1])["body"].startswith("POST key= cookie= length=7")


def test_a_call_that_is_cut_off_sends_nothing(conveyor: Command, web: Nginx) -> None:
    """Though the connection was there."""
    before = len(web.log())
    text = call("http", url=web.url("/told", "localhost"), headers={"X-Key": "a" * 400})
    done = run(conveyor, [http(web)], text, args=("-c", "limits.tokens=40"))
    assert done.code in (0, 5), done.err
    assert done.json["calls"][0]["status"] == "rolled_back"
    assert done.json["calls"][0]["units"]
    assert len(web.log()) == before


def test_a_host_that_is_not_allowed_stops_the_model(conveyor: Command, web: Nginx) -> None:
    """As soon as its URL is written: the rest is not decoded."""
    long = {"X-Long": "a" * 2000}
    done = run(conveyor, [http(web)], call("http", url="https://elsewhere.test/", headers=long))
    assert [(it[0], it[2]) for it in results(done)] == [("rolled_back", "arguments")]
    assert "elsewhere.test is not among the hosts" in done.json["calls"][0]["error"]["message"]
    assert done.json["metrics"]["tokens"] < 60


@pytest.mark.docker
def test_code_reads_by_http(conveyor: Command, web: Nginx) -> None:
    """In a sandbox that has no network itself: a read runs at once, nobody is asked."""
    code = f"print(http({web.url('/json', 'localhost')!r})['body']['rows'][1])\n"
    done = run(
        conveyor, ["python", http(web)], call("python", code=code), args=("--sandbox", "docker")
    )
    assert done.json["calls"][0]["output"] == "2.5\n"


# MCP servers


@pytest.mark.parametrize("mode", MODES)
def test_tools_of_a_published_server(conveyor: Command, tmp_path: Path, mode: str) -> None:
    """A pure one twice, side by side, in both modes; the server is gone afterwards."""
    mark = str(tmp_path / "mark")
    server = {"mcp": {"command": published("mcp-server-everything", "stdio", mark),
                      "tools": ["get_sum", "echo"]}}  # fmt: skip
    done = run(
        conveyor,
        [server],
        call("get_sum", a=1, b=2) + call("echo", message="né"),
        args=("--mode", mode, "--trust"),
    )
    assert results(done) == [
        ("ok", "The sum of 1 and 2 is 3.", None), ("ok", "Echo: né", None),
    ]  # fmt: skip
    assert processes(mark) == []


def test_arguments_that_a_servers_schema_forbids_stop_the_model(conveyor: Command) -> None:
    server = {"mcp": {"command": published("mcp-server-everything")}}
    wrong = call("get_sum", a="x" * 2000, b=2)
    done = run(conveyor, [server], wrong, args=("--trust",))
    assert [(it[0], it[2]) for it in results(done)] == [("rolled_back", "arguments")]
    assert done.json["metrics"]["tokens"] < 40


def test_what_a_server_writes_is_asked_about(conveyor: Command, tmp_path: Path) -> None:
    """It only reads if it says so."""
    server = {"mcp": {"command": published("mcp-server-filesystem", str(tmp_path))}}
    target = tmp_path / "new.txt"
    write = call("write_file", path=str(target), content="x")
    done = run(conveyor, [server], write, args=("--trust",))
    assert [it[2] for it in results(done)] == ["denied"]
    assert not target.exists()
    done = run(conveyor, [server], write, args=("--trust", "-c", "approve=never"))
    assert [it[0] for it in results(done)] == ["ok"]
    assert target.read_text() == "x"


def test_a_command_is_not_run_without_trust(conveyor: Command, tmp_path: Path) -> None:
    """One line names it; nothing was started."""
    touched = tmp_path / "touched"
    server = {"mcp": {"command": ["touch", str(touched)]}}
    done = run(conveyor, [server], "Hello.")
    assert done.code == 2
    assert shlex.join(server["mcp"]["command"]) in done.complaint
    assert not touched.exists()


@pytest.mark.parametrize(
    ("server", "says"),
    [
        ({"command": hostile("exits")}, "no licence"),
        ({"command": ["no-such-program-anywhere"]}, "no such program"),
        ({"url": "http://127.0.0.1:1/mcp"}, "mcp"),
        ({"command": hostile("many")}, "it has 1000 tools"),
        ({"command": ["a"], "port": 1}, "mcp.port"),
        ({"command": "a b"}, "mcp.command"),
    ],
)
def test_a_server_that_cannot_be_had(conveyor: Command, server: dict[str, Any], says: str) -> None:
    """One line, exit code 2."""
    done = run(conveyor, [{"mcp": server}], "Hello.", args=("--trust",))
    assert done.code == 2, done.err
    assert says in done.complaint


def test_a_server_that_dies_in_a_call(conveyor: Command, tmp_path: Path) -> None:
    """The model is told, and calls it again."""
    died = str(tmp_path / "died")
    server = {"mcp": {"command": hostile("dies-once", died), "effects": {"echo": "pure"}}}
    again = call("echo", text="again")
    done = run(conveyor, [server], call("echo", text="once"), again, args=("--trust",))
    assert results(done) == [("error", None, "connection"), ("ok", "said again", None)]


def test_a_run_that_is_killed_takes_its_server_along(conveyor: Command, tmp_path: Path) -> None:
    """By SIGKILL, in the middle of a call, with a server that ignores all else."""
    mark = str(tmp_path / "mark")
    server = {"mcp": {"command": hostile("clings", mark), "effects": {"echo": "pure"}}}
    arguments = command(conveyor, [server], call("echo", text="x") + " wait" * 400)
    running = conveyor.start(*arguments, "--trust", "--rate", "20")
    conveyor.wait_for('"unit_finished"')
    assert len(processes(mark)) >= 4
    os.kill(running.pid, signal.SIGKILL)
    finish(running)
    assert not named(conveyor.journal(), "run_ended")
    # That nothing outlives it by 5 s is what the fixture asks of every test.
