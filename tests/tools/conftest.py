"""Real servers for the tools' tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.postgres import PostgresServer, find_programs
from tests.tools.searching import GUIDE
from tests.tools.searx import Searx, find_searx

PAGES = [
    ("Otters", "http://a.example/otters", "Sea otters hold hands while they sleep."),
    ("Owls", "http://a.example/owls?a=1&b=2", "Owls cannot move their eyes; otters can."),
    ("Moss", "http://a.example/moss", "Moss <b>has no</b> roots."),
]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for all tests of this process."""
    programs = find_programs()
    if programs is None:
        assert not os.environ.get("CI"), "PostgreSQL is not installed"
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory(prefix="conveyor-pg-") as name:
        server = PostgresServer(programs, Path(name))
        server.start()
        try:
            server.create()
            yield server
        finally:
            server.stop()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> PostgresServer:
    """The server, running, with an empty database."""
    if not postgres_server.running:
        postgres_server.start()
    postgres_server.sql("DROP OWNED BY clerk", "GRANT CREATE ON SCHEMA public TO clerk")
    return postgres_server


@pytest.fixture(scope="session")
def searx() -> Iterator[Searx]:
    """A searx server that knows three pages."""
    program = find_searx()
    if program is None:
        assert not os.environ.get("CI"), "searx is not installed"
        pytest.skip("searx is not installed")
    with tempfile.TemporaryDirectory(prefix="conveyor-searx-") as name:
        server = Searx(program, Path(name), PAGES)
        try:
            yield server
        finally:
            server.stop()


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
