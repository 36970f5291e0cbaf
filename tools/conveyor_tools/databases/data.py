"""Rows as plain data: what code reads that uses the result of a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conveyor_tools.answer import LONGEST_RESULT, Unusable


class Objects:
    """Rows as objects of JSON, by the names of their columns."""

    def __init__(self, columns: Sequence[str], most: int) -> None:
        self._names = _different(columns)
        self._most = most
        self._rows: list[dict[str, Any]] = []
        self._size = 0
        self._why = ""

    @property
    def all(self) -> list[dict[str, Any]] | Unusable | None:
        """All rows; None: they are not wanted."""
        if self._why:
            return Unusable(self._why)
        return self._rows if self._most else None

    @property
    def wanted(self) -> bool:
        """Whether more of them are."""
        return self._most > 0 and not self._why

    def take(self, values: Sequence[Any]) -> None:
        """One more row."""
        self._size += sum(len(str(value)) for value in values)
        if len(self._rows) == self._most:
            self._why = f"it has more than {self._most} rows: let the query find what matters"
        elif self._size > LONGEST_RESULT:
            kib = LONGEST_RESULT // 1024
            self._why = f"its rows have more than {kib} KiB: let the query find what matters"
        else:
            self._rows.append(dict(zip(self._names, values, strict=True)))


def _different(columns: Sequence[str]) -> list[str]:
    """The names of columns, the second of the same name with a number."""
    names: list[str] = []
    for name in columns:
        number = 1
        while (found := name if number == 1 else f"{name}_{number}") in names:
            number += 1
        names.append(found)
    return names
