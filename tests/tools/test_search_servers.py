"""Search by servers: a real searx, and what servers may do wrong.

Brave and Tavily cannot be reached from here. Against them it is only shown that what is sent, and
what is made of the answer, is as their documentation says.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from conveyor_sandbox.reports import Finished, Outcome, Status
from conveyor_tools.errors import TemporaryError, ToolError
from conveyor_tools.host_session import HostSession
from conveyor_tools.searching import web
from conveyor_tools.searching.base import Hit
from tests.tools.driving import Written, write
from tests.tools.searching import find, hits, tool
from tests.tools.searx import Searx
from tests.tools.web.rude import rude

# A real searx


@pytest.mark.parametrize("partial", [True, False])
def test_searx(searx: Searx, *, partial: bool) -> None:
    async def do() -> Written:
        made = tool({"searxng": searx.url})
        try:
            return await write(made, '{"query": "otters"}', partial=partial)
        finally:
            await made.close()

    found = hits(asyncio.run(do()).outcome)
    assert {it["where"] for it in found} == {
        "http://a.example/otters",
        "http://a.example/owls?a=1&b=2",
    }
    assert {it["title"] for it in found} == {"Otters", "Owls"}


def test_searx_finds_nothing(searx: Searx) -> None:
    assert asyncio.run(find(web.Searxng(searx.url, 30), "zebra")) == []


# Servers that do it wrong


def answer(status: str, body: bytes, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


WRONG = {
    "no JSON": (answer("200 OK", b"<html>"), ToolError, "JSON"),
    "no object": (answer("200 OK", b"[1]"), ToolError, "as it should"),
    "no results": (answer("200 OK", b'{"path": "/search"}'), ToolError, "lists no results"),
    "no list": (answer("200 OK", b'{"results": 3}'), ToolError, "lists no results"),
    "no HTTP": (b"\x00\x01\x02 garbage\r\n\r\n", TemporaryError, "RemoteProtocolError"),
    "deep": (answer("200 OK", b"[" * 100_000), ToolError, "JSON"),
    "half": (answer("200 OK", b"{" * 100)[:-50], TemporaryError, "RemoteProtocolError"),
    "busy": (answer("429 Too Many Requests", b""), TemporaryError, "429"),
    "broken": (answer("503 Service Unavailable", b""), TemporaryError, "503"),
    "refused": (answer("403 Forbidden", b""), ToolError, "format `json`"),
    "moved": (answer("302 Found", b""), ToolError, "302"),
    "10 MB": (answer("200 OK", b'"' + b"x" * 10_000_000 + b'"'), ToolError, "more than"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_answers(case: str) -> None:
    said, kind, told = WRONG[case]

    async def do() -> None:
        async with rude(said) as server:
            engine = web.Searxng(f"http://127.0.0.1:{server.port}", 30)
            with pytest.raises(kind) as caught:
                await engine.find("a", 5)
            await engine.close()
            assert type(caught.value) is kind
            assert told in str(caught.value)

    asyncio.run(do())


def test_odd_results_are_left_out() -> None:
    body = json.dumps(
        {"results": [7, {"title": 1}, {"url": "http://b.example", "title": None}, {"title": "x"}]}
    )

    async def do() -> list[Hit]:
        async with rude(answer("200 OK", body.encode())) as server:
            engine = web.Searxng(f"http://127.0.0.1:{server.port}", 30)
            try:
                return await engine.find("a", 5)
            finally:
                await engine.close()

    assert asyncio.run(do()) == [Hit("", "http://b.example", "")]


def test_nobody_there() -> None:
    """It is tried again, and then told."""

    async def do() -> tuple[Outcome, int]:
        async with rude(b"") as server:
            port = server.port
        made = tool({"searxng": f"http://127.0.0.1:{port}"})
        written = await write(made, '{"query": "a"}', partial=True)
        await made.close()
        return written.outcome, port

    outcome, port = asyncio.run(do())
    assert outcome.failure is not None
    assert outcome.failure.kind == "connection"
    assert f"cannot be reached at 127.0.0.1:{port}: " in outcome.failure.message


async def silent(_: asyncio.StreamWriter) -> None:
    """Says nothing at all."""
    await asyncio.Event().wait()


def test_a_server_that_does_not_answer() -> None:
    async def do() -> None:
        async with rude(silent) as server:
            engine = web.Searxng(f"http://127.0.0.1:{server.port}", 0.3)
            with pytest.raises(TemporaryError, match=r"did not answer within 0\.3 s"):
                await engine.find("a", 5)
            await engine.close()

    asyncio.run(do())


def test_a_server_that_never_comes_to_an_end() -> None:
    """A little now and then is no answer either: the time is for all of it."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.02)

    async def do() -> None:
        async with rude(drip) as server, asyncio.timeout(60):
            engine = web.Searxng(f"http://127.0.0.1:{server.port}", 0.3)
            with pytest.raises(TemporaryError, match=r"did not answer within 0\.3 s"):
                await engine.find("a", 5)
            await engine.close()

    asyncio.run(do())


