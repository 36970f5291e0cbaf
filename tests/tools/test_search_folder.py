"""Search in a folder: what is found, and what becomes of its index."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conveyor_tools.errors import ToolError
from conveyor_tools.searching import folder, index
from conveyor_tools.searching.base import Hit
from conveyor_tools.searching.folder import FolderSearch
from tests.tools.searching import find, search


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


def test_what_is_gone_is_taken_out_without_looking_at_the_rest(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite works for what is removed, not for all that the index holds each time."""
    for number in range(600):
        (docs / f"{number}.txt").write_text(f"number {number} zebra", encoding="utf-8")
    steps: list[None] = []

    class Counting(sqlite3.Connection):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.set_progress_handler(lambda: steps.append(None), 100)

    search(docs, "zebra")
    for number in range(200):
        (docs / f"{number}.txt").unlink()
    monkeypatch.setattr(index.sqlite3, "connect", partial(sqlite3.connect, factory=Counting))
    assert len(search(docs, "zebra", 1000)) == 400
    assert 0 < len(steps) < 1000  # hundreds of instructions; more than 10,000 for each of all


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
    usual = Path.open

    def refuse(path: Path, *args: Any) -> Any:
        if path.name == "notes.txt":
            raise PermissionError(13, "Permission denied")
        return usual(path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        assert search(docs, "Oslo") == []
    assert [it.where for it in search(docs, "Oslo")] == ["notes.txt:1"]


@pytest.mark.parametrize("looks", [1, 2, 3])
def test_a_file_that_goes_while_it_is_looked_at(
    docs: Path, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    usual = os.stat
    gone = docs / "notes.txt"

    def stat(path: Any, **options: Any) -> os.stat_result:
        nonlocal looks
        facts = usual(path, **options)
        looks -= path == gone
        if looks == 0:
            gone.unlink(missing_ok=True)
        return facts

    monkeypatch.setattr(os, "stat", stat)
    (docs / "other.txt").write_text("Narvik")
    assert [it.where for it in search(docs, "Narvik")] == ["other.txt:1"]


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


def test_sqlite_has_fts5() -> None:
    """What the index needs of Python's SQLite."""
    with contextlib.closing(sqlite3.connect(":memory:")) as any_one:
        options = {row[0] for row in any_one.execute("PRAGMA compile_options")}
    assert "ENABLE_FTS5" in options
