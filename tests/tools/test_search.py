"""The `search` tool: a folder, a real searx server, and what servers may do wrong.

Brave and Tavily cannot be reached from here. Against them it is only shown that what is sent, and
what is made of the answer, is as their documentation says.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conveyor_sandbox.reports import Finished, Outcome, Status
from conveyor_tools.errors import TemporaryError, ToolError, ToolLoadError
from conveyor_tools.function import FunctionTool
from conveyor_tools.host_session import HostSession
from conveyor_tools.registry import find_tool
from conveyor_tools.searching import folder, index, web
from conveyor_tools.searching.base import Hit
from conveyor_tools.searching.folder import FolderSearch
from tests.tools.driving import Written, write
from tests.tools.searx import Searx
from tests.tools.web.rude import rude

GUIDE = """# Guide

Otters are playful.

## Feeding

An otter eats a fifth of its weight each day.
Crabs, mostly.
"""


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of documents, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "docs"
    (folder / "more").mkdir(parents=True)
    (folder / "guide.md").write_text(GUIDE, encoding="utf-8")
    (folder / "more" / "page.html").write_text(
        "<html><script>var otter = 1;</script>\n<h1>Owls</h1>\n<p>Owls see &amp; hear.</p></html>",
        encoding="utf-8",
    )
    (folder / "notes.txt").write_text("The capital of Norway is Oslo.\n", encoding="utf-8")
    (folder / ".hidden.md").write_text("otter otter otter", encoding="utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG otter")
    return folder


def tool(options: dict[str, Any], base: Path | None = None) -> FunctionTool:
    found = find_tool("search", options, base)
    assert isinstance(found, FunctionTool)
    return found


def hits(outcome: Outcome) -> list[dict[str, str]]:
    assert outcome.status is Status.OK, outcome
    assert outcome.result is not None
    found: list[dict[str, str]] = json.loads(outcome.result)
    return found


async def find(engine: Any, query: str, limit: int = 5) -> list[Hit]:
    """What an engine finds, ready and closed as in a conversation."""
    await engine.prepare()
    try:
        found: list[Hit] = await engine.find(query, limit)
        return found
    finally:
        await engine.close()


def search(folder: Path, query: str, limit: int = 5) -> list[Hit]:
    return asyncio.run(find(FolderSearch(folder), query, limit))


# A folder


def test_hits_say_where_they_are(docs: Path) -> None:
    (hit,) = search(docs, "weight eats")
    assert hit == Hit(
        "Feeding",
        "guide.md:5",
        "## Feeding An otter eats a fifth of its weight each day. Crabs, mostly.",
    )


def test_html_is_read_as_text(docs: Path) -> None:
    (hit,) = search(docs, "owl")
    assert (hit.title, hit.where) == ("Owls", "more/page.html:2")
    assert "Owls see & hear." in hit.text
    assert [it.where for it in search(docs, "otter")] == ["guide.md:1", "guide.md:5"]


def test_what_changes_is_found(docs: Path) -> None:
    """New, changed and removed files, by a search that begins later."""
    assert search(docs, "zebra") == []
    (docs / "new.md").write_text("A zebra.", encoding="utf-8")
    os.utime(docs / "notes.txt", ns=(0, 0))
    (docs / "notes.txt").write_text("Zebras live in herds.", encoding="utf-8")
    assert {it.where for it in search(docs, "zebra")} == {"new.md:1", "notes.txt:1"}
    assert search(docs, "Oslo") == []
    (docs / "new.md").unlink()
    assert [it.where for it in search(docs, "zebra")] == ["notes.txt:1"]


def test_what_does_not_change_is_not_read_again(docs: Path) -> None:
    """Known by size and time of change: a file that looks the same is taken to be the same."""
    search(docs, "Oslo")
    facts = (docs / "notes.txt").stat()
    (docs / "notes.txt").write_text("The capital of Norway is Rome.\n", encoding="utf-8")
    os.utime(docs / "notes.txt", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert len(search(docs, "Oslo")) == 1


QUERIES = [
    '"',
    "qq AND",
    "NEAR(",
    "otter*",
    "title:otter",
    "^otter",
    "-- otter",
    "OR OR",
    "'; DROP",
]


@pytest.mark.parametrize("query", QUERIES)
def test_query_operators_are_words(docs: Path, query: str) -> None:
    """Nothing that the model writes is taken for FTS5's own language."""
    try:
        found = search(docs, query)
    except ToolError as error:
        assert "no word" in str(error)  # noqa: PT017
    else:
        assert len(found) == (2 if "otter" in query else 0)


