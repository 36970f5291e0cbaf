"""Decodes one JSON object while it is written, and gives out chosen strings as they come.

For code that a call carries as JSON: each character of it is given out as soon as its escape is
complete, so that its statements can start before the string ends. A high surrogate waits for what
follows, which may be its other half.

Of equal keys the last counts, as `json_scanner` has it; the earlier value was given out by then: a
second `Begun` of the same path says that it is void.

No library found does this: those with partial results give values, not pieces, and none says that a
value is void.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from conveyor_tools.json_scanner import JsonScanner

Path = tuple[str, ...]
"""The keys that lead to a value; a value inside a list has none."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A value at a watched path begins at character `at` of the text; an earlier one is void."""

    path: Path
    at: int


@dataclass(frozen=True, slots=True)
class Piece:
    """The next characters of the string at a watched path."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The value at a watched path is complete; it ends before character `end` of the text."""

    path: Path
    value: Any
    end: int


@dataclass(frozen=True, slots=True)
class Complete:
    """The object is complete; it ends before character `end` of the text."""

    value: dict[str, Any]
    end: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The text cannot become a JSON object any more: `why`, seen at character `at` of it."""

    why: str
    at: int


JsonItem = Begun | Piece | Finished | Complete | Broken


class ObjectDecoder(JsonScanner):
    """Decodes one object. After `Complete` or `Broken` it takes no more of the text."""

    def __init__(self, watched: Iterable[Path] = ()) -> None:
        super().__init__()
        self._watched = frozenset(watched)
        self._longest = max(map(len, self._watched), default=0)
        self._items: list[JsonItem] = []
        self._path: Path | None = None  # of the string under way, if it is watched
        self._pieces: list[str] = []  # of that string, not given out yet

    def feed(self, text: str) -> list[JsonItem]:
        """Take more of the text; return what it says."""
        if self._over:
            return []
        problem = self._scan(text)
        self._give()
        if problem is not None:
            self._items.append(Broken(problem.why, problem.at))
        return self._take()

    def flush(self) -> list[JsonItem]:
        """The text ends here."""
        if not self._over:
            self._over = True
            self._items.append(Broken("the object is not complete", self._length))
        return self._take()

    def _take(self) -> list[JsonItem]:
        items, self._items = self._items, []
        return items

    def _watched_path(self) -> Path | None:
        """The path of the value under way, if it is watched."""
        if len(self._keys) > self._longest:
            return None
        path = tuple(self._keys)
        return path if path in self._watched else None  # type: ignore[return-value] # no None

    def _on_value(self, first: str, pos: int) -> None:
        path = self._watched_path()
        if path is not None:
            self._items.append(Begun(path, pos))
        self._path = path if first == '"' else None

    def _on_text(self, text: str, _pos: int, _end: int) -> None:
        if self._path is not None:
            self._pieces.append(text)

    def _on_end(self, value: Any, _pos: int, end: int) -> None:
        self._give()
        self._path = None
        path = self._watched_path()
        if path is not None:
            self._items.append(Finished(path, value, end))

    def _on_complete(self, value: dict[str, Any], end: int) -> None:
        self._items.append(Complete(value, end))

    def _give(self) -> None:
        """Give out what has come of a watched string."""
        if self._pieces:
            assert self._path is not None
            self._items.append(Piece(self._path, "".join(self._pieces)))
            self._pieces = []
