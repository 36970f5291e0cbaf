"""`conveyor split`: the units of a text, not run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conveyor_cli.commands.completion import words
from conveyor_cli.errors import UsageError

if TYPE_CHECKING:
    from conveyor_tools.splitters.base import Splitter

_DIALECTS = ("sqlite", "postgresql", "duckdb")
_LANGUAGES = ("python", "shell", "sql", "plan")


def split(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="The text; - reads standard input.")
    ],
    language: Annotated[
        str,
        typer.Option(
            metavar="|".join(_LANGUAGES),
            help="What the text is written in.",
            autocompletion=words(*_LANGUAGES),
        ),
    ] = "python",
    chunk: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Feed it N characters at a time. Changes nothing."),
    ] = None,
    python: Annotated[
        str, typer.Option(metavar="X.Y", help="The Python version that would run it.")
    ] = f"{sys.version_info[0]}.{sys.version_info[1]}",
    dialect: Annotated[
        str,
        typer.Option(
            metavar="|".join(_DIALECTS),
            help="The database that would run SQL.",
            autocompletion=words(*_DIALECTS),
        ),
    ] = _DIALECTS[0],
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="A list of {index, span, text} objects.")
    ] = False,
) -> None:
    """Show the units that a text is cut into, as they would be released while it is written."""
    import json

    from conveyor_cli.views.text import safe

    splitter = _splitter(language, python, dialect)
    text = _read(file)
    size = chunk or max(1, len(text))
    units = []
    for start in range(0, len(text), size):
        units += splitter.feed(text[start : start + size])
    units += splitter.flush()
    if as_json:
        records = [{"index": u.index, "span": list(u.span), "text": u.text} for u in units]
        typer.echo(json.dumps(records))
    for unit in [] if as_json else units:
        first, last = unit.span
        lines = f"line {first}" if first == last else f"lines {first}-{last}"
        typer.echo(f"--- {unit.index}: {lines}{' (nothing to run)' if unit.blank else ''}")
        typer.echo(safe(unit.text), nl=not unit.text.endswith("\n"))
    if splitter.problem is not None:
        raise UsageError(f"{file}: {splitter.problem.message}")


def _splitter(language: str, python: str, dialect: str) -> Splitter:
    if language == "python":
        from conveyor_tools.splitters.python import PythonSplitter

        return PythonSplitter(_version(python))
    if language == "shell":
        from conveyor_tools.splitters.shell import ShellSplitter

        return ShellSplitter()
    if language == "sql":
        from conveyor_tools.splitters.sql import SqlSplitter

        if dialect not in _DIALECTS:
            raise UsageError(f"--dialect {dialect}: there are {', '.join(_DIALECTS)}")
        return SqlSplitter(dialect)
    if language == "plan":
        from conveyor_tools.splitters.plan import PlanSplitter

        return PlanSplitter()
    raise UsageError(f"--language {language}: there are {' and '.join(_LANGUAGES)}")


def _version(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split("."))
    except ValueError:
        raise UsageError(f"--python {text}: write a version such as 3.12") from None


def _read(file: str) -> str:
    try:
        if file == "-":
            return sys.stdin.buffer.read().decode("utf-8")
        with Path(file).open(encoding="utf-8", newline="") as stream:
            return stream.read()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file}: not a text file in UTF-8") from None
