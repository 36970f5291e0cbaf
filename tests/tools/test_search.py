"""The `search` tool: partial as sequential as direct, and its options."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from conveyor_tools.errors import ToolLoadError
from tests.tools.driving import Written, write
from tests.tools.searching import hits, tool
from tests.tools.searx import Searx


@pytest.mark.parametrize("partial", [True, False])
def test_partial_is_sequential_is_direct(docs: Path, *, partial: bool) -> None:
    """The same hits, whenever it starts and whoever calls it; `limit` may come last."""
    text = '{"query": "otter", "limit": 1}'

    async def do() -> tuple[Written, str | None]:
        made = tool({"folder": "docs"}, docs.parent)
        written = await write(made, text, partial=partial)
        direct = await made.call(json.loads(text))
        await made.close()
        return written, direct.result

    written, direct = asyncio.run(do())
    assert len(hits(written.outcome)) == 1
    assert written.outcome.result == direct


def test_it_starts_when_the_query_is_closed(searx: Searx) -> None:
    """The server was asked before the model wrote how many hits it wants."""

    async def do() -> None:
        made = tool({"searxng": searx.url})
        asked = asyncio.Event()
        engine = made.function._engine  # type: ignore[attr-defined]
        ask = engine._ask

        async def note(query: str, limit: int) -> Any:
            found = await ask(query, limit)
            asked.set()
            return found

        engine._ask = note

        async def before_end(_: Written) -> None:
            async with asyncio.timeout(60):
                await asked.wait()

        text = '{"query": "otters", "limit": 1}'
        written = await write(made, text, partial=True, before_end=before_end)
        assert len(hits(written.outcome)) == 1
        await made.close()

    asyncio.run(do())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "give one of"),
        ({"folder": "docs", "searxng": "http://a.example"}, "give one of"),
        ({"folder": "nowhere"}, "no such folder"),
        ({"folder": __file__}, "this is no folder"),
        ({"searxng": "ftp://a.example"}, "such as https://"),
        ({"searxng": "nonsense"}, "such as https://"),
        ({"brave": True}, "BRAVE_API_KEY is not set"),
        ({"tavily": True}, "TAVILY_API_KEY is not set"),
        ({"timeout": 0}, "timeout"),
        ({"folders": "docs"}, "no option 'folders'"),
    ],
)
def test_wrong_options(
    options: dict[str, Any], told: str, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BRAVE_API_KEY", raising=False)
    monkeypatch.delenv("TAVILY_API_KEY", raising=False)
    with pytest.raises(ToolLoadError) as caught:
        tool(options, docs.parent)
    assert told in str(caught.value)
