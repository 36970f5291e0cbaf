"""Documents and answers that were written to harm who searches them."""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from conveyor_tools.errors import ToolError
from conveyor_tools.searching.base import Hit
from conveyor_tools.searching.folder import FolderSearch
from conveyor_tools.searching.html_text import text_of, unescaped
from conveyor_tools.searching.web import Searxng
from tests.tools.web.rude import rude

MANY = 500_000
SLOW = {
    "hashes.md": "# a" + "#" * MANY + "a\n",
    "spaces.md": "#" + " a#" * MANY + "\n",
    "tags.html": "<p>" + "a<b>b</b>" * MANY,
    "open-tags.html": "<a " * MANY,
    "open-values.html": "<a a='" * MANY,
    "open-comments.html": "<!--" * MANY,
    "sections.html": "<![CDATA[" * MANY,
    "ends.html": "</a" * MANY,
    "brackets.html": "<" * MANY,
    "declarations.html": "<?<!" * MANY,
    "scripts.html": "<script></" * MANY,
    "attributes.html": "<a " + "a='b' " * MANY + ">",
    "digits.html": "&#" + "9" * MANY + ";",
}
_FIND = """
import asyncio, sys
from pathlib import Path
from conveyor_tools.searching.folder import FolderSearch
async def find():
    search = FolderSearch(Path(sys.argv[1]), Path(sys.argv[2]))
    await search.prepare()
    print(*(hit.where for hit in await search.find("otter", 5)))
    await search.close()
asyncio.run(find())
"""


@pytest.mark.parametrize("name", SLOW)
def test_no_document_holds_the_index_up(name: str, tmp_path: Path) -> None:
    """Each of 1 to 5 MB. A minute, where it would be hours."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / name).write_text(SLOW[name], encoding="utf-8")
    (docs / "z.txt").write_text("An otter.", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", _FIND, docs, tmp_path / "cache"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout == "z.txt:1\n", done.stderr


def found(docs: Path, cache: Path, word: str) -> list[str]:
    async def find() -> list[Hit]:
        search = FolderSearch(docs, cache)
        await search.prepare()
        try:
            return await search.find(word, 5)
        finally:
            await search.close()

    return [hit.where for hit in asyncio.run(find())]


def test_a_name_that_is_no_utf_8_is_found_and_shown(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    Path(os.fsdecode(os.fsencode(docs) + b"/caf\xe9.txt")).write_text("An otter.", encoding="utf-8")
    (docs / "z.txt").write_text("An owl.", encoding="utf-8")
    assert found(docs, tmp_path, "otter") == ["caf\\xe9.txt:1"]
    assert found(docs, tmp_path, "owl") == ["z.txt:1"]


def test_nobody_else_reads_the_index(tmp_path: Path) -> None:
    """The documents may be the user's own; the cache need not be."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "secret.txt").write_text("An otter.", encoding="utf-8")
    before = os.umask(0)
    try:
        found(docs, tmp_path / "cache", "otter")
    finally:
        os.umask(before)
    assert {it.stat().st_mode & 0o077 for it in (tmp_path / "cache").iterdir()} == {0}


def test_the_index_is_not_written_through_a_link(tmp_path: Path) -> None:
    docs, cache = tmp_path / "docs", tmp_path / "cache"
    docs.mkdir()
    (docs / "z.txt").write_text("An otter.", encoding="utf-8")
    assert found(docs, cache, "otter")
    (index,) = cache.glob("*.db")
    index.unlink()
    (target := tmp_path / "target").touch()
    index.symlink_to(target)
    assert found(docs, cache, "otter") == ["z.txt:1"]
    assert target.read_bytes() == b""


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<h1>Owls</h1>\n<p class='a>b'>see &amp; hear", "# Owls\nsee & hear"),
        ("a <b>b</b> < c", "a b < c"),
        ("<script>var x = '<p>';</script>x<style>y</style>z", "x z"),
        ("<p don't>x</p>", "x"),
        ("<template>a<p>b</template>c", "c"),
        ("a<!-- > <b> -->b<!doctype html>c<?php x ?>d", "a b c d"),
        ("<H2>A</h2>b", "# A b"),
        ("a<b", "a"),
    ],
)
def test_pages_as_text(page: str, text: str) -> None:
    assert text_of(page) == text


def test_character_references() -> None:
    assert unescaped("&lt;&#65;&#x41;&eacute;") == "<AAé"
    assert unescaped(f"a&#{'9' * 5000};b&#x{'f' * 5000};c") == "a\ufffdb\ufffdc"


def test_a_packed_answer_is_not_unpacked() -> None:
    """300 kB, packed twice, of a gigabyte: the limit on answers was looked at behind each piece."""
    inner = zlib.compressobj(9, wbits=31)
    packed = b"".join(inner.compress(bytes(1 << 24)) for _ in range(64)) + inner.flush()
    body = gzip.compress(packed)
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip, gzip\r\ncontent-length: {len(body)}\r\n\r\n"

    async def ask() -> str:
        async with rude(head.encode() + body) as server:
            search = Searxng(f"http://127.0.0.1:{server.port}", 30)
            try:
                with pytest.raises(ToolError) as caught:
                    await search.find("x", 5)
                assert b"accept-encoding: identity\r\n" in server.requests[0].lower()
                return str(caught.value)
            finally:
                await search.close()

    assert "packs its answer" in asyncio.run(ask())


def test_a_servers_text_with_a_number_that_has_no_end() -> None:
    body = '{"results": [{"title": "a", "url": "b", "content": "&#%s;"}]}' % ("9" * 4500)
    answer = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()

    async def ask() -> list[Hit]:
        async with rude(answer) as server:
            search = Searxng(f"http://127.0.0.1:{server.port}", 10)
            try:
                return await search.find("x", 5)
            finally:
                await search.close()

    assert [hit.where for hit in asyncio.run(ask())] == ["b"]
