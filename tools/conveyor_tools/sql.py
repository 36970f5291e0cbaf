"""The `sql` tool: statements, each run in a database as soon as its semicolon is written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from conveyor_tools.databases.base import Database, Limits
from conveyor_tools.databases.opening import DatabaseUrl
from conveyor_tools.declaration import Effects
from conveyor_tools.place import Place
from conveyor_tools.splitters.base import Splitter
from conveyor_tools.splitters.sql import SqlSplitter
from conveyor_tools.sql_session import SqlSession
from conveyor_tools.tool import Session, text_schema

_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "duckdb": "DuckDB"}
_TAGS = ("sql", "sqlite", "postgresql", "postgres", "psql", "duckdb")
_TABLES = {
    "sqlite": "SELECT sql FROM sqlite_schema",
    "postgresql": "SELECT table_name, column_name, data_type FROM information_schema.columns "
    "WHERE table_schema = 'public'",
    "duckdb": "SELECT sql FROM duckdb_tables()",
}


class SqlTool:
    """SQL; what a call changes is kept if the whole call ends well, and undone otherwise."""

    language = "sql"
    argument = "query"
    needs_sandbox = False
    effects = Effects.REVERSIBLE

    def __init__(
        self,
        *,
        url: str | None = None,
        write: bool = False,
        rows: Annotated[int, Field(ge=1, le=10_000)] = 100,
        characters: Annotated[int, Field(ge=100, le=200_000)] = 3000,
        timeout: Annotated[float, Field(gt=0, le=86_400)] = 30.0,
        superuser: bool = False,
        folder: Path = Path(),
        name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = "sql",
    ) -> None:
        """Options of a task.

        `url`: the database; without it, an empty SQLite database that is gone with the run.
        `write`: whether statements may change it. `rows` and `characters`: how much of each
        statement's rows is shown. `timeout`: seconds for one statement. `superuser`: whether a
        PostgreSQL role may be used that no transaction holds. `folder`: what a file's path is
        relative to; by default, where the task is. `name`: what the model calls it, where a task
        has several databases.

        Raises:
            ValueError: no such database is known.
        """
        self._url = DatabaseUrl(url or "sqlite://", folder)
        self.name = name
        self.tags: tuple[str, ...] = _TAGS if name == "sql" else (name,)
        self._write = write or self._url.is_own
        self._limits = Limits(rows, characters)
        self._timeout = timeout
        self._superuser = superuser
        self.lane = f"{name} {self._url.shown}"
        self.schema = text_schema(self.argument)

    @property
    def description(self) -> str:
        """What it does, for the model, however calls are written."""
        dialect = self._url.dialect
        kept = "a call is one transaction, undone if a statement fails: leave out BEGIN and COMMIT"
        may = f"It may be changed; {kept}" if self._write else "It can only be read"
        return (
            f"Runs SQL statements in {_NAMES[dialect]}, each ended by a semicolon, and shows their "
            f"rows. {may}. The tables are found by {_TABLES[dialect]};"
        )

    @property
    def instructions(self) -> str:
        """What the model is told about it where calls are fenced blocks."""
        return (
            "Write SQL in one fenced block that begins with "
            f"```{self.name}. It is run for you, and you are "
            f"shown the rows. {self.description} When the rows answer the question, answer in "
            "words, without a block."
        )

    def splitter(self, place: Place) -> Splitter:  # noqa: ARG002 - nothing of it is needed
        return SqlSplitter(self._url.dialect)

    def open(self, place: Place) -> Session:  # noqa: ARG002
        return SqlSession(
            self._connect,
            self._limits,
            self._timeout,
            write=self._write,
            hidden=self._url.hidden,
        )

    def _connect(self) -> Database:
        return self._url.open(write=self._write, superuser=self._superuser, timeout=self._timeout)
