"""The `http` tool while its arguments are written: the same results, sooner."""

from __future__ import annotations

import asyncio
import json
from ipaddress import ip_address
from typing import Any

import pytest

from conveyor_sandbox.reports import Ended, Finished, Status, UnitKey
from conveyor_tools.arguments import ArgumentSplitter
from conveyor_tools.function import FunctionTool, function_tool
from conveyor_tools.host_session import HostSession
from conveyor_tools.http import Http
from conveyor_tools.http_address import Address
from tests.tools.driving import Written, write
from tests.tools.web.client import run
from tests.tools.web.nginx import Nginx
from tests.tools.web.rude import rude


async def _local(_: str) -> list[Address]:
    return [ip_address("127.0.0.1")]


def http(*hosts: str, **options: Any) -> FunctionTool:
    tool = function_tool(Http, "http", {"hosts": list(hosts), "private": True, **options})
    tool.function._resolve = _local  # type: ignore[attr-defined]
    return tool


def api(web: Nginx, **options: Any) -> FunctionTool:
    return http(f"api.test:{web.tls}", ca=str(web.ca), **options)


CALLS = [
    {"url": "/json"},
    {"url": "/hello", "method": "HEAD"},
    {"method": "POST", "url": "/told", "body": {"a": [1, "é"]}, "headers": {"X-Key": "mine"}},
    {"url": "/to?u=/told"},
    {"url": "/big"},
    {"url": "/missing"},
    {"url": "/nogzip"},
]


@pytest.mark.parametrize("arguments", CALLS)
def test_partial_is_sequential_is_a_direct_call(web: Nginx, arguments: dict[str, Any]) -> None:
    arguments = arguments | {"url": web.url(arguments["url"])}
    text = json.dumps(arguments)

    async def work() -> list[Any]:
        tool = api(web)
        direct = await tool.call(arguments)
        outcomes: list[Any] = [(direct.result and json.loads(direct.result), direct.failure)]
        for partial in (True, False):
            for chunk in (1, 7, 1000):
                written = await write(tool, text, partial=partial, chunk=chunk)
                result = written.outcome.result
                outcomes.append((result and json.loads(result), written.outcome.failure))
        return outcomes

    first, *others = run(work)
    assert others == [first] * 6


def test_the_connection_is_made_while_the_rest_is_written(web: Nginx) -> None:
    """Nothing is asked before the call is closed; sequentially nothing happens at all."""
    text = json.dumps({"url": web.url("/hello"), "headers": {"X-Key": "mine"}})

    async def work(*, partial: bool) -> tuple[int, int, int]:
        before, asked = web.accepted(), len(web.log())
        seen: list[int] = []

        async def look(written: Written) -> None:
            if partial:
                await written.until(Finished)
            seen.extend([web.accepted() - before, len(web.log()) - asked])

        written = await write(api(web), text, partial=partial, before_end=look)
        assert written.outcome.status is Status.OK
        return seen[0], seen[1], web.accepted() - before

    assert run(lambda: work(partial=True)) == (1, 0, 1)
    assert run(lambda: work(partial=False)) == (0, 0, 1)


def test_what_has_effects_waits_for_approval_though_the_connection_is_there(web: Nginx) -> None:
    """The unit says so; who holds it back is the engine."""
    tool = api(web)
    for method, external in (("GET", False), ("POST", True), ("DELETE", True)):
        splitter = ArgumentSplitter(tool)
        units = splitter.feed(json.dumps({"url": web.url("/told"), "method": method}))
        assert [unit.external for unit in units] == [False, external]
    splitter = ArgumentSplitter(http("*"))
    assert [it.external for it in splitter.feed('{"url": "https://x.test/"}')] == [False, True]


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ('{"url": "https://elsewhere.test/a", "method": "GET"}', 35, "not among the hosts"),
        ('{"url": "ftp://api.test/", "method": "GET"}', 25, "must begin with https"),
        ('{"url": "http://0x7f.1/"}', 24, "four decimal numbers"),
        ('{"method": "FETCH", "url": "https://api.test/"}', 18, "is none of"),
        ('{"headers": {"Host": "a"}, "url": "https://api.test/"}', 25, "cannot be set"),
        ('{"link": "https://api.test/"}', 3, "no argument is called"),
        ('{"url": 5}', 9, "url"),
    ],
)
def test_a_call_that_cannot_become_valid_is_refused_where_it_shows(
    text: str, at: int, says: str
) -> None:
    splitter = ArgumentSplitter(http("api.test"))
    for char in text[: at + 1]:
        splitter.feed(char)
    assert splitter.problem is not None
    assert says in splitter.problem.message


def test_a_call_that_is_stopped_hangs_up() -> None:
    async def nothing(_: asyncio.StreamWriter) -> None:
        return

    async def work() -> None:
        async with rude(nothing) as server:
            tool = http(f"localhost:{server.port}")
            session = HostSession(tool)
            written = Written(tool)
            session.listen(written.hear)
            units = ArgumentSplitter(tool).feed(f'{{"url": "http://localhost:{server.port}/"}}')
            for unit in units:
                session.run(UnitKey(1, unit.index), unit)
            session.end(1)
            await asyncio.wait_for(server.asked.wait(), 60)
            session.cancel(1)
            await asyncio.wait_for(server.hung_up.wait(), 60)
            await written.until(Ended)
            assert written.outcome.status is Status.CANCELLED
            await session.close()

    run(work)


def test_a_lost_connection_is_tried_again_only_where_nothing_can_have_happened() -> None:
    """A read may be asked twice; what is sent is sent once."""

    async def work(method: str) -> tuple[str, int]:
        async def drop(writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        async with rude(drop) as server:
            tool = http(f"localhost:{server.port}")
            answer = await tool.call({"url": f"http://localhost:{server.port}/", "method": method})
            await tool.close()
            assert answer.failure is not None
            return answer.failure.kind, len(server.requests)

    assert run(lambda: work("GET")) == ("connection", 2)
    assert run(lambda: work("POST")) == ("connection", 1)
