"""A database by its URL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from conveyor_tools.databases.base import Database, why_missing

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_NAMES = {"sqlite": "SQLite", "duckdb": "DuckDB", "postgresql": "PostgreSQL"}
_MARKS = {"sqlite": (0, b"SQLite format 3\0"), "duckdb": (8, b"DUCK")}
"""Of files: where it stands, and what."""
_SECRETS = ("password", "sslpassword")
"""Of what can stand behind the question mark."""
_OWN = ":memory:"
_DRIVERS = {"sqlite": "pysqlite", "postgresql": "psycopg"}


def file_of(url: str) -> str | None:
    """The file that a URL names, as it stands there; None: a server; "": a database of its own.

    Raises:
        ValueError: no URL of a database that is known.
    """
    read, dialect = _read(url)
    file = read.database or ""
    return None if dialect == "postgresql" else "" if file == _OWN else file


def _read(url: str) -> tuple[URL, str]:
    """The URL and its dialect. Raises ValueError: no URL of a database that is known."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - it takes long to import
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        read = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(
            "option url: not a URL of a database (write sqlite:///FILE, duckdb:///FILE or "
            "postgresql://USER@HOST/NAME)"
        ) from None
    backend, _, driver = read.drivername.partition("+")
    backend = {"postgres": "postgresql"}.get(backend, backend)
    if backend not in _NAMES or driver not in ("", _DRIVERS.get(backend, "")):
        known = ", ".join(_NAMES)
        raise ValueError(f"option url: {read.drivername}: there is {known}")
    return read, backend


class DatabaseUrl:
    """Where a database is: `sqlite:///FILE`, `duckdb:///FILE`, `postgresql://USER@HOST/NAME`.

    The grammar of SQLAlchemy's URLs. `folder` is what files are relative to.
    """

    def __init__(self, url: str, folder: Path) -> None:
        """Raises ValueError: no URL of a database that is known, or its file is not there."""
        self._url, self.dialect = _read(url)
        self._file: Path | None = None
        if self.dialect != "postgresql" and not self.is_own:
            self._file = folder / str(self._url.database)
            if why := why_missing(self._file):
                raise ValueError(f"option url: {self._file}: {why}")
            other = _dialect_in(self._file)
            if other not in (None, self.dialect):
                right = self._url.set(drivername=other).render_as_string()
                raise ValueError(
                    f"option url: this database is one of {_NAMES[other]}: write {right}"
                )

    @property
    def shown(self) -> str:
        """The URL without its passwords."""
        hidden = {name: "***" for name in _SECRETS if name in self._url.query}
        return self._url.update_query_dict(hidden).render_as_string(hide_password=True)

    @property
    def is_own(self) -> bool:
        """Whether it is a new database of the conversation's own, gone with it."""
        return self.dialect != "postgresql" and (self._url.database or "") in ("", _OWN)

    @property
    def hidden(self) -> Mapping[str, str]:
        """What nobody is shown, and what is shown instead: passwords, and where files are."""
        found = (self._url.password, *(self._url.query.get(name) for name in _SECRETS))
        hidden = {str(it): "***" for it in found if it}
        if self._file is not None:
            hidden[str(self._file)] = str(self._url.database)
        return hidden

    def open(self, *, write: bool, superuser: bool, timeout: float) -> Database:
        """Connect, in so many seconds or a few. Blocks. Raises DatabaseFailed."""
        if self.dialect == "postgresql":
            from conveyor_tools.databases.postgresql import PostgresDatabase  # noqa: PLC0415

            return PostgresDatabase(
                self._arguments(), write=write, superuser=superuser, timeout=timeout
            )
        if self.dialect == "duckdb":
            from conveyor_tools.databases.duck import DuckDatabase  # noqa: PLC0415

            return DuckDatabase(self._file, write=write)
        from conveyor_tools.databases.sqlite import SqliteDatabase  # noqa: PLC0415

        return SqliteDatabase(self._file, write=write, timeout=timeout)

    def _arguments(self) -> dict[str, object]:
        url = self._url
        given: dict[str, object] = {
            "host": url.host,
            "port": url.port,
            "user": url.username,
            "password": str(self._url.password or "") or None,
            "dbname": url.database,
            **url.query,
        }
        return {name: value for name, value in given.items() if value is not None}


def _dialect_in(path: Path) -> str | None:
    """Whose database the file is by its first bytes; None where they do not say."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return None  # whoever opens it says why
    found = (it for it, (at, mark) in _MARKS.items() if head[at:].startswith(mark))
    return next(found, None)