def test_stopped_in_mid_call() -> None:
    """The request is dropped: the server sees the connection close."""

    async def do() -> None:
        async with rude(silent) as server:
            made = tool({"searxng": f"http://127.0.0.1:{server.port}"})
            made.function.prepare = nothing  # type: ignore[attr-defined]
            session = HostSession(made)

            async def stop(written: Written) -> None:
                await server.asked.wait()
                session.cancel(1)
                await written.until(Finished)

            text = '{"query": "a", "limit": 2}'
            written = await write(made, text, partial=True, before_end=stop, session=session)
            assert written.outcome.status is Status.CANCELLED
            await session.close()

    asyncio.run(do())


async def nothing() -> None:
    """No preparation: the first request is the search's."""


# Services that cannot be reached from here


def spoken(body: dict[str, Any]) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(answer("200 OK", json.dumps(body).encode()))
        await writer.drain()

    return say


def test_brave_by_its_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAVE_API_KEY", "k-123")
    found = {"title": "An <strong>otter</strong>", "url": "http://a.example",
             "description": "Swims &amp; <strong>sleeps</strong>."}  # fmt: skip

    async def do() -> tuple[list[Hit], bytes]:
        async with rude(spoken({"type": "search", "web": {"results": [found]}})) as server:
            engine = web.Brave(30, f"http://127.0.0.1:{server.port}")
            hits = await engine.find("otter & co", 5)
            await engine.close()
            return hits, server.requests[0]

    hits, request = asyncio.run(do())
    assert hits == [Hit("An otter", "http://a.example", "Swims & sleeps.")]
    assert request.startswith(b"GET /res/v1/web/search?q=otter+%26+co&count=5 HTTP/1.1\r\n")
    assert b"\r\nx-subscription-token: k-123\r\n" in request.lower()


def test_tavily_by_its_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAVILY_API_KEY", "k-123")
    found = {"title": "Otter", "url": "http://a.example", "content": "Swims.", "score": 0.9}

    async def do() -> tuple[list[Hit], bytes]:
        async with rude(spoken({"query": "otter", "results": [found]})) as server:
            engine = web.Tavily(30, f"http://127.0.0.1:{server.port}")
            hits = await engine.find("otter", 5)
            await engine.close()
            return hits, server.requests[0]

    hits, request = asyncio.run(do())
    assert hits == [Hit("Otter", "http://a.example", "Swims.")]
    assert request.startswith(b"POST /search HTTP/1.1\r\n")
    assert b"\r\nauthorization: bearer k-123\r\n" in request.lower()


def test_keys_are_told_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAVE_API_KEY", "k-123")

    async def do() -> None:
        async with rude(answer("401 Unauthorized", b"k-123")) as server:
            engine = web.Brave(30, f"http://127.0.0.1:{server.port}")
            with pytest.raises(ToolError, match="refuses the key") as caught:
                await engine.find("otter", 5)
            await engine.close()
            assert "k-123" not in str(caught.value)

    asyncio.run(do())
    made = tool({"brave": True})
    assert "k-123" not in repr(made) + json.dumps(made.schema) + made.description
