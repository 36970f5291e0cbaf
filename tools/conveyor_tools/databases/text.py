"""Rows as text: what the model and the user read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from conveyor_tools.databases.base import Answer, Limits

_SHOWN_BYTES = 16
_ESCAPES = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"})


def shown(answer: Answer, limits: Limits) -> str:
    """The answer as a small table with a last line that says what it is. Ends with a newline."""
    if not answer.columns:
        return f"{answer.status}\n"
    lines = [" | ".join(_cell(name, limits) for name in answer.columns)]
    room = limits.characters - len(lines[0])
    for row in answer.rows:
        line = " | ".join(_cell(value, limits) for value in row)
        room -= len(line) + 1
        if room < 0:
            break
        lines.append(line)
    count = len(lines) - 1
    if answer.more or count < len(answer.rows):
        lines.append(f"(cut: the first {count} rows; there are more)")
    else:
        lines.append("(1 row)" if count == 1 else f"({count} rows)")
    return "\n".join(lines) + "\n"


def _cell(value: str | None, limits: Limits) -> str:
    if value is None:
        return "NULL"
    if len(value) > limits.cell:
        value = f"{value[: limits.cell]}… (cut: {len(value)} characters)"
    return value.translate(_ESCAPES)


def as_text(value: Any) -> str | None:
    """A value of a driver that gives Python objects."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case bytes():
            dots = "…" if len(value) > _SHOWN_BYTES else ""
            return f"x'{value[:_SHOWN_BYTES].hex()}{dots}' ({len(value)} bytes)"
        case datetime():
            return value.isoformat(sep=" ")
        case _:
            return str(value)


def first_rows(
    rows: Iterable[Iterable[str | None]], limits: Limits
) -> tuple[list[tuple[str | None, ...]], bool]:
    """The rows within the limits, and whether there are more. Not more of them are read."""
    kept: list[tuple[str | None, ...]] = []
    room = limits.characters
    for row in _cut(rows):
        if len(kept) == limits.rows or room < 0:
            return kept, True
        kept.append(row)
        room -= sum(min(len(value or ""), limits.cell) + 3 for value in row)
    return kept, False


def _cut(rows: Iterable[Iterable[str | None]]) -> Iterator[tuple[str | None, ...]]:
    for row in rows:
        yield tuple(row)
