"""MCP tools while their arguments are written: the same results, and mistakes found at once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from conveyor_sandbox.reports import Ended, Status, UnitKey
from conveyor_tools.arguments import ArgumentSplitter
from conveyor_tools.host_session import HostSession
from tests.tools.driving import Written, write
from tests.tools.mcp_client.servers import hostile, published, run, started

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("echo", {"message": 'a "quoted"\nline é'}),
    ("get_sum", {"a": 1.5, "b": -2}),
    ("get_structured_content", {"location": "Chicago"}),
    ("get_tiny_image", {}),
    ("get_resource_reference", {"resourceType": "Text", "resourceId": -1}),
]


def test_partial_is_sequential_is_a_direct_call() -> None:
    """Errors of the server among them (the last one)."""

    async def work() -> None:
        async with started(published("mcp-server-everything")) as tools:
            for name, arguments in CALLS:
                tool, text = tools[name], json.dumps(arguments)
                direct = await tool.call(arguments)
                for partial in (True, False):
                    for chunk in (1, 9):
                        written = await write(tool, text, partial=partial, chunk=chunk)
                        assert written.outcome.result == direct.shown
                        assert written.outcome.failure == direct.failure
            assert direct.failure is not None

    run(work)


def test_a_pure_tool_starts_with_its_last_argument_others_when_all_is_known() -> None:
    """The unit says which: only that of a server that writes waits for the end of the call."""

    async def work() -> list[list[bool]]:
        text = json.dumps({"source_timezone": "UTC", "time": "12:00", "target_timezone": "UTC"})
        found = []
        for effects in ({}, {"get_current_time": "external"}, {"convert_time": "external"}):
            async with started(published("mcp-server-time"), effects=effects) as tools:
                units = ArgumentSplitter(tools["convert_time"]).feed(text)
                found.append([unit.external for unit in units])
        return found

    assert run(work) == [[False], [True], [True]]


@pytest.mark.parametrize(
    ("text", "rejected_by"),
    [
        ('{"location": "New Paris"}', '{"location": "New P'),
        ('{"location": 5}', '{"location": 5'),
        ('{"place": "Chicago"}', '{"place": "Chicago"}'),
        ("[]", "["),
    ],
)
def test_what_the_schema_forbids_is_refused_where_it_shows(text: str, rejected_by: str) -> None:
    async def work() -> str:
        async with started(published("mcp-server-everything")) as tools:
            splitter = ArgumentSplitter(tools["get_structured_content"])
            for end in range(1, len(text) + 1):
                splitter.feed(text[end - 1])
                if splitter.problem is not None:
                    return text[:end]
            return ""

    assert run(work) == rejected_by


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def hears(heard: Path, what: str) -> None:
    for _ in range(3000):
        if what in _text(heard):
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"it does not hear of {what}")


def test_the_server_is_told_of_a_call_that_is_stopped(tmp_path: Path) -> None:
    """So it can stop too; it writes down what it hears."""
    heard = tmp_path / "heard"

    async def work() -> Status:
        async with started(hostile("listens", str(heard))) as tools:
            tool = tools["echo"]
            session = HostSession(tool)
            written = Written(tool)
            session.listen(written.hear)
            for unit in ArgumentSplitter(tool).feed('{"text": "x"}'):
                session.run(UnitKey(1, unit.index), unit)
            session.end(1)
            await hears(heard, "tools/call")
            session.cancel(1)
            await written.until(Ended)
            await hears(heard, "notifications/cancelled")
            await session.close()
            return written.outcome.status

    assert run(work) is Status.CANCELLED
