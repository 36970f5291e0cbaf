"""Search: in a folder, by a searx server, by a service with a key, which is played from here."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from conveyor_tools.searching.folder import FolderSearch
from conveyor_tools.searching.web import Brave
from tests.cli.matrix.answering import Answer, Answering, answering, by_word, dripping, saying
from tests.cli.matrix.sides import Call, Death, Shown, Side, Try
from tests.tools.searx import Searx

_LARGE = 10_000_000
_BAD: dict[str, tuple[Answer, str, str]] = {
    "html": (saying(body=b"<html>"), "exception", "JSON"),
    "list": (saying(body=b"[1]"), "exception", "as it should"),
    "noise": (saying(raw=b"\x00\x1b[2J garbage\r\n\r\n"), "connection", "RemoteProtocolError"),
    "half": (saying(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), "connection", "Remote"),
    "deep": (saying(body=b"[" * 100_000), "exception", "JSON"),
}
_MANY = (saying(body=b'"' + b"x" * _LARGE + b'"'), "exception", "more than")


def _find(query: str, limit: int | None = None) -> Call:
    more = {} if limit is None else {"limit": limit}
    return Call("search", {"query": query, **more})


def _as_json(hits: Sequence[Any]) -> str:
    return json.dumps(hits, ensure_ascii=False, separators=(",", ":"))


@contextmanager
def folder_search(folder: Path, _: object) -> Iterator[Side]:
    """It is struck while its arguments are written: there is no server that could hang."""
    documents = folder / "documents"
    documents.mkdir()
    (documents / "otters.md").write_text("# Otters\n\nSea otters hold hands.\n\nThey swim.\n")
    (documents / "owls.txt").write_text("Owls hoot.\n" * 50)
    (documents / "broken.txt").write_bytes(bytes(range(1, 256)) + b" gargoyle \x1b[2J\xff\n" * 99)
    (documents / "large.txt").write_text("word " * 1_500_000 + "zebra")
    queries = [("otters", 5), ("hoot swim", 1), ("nothing-at-all", 5)]

    async def by_hand() -> list[Shown]:
        engine = FolderSearch(documents, folder / "other cache")
        await engine.prepare()
        found = [(await engine.find(query, 20))[:limit] for query, limit in queries]
        await engine.close()
        return [("", _as_json([asdict(hit) for hit in hits])) for hits in found]

    hit = {
        "title": "Otters",
        "where": "otters.md:1",
        "text": "# Otters Sea otters hold hands. They swim.",
    }
    yield Side(
        settings={"tools": [{"search": {"folder": str(documents)}}]},
        plain=[_find(*query) for query in queries],
        direct=lambda: asyncio.run(by_hand()),
        hangs=_find("otters", 3),
        hangs_at=None,
        look=_find("hands", 1),
        seen=_as_json([hit]),
        garbage=[Try(_find("gargoyle", 1), "gargoyle", "ok", None)],
        large=[Try(_find("zebra"), "large.txt", "ok", None)],
    )


@contextmanager
def searx(_: Path, request: pytest.FixtureRequest) -> Iterator[Side]:
    """A real one, behind a server that does as it is told by some queries."""
    server: Searx = request.getfixturevalue("searx")

    def ask(query: str) -> list[dict[str, Any]]:
        asked = urllib.parse.urlencode({"q": query, "format": "json"})
        with urllib.request.urlopen(f"{server.url}/search?{asked}") as answer:
            found: list[dict[str, Any]] = json.load(answer)["results"]
            return found

    def pass_on(connection: socket.socket, request: bytes) -> None:
        path = request.split(b" ", 2)[1].decode()
        with urllib.request.urlopen(f"{server.url}{path}") as answer:
            saying(body=answer.read())(connection, request)

    def by_hand(query: str) -> Shown:
        hits = [{"title": it["title"], "where": it["url"], "text": it["content"]}
                for it in ask(query)]  # fmt: skip
        return "", _as_json(hits)

    with answering(_behaving(pass_on)) as between:
        options = {"searxng": between.url}
        yield _web(between, options, _find("hands"), lambda: [by_hand("hands")])


@contextmanager
def keyed(_: Path, __: object) -> Iterator[Side]:
    """Brave, which cannot be reached from a test: it is played by its documentation."""
    found = {"title": "Owls", "url": "http://a.example/owls", "description": "<b>Owls</b> hoot."}
    good = saying(body=json.dumps({"web": {"results": [found]}}).encode())
    hit = {"title": "Owls", "where": "http://a.example/owls", "text": "Owls hoot."}
    with answering(_behaving(good)) as brave, pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAVE_API_KEY", "k")
        patch.setattr("conveyor_tools.search.Brave", lambda timeout: Brave(timeout, brave.url))
        yield _web(brave, {"brave": True}, _find("owls"), lambda: [("", _as_json([hit]))])


def _behaving(good: Answer) -> Answer:
    bad = {word: answer for word, (answer, *_) in _BAD.items()}
    return by_word({"hang": dripping, "large": _MANY[0], **bad}, good)


def _web(server: Answering, options: dict[str, Any], plain: Call, direct: Any) -> Side:
    def tools(**more: Any) -> dict[str, Any]:
        return {"tools": [{"search": {**options, **more}}]}

    return Side(
        settings=tools(),
        plain=[plain],
        direct=direct,
        hangs=_find("hang", 3),
        hangs_at=0,
        reached=server.asked,
        left=server.hung_up,
        look=plain,
        seen=str(direct()[0][1]),
        garbage=[Try(_find(word), says, "error", kind) for word, (_, kind, says) in _BAD.items()],
        large=[Try(_find("large"), _MANY[2])],
        death=Death(lambda _: server.die(), "connection", "", after="error"),
        slow=tools(timeout=0.5),
    )