@given(st.text(max_size=60))
def test_any_query(text: str) -> None:
    """Whatever is asked for gives hits, or one clear failure."""
    try:
        found = search(Path(__file__).parent.parent.parent / "docs", text, 3)
    except ToolError as error:
        assert "no word" in str(error)  # noqa: PT017
    else:
        assert len(found) <= 3


def test_a_damaged_index_does_no_harm(docs: Path, tmp_path: Path) -> None:
    search(docs, "otter")
    (index,) = (tmp_path / "cache").rglob("*.db")
    index.write_bytes(b"damaged" * 1000)
    assert len(search(docs, "otter")) == 2


def test_nowhere_to_keep_an_index(docs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    engine = FolderSearch(docs, tmp_path / "file" / "cache")
    assert len(asyncio.run(find(engine, "otter"))) == 2


def test_no_room_for_the_index(docs: Path, tmp_path: Path) -> None:
    """The disk is full, here by a limit for files: it is kept for this run only."""
    for number in range(200):
        (docs / f"{number}.txt").write_text(f"otter {number} {'word ' * 200}", encoding="utf-8")
    code = (
        "import asyncio, resource, signal, sys\n"
        "from pathlib import Path\n"
        "from conveyor_tools.searching.folder import FolderSearch\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "async def find():\n"
        "    engine = FolderSearch(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "    await engine.prepare()\n"
        "    found = await engine.find('otter', 1000)\n"
        "    await engine.close()\n"
        "    return found\n"
        "print(len(asyncio.run(find())))\n"
    )
    arguments = [sys.executable, "-B", "-c", code, str(docs), str(tmp_path / "cache")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("202\n", "")


def test_a_file_that_may_be_read_later(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read is not taken for known: it is read when that is possible."""
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "notes.txt":
            raise PermissionError(13, "Permission denied")
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        assert search(docs, "Oslo") == []
    assert [it.where for it in search(docs, "Oslo")] == ["notes.txt:1"]


def test_encodings(docs: Path) -> None:
    """Text that says how it is encoded is read so; what only has the name of text is left out."""
    for number, encoding in enumerate(("utf-8-sig", "utf-16", "utf-32", "latin-1")):
        (docs / f"{number}.txt").write_text("Zebra é", encoding=encoding)
    (docs / "be.txt").write_bytes(b"\xfe\xff" + "Zebra é".encode("utf-16-be"))
    (docs / "binary.txt").write_bytes(b"zebra\0\1\2 zebra")
    found = {it.where: it.text for it in search(docs, "zebra", 20)}
    whole = dict.fromkeys(("0.txt:1", "1.txt:1", "2.txt:1", "be.txt:1"), "Zebra é")
    assert found == {**whole, "3.txt:1": "Zebra \ufffd"}


def test_nothing_that_could_be_searched(tmp_path: Path) -> None:
    """That is told: it is not the same as finding nothing."""
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "paper.pdf").write_bytes(b"%PDF")
    engine = FolderSearch(tmp_path / "only", tmp_path / "cache")
    with pytest.raises(ToolError, match="only: there is no text, Markdown or HTML"):
        asyncio.run(find(engine, "otter"))


def test_a_folder_that_is_gone(docs: Path) -> None:
    """That is told: it is not the same as finding nothing."""
    engine = FolderSearch(docs)
    assert asyncio.run(find(engine, "otter"))
    docs.rename(docs.with_name("elsewhere"))
    with pytest.raises(ToolError, match=r"docs: the folder is not there any more"):
        asyncio.run(find(engine, "otter"))


def test_what_was_read_is_kept(docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where reading a folder is stopped, the next search goes on from there."""
    monkeypatch.setattr(index, "_KEPT_EVERY", 0.0)
    for number in range(20):
        (docs / f"{number:02}.txt").write_text(f"number {number} otter", encoding="utf-8")
    stopped = index.Index(docs, tmp_path / "cache")

    def stop(count: int) -> None:
        if count == 10:
            raise RuntimeError(count)

    with pytest.raises(RuntimeError):
        stopped.update(stop)
    stopped.close()
    (file,) = tmp_path.glob("cache/*.db")
    with contextlib.closing(sqlite3.connect(file)) as kept:
        assert kept.execute("SELECT count(*) FROM documents").fetchone() == (9,)
    again = index.Index(docs, tmp_path / "cache")
    assert again.update(lambda _: None) == 23
    assert len(again.find('"otter"', 100)) == 22
    again.close()


def test_too_many_documents(
    docs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user is told once that some are left out."""
    for module in (index, folder):
        monkeypatch.setattr(module, "MOST_DOCUMENTS", 1)
    engine = FolderSearch(docs)
    assert {it.where[:-1] for it in asyncio.run(find(engine, "otter Oslo"))} == {"guide.md:"}
    assert capsys.readouterr().out.startswith("search: only 1 documents of")
    asyncio.run(find(engine, "otter"))
    assert capsys.readouterr().out == ""


def test_unused_indexes_are_removed(docs: Path, tmp_path: Path) -> None:
    """When one is made; not those that are used, though nothing changes in them."""
    cache = tmp_path / "cache" / "conveyor" / "search"
    search(docs, "otter")
    (used,) = cache.glob("*.db")
    for name in ("old.db", "old.db-wal"):
        (cache / name).write_bytes(b"")
    for path in cache.iterdir():
        os.utime(path, (0, 0))
    search(docs, "otter")
    search(docs / "more", "owl")
    assert used in cache.glob("*.db")
    assert len([*cache.glob("*.db")]) == 2
    assert not [*cache.glob("old*")]


def test_given_back_while_it_waits_for_another_program(docs: Path, tmp_path: Path) -> None:
    """At once, however long the other one holds the index."""
    engine = FolderSearch(docs)
    asyncio.run(find(engine, "otter"))
    (index,) = tmp_path.glob("cache/conveyor/search/*.db")

    async def do() -> None:
        preparing = asyncio.create_task(engine.prepare())
        await asyncio.sleep(0.1)
        preparing.cancel()
        async with asyncio.timeout(5):
            await engine.close()

    with contextlib.closing(sqlite3.connect(index, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        asyncio.run(do())
        other.execute("ROLLBACK")
    assert len(search(docs, "otter")) == 2


@pytest.mark.parametrize("kept_every", [0.0, 1.0])
def test_many_programs_at_once(
    docs: Path, monkeypatch: pytest.MonkeyPatch, kept_every: float
) -> None:
    """Several searches that begin together share one index, also when each keeps it in parts."""
    monkeypatch.setattr(index, "_KEPT_EVERY", kept_every)
    for number in range(50):
        (docs / f"{number}.txt").write_text(f"number {number} otter", encoding="utf-8")

    async def do() -> list[list[Hit]]:
        return await asyncio.gather(*(find(FolderSearch(docs), "otter", 100) for _ in range(5)))

    assert {len(found) for found in asyncio.run(do())} == {52}


def test_large_documents(docs: Path) -> None:
    """A file of 5 MB in one line, and one in many: each hit is short, and says where."""
    (docs / "line.txt").write_text("word " * 1_000_000 + "zebra", encoding="utf-8")
    (docs / "lines.txt").write_text("word\n" * 100_000 + "a zebra\n", encoding="utf-8")
    found = search(docs, "zebra")
    assert {it.where.split(":")[0] for it in found} == {"line.txt", "lines.txt"}
    assert all(len(it.text) < 1000 for it in found)
    (late,) = (it for it in found if it.where.startswith("lines.txt"))
    assert 99_000 < int(late.where.split(":")[1]) <= 100_001


# The tool


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


def test_sqlite_has_fts5() -> None:
    """What the index needs of Python's SQLite."""
    options = {row[0] for row in sqlite3.connect(":memory:").execute("PRAGMA compile_options")}
    assert "ENABLE_FTS5" in options
