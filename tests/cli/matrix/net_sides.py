"""Tools over the network and in other processes: `http`, and the tools of MCP servers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conveyor_tools.http import Http
from tests.cli.matrix.answering import answering, by_word, dripping, saying
from tests.cli.matrix.sides import Call, Death, Shown, Side, Try
from tests.tools.mcp_client.servers import hostile, processes, published
from tests.tools.web.nginx import Nginx

_BAD = {
    "ssh": saying(raw=b"SSH-2.0-\x1b[2J\r\n\r\n"),
    "half": saying(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
    "chunk": saying(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"),
}


@contextmanager
def http(_: Path, request: pytest.FixtureRequest) -> Iterator[Side]:
    """An nginx over TLS, and a server that misbehaves."""
    web: Nginx = request.getfixturevalue("web")
    own = f"https://localhost:{web.tls}"
    plain = [
        {"url": f"{own}/json"},
        {"url": f"{own}/hello", "method": "HEAD"},
        {"url": f"{own}/told", "method": "POST", "body": {"a": [1, "é"]}},
        {"url": f"{own}/missing"},
    ]
    with answering(by_word({"hang": dripping, **_BAD}, saying(body=b"{}"))) as server:
        options = {
            "hosts": [f"localhost:{web.tls}", f"127.0.0.1:{server.port}"],
            "private": True,
            "ca": str(web.ca),
        }

        def tools(**more: Any) -> dict[str, Any]:
            return {"tools": [{"http": options | more}]}

        async def by_hand() -> list[Shown]:
            client = Http(**{**options, "ca": web.ca})
            answers = [await client(**each) for each in plain]  # type: ignore[arg-type]
            await client.close()
            return [("", json.dumps(it, ensure_ascii=False, separators=(",", ":")))
                    for it in answers]  # fmt: skip

        yield Side(
            settings=tools(),
            plain=[Call("http", each) for each in plain],
            direct=lambda: asyncio.run(by_hand()),
            hangs=_get(f"{server.url}/hang"),
            hangs_at=1,
            reached=server.asked,
            left=server.hung_up,
            look=_get(f"{own}/json"),
            seen='{"status":200,"headers":{"content-type":"application/json"},'
            '"body":{"rows":[1,2.5,null]}}',
            garbage=[
                *(Try(_get(f"{server.url}/{word}"), "valid answer", kind="connection")
                  for word in _BAD),
                Try(_get(f"{own}/badjson"), "not the JSON", "ok", None),
                Try(_get(f"{own}/image"), "image/png", "ok", None),
            ],
            large=[Try(_get(f"{own}/big"), "note", "ok", None)],
            death=Death(lambda _: server.die(), "connection", "127.0.0.1"),
            slow=tools(timeout=0.5),
        )  # fmt: skip


def _get(url: str) -> Call:
    return Call("http", {"url": url})


@contextmanager
def mcp(folder: Path, _: object) -> Iterator[Side]:
    """A published server for what goes well and what is killed, a hostile one for all else."""
    command = published("mcp-server-everything", "stdio", str(folder))
    calls = [
        Call("echo", {"message": 'é \n\t"q"'}),
        Call("get_sum", {"a": 1.5, "b": -2}),
    ]  # fmt: skip

    def tools(command: list[str], **options: Any) -> dict[str, Any]:
        return {"tools": [{"mcp": {"command": command, **options}}]}

    def servers() -> list[int]:
        found = processes(str(folder))
        return [pid for pid in found if "node" in Path(f"/proc/{pid}/exe").readlink().name]

    def reached() -> None:
        """It may not be there yet: the call then waits for it."""
        given_up = time.monotonic() + 60
        while not servers() and time.monotonic() < given_up:
            time.sleep(0.02)

    def kill(_: object) -> None:
        for pid in servers():
            os.kill(pid, signal.SIGKILL)

    def bad(mode: str, says: str, *rest: Any, after: str = "ok") -> Try:
        call = Call("echo", {"text": "a"})
        return Try(call, says, *rest, settings=tools(hostile(mode)), look=call, after=after)

    yield Side(
        settings=tools(command),
        plain=calls,
        direct=lambda: [_raw(command, each) for each in calls],
        hangs=Call("trigger_long_running_operation", {"duration": 3600, "steps": 2}),
        hangs_at=0,
        look=Call("echo", {"message": "look"}),
        seen="Echo: look",
        garbage=[
            bad("garbage", "said a", "ok", None),
            bad("wrong", "not MCP", after="error"),
            bad("error", "no such row", after="error"),
        ],
        large=[
            bad("huge", "characters more", "ok", None),
            bad("huge-structure", "characters more", "ok", None),
        ],
        reached=reached,
        death=Death(kill, "connection", "has ended"),
        slow=tools(command, timeout=1),
    )


def _raw(command: list[str], call: Call) -> Shown:
    """What the server answers, asked by hand, without any library."""
    name = call.tool.replace("_", "-")
    hello = {"protocolVersion": "2025-06-18", "capabilities": {},
             "clientInfo": {"name": "hand", "version": "1"}}  # fmt: skip
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None

    def say(**message: Any) -> None:
        print(json.dumps({"jsonrpc": "2.0", **message}), file=server.stdin, flush=True)

    say(id=1, method="initialize", params=hello)
    say(method="notifications/initialized")
    say(id=2, method="tools/call", params={"name": name, "arguments": call.arguments})
    try:
        answers = map(json.loads, server.stdout)
        answer = next(it for it in answers if it.get("id") == 2)
    finally:
        server.kill()
        server.communicate()
    return "", answer["result"]["content"][0]["text"]
