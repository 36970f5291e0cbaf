"""Rows as text: what the model and the user read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from conveyor_tools.databases.base import Answer, Limits
from conveyor_tools.databases.data import Objects
from conveyor_tools.databases.values import as_data, as_text

_ESCAPES = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"})


def shown(answer: Answer, limits: Limits) -> str:
    """The answer as a small table with a last line that says what it is. Ends with a newline."""
    if not answer.columns:
        return f"{answer.status}\n"
    lines = [" | ".join(_cut(name, limits).translate(_ESCAPES) for name in answer.columns)]
    room = limits.characters - len(lines[0])
    for row in answer.rows:
        line = " | ".join("NULL" if value is None else value.translate(_ESCAPES) for value in row)
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


def _cut(value: str, limits: Limits) -> str:
    if len(value) <= limits.cell:
        return value
    return f"{value[: limits.cell]}… (cut: {len(value)} characters)"


def first_rows(
    columns: Sequence[str],
    rows: Iterable[Iterable[Any]],
    limits: Limits,
    text: Callable[[Any], str | None] = as_text,
    data: Callable[[int, Any], Any] = lambda _, value: as_data(value),
) -> Answer:
    """The answer with the rows within the limits. Not more of them are read.

    `text` makes text of a value, `data` plain data of one in the column of that index.
    """
    kept: list[tuple[str | None, ...]] = []
    objects = Objects(columns, limits.data)
    room = limits.characters
    more = False
    for row in rows:
        values = tuple(row)
        more = more or len(kept) == limits.rows or room < 0
        if not more:
            # Cut at once: one row may be a gigabyte, and the next one, too.
            texts = map(text, values)
            kept.append(tuple(None if it is None else _cut(it, limits) for it in texts))
            room -= sum(min(len(value or ""), limits.cell) + 3 for value in kept[-1])
        if objects.wanted:
            objects.take([data(*it) for it in enumerate(values)])
        if more and not objects.wanted:
            break
    return Answer("", columns, kept, more, objects.all)
