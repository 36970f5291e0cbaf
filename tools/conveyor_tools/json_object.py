"""Decodes one JSON object while it is written, and gives out chosen strings as they come.

For code that a call carries as JSON: each character of it is given out as soon as its escape is
complete, so that its statements can start before the string ends. A high surrogate waits for what
follows, which may be its other half.

What is accepted, and the value in the end, are those of `json.loads`: of equal keys the last counts
(the earlier value was given out by then: a second `Begun` of the same path says that it is void),
lone surrogates are kept, `NaN` is a number, control characters in strings are errors. Unlike there,
containers nested deeper than `DEEPEST` are an error wherever Python's own stack would end.

The time is linear in the text, however it is chopped; what is kept is the value so far and at most
one incomplete escape. No library found does this: those with partial results give values, not
pieces, and none says that a value is void.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from conveyor_tools.json_literal import decode_escape, escape_unfinished, plain_end

Path = tuple[str, ...]
"""The keys that lead to a value; a value inside a list has none."""

DEEPEST = 100
"""How deep containers may be nested."""

_SPACE = re.compile(r"[ \t\n\r]*")
_ATOM = re.compile(r"[-+.0-9A-Za-z]*")


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
    """The value at a watched path is complete."""

    path: Path
    value: Any


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


class _BrokenError(Exception):
    """Why the text is no JSON, and where."""

    def __init__(self, why: str, pos: int) -> None:
        super().__init__(why)
        self.why = why
        self.pos = pos


class ObjectDecoder:
    """Decodes one object. After `Complete` or `Broken` it takes no more of the text."""

    def __init__(self, watched: Iterable[Path] = ()) -> None:
        self._watched = frozenset(watched)
        self._longest = max(map(len, self._watched), default=0)
        self._items: list[JsonItem] = []
        self._step: Callable[[str, int], int | None] = self._object
        self._over = False
        self._tail = ""  # an escape that is not complete
        self._offset = 0  # where it begins in all of the text
        self._containers: list[dict[str, Any] | list[Any]] = []
        self._keys: list[str | None] = []  # the key under way in each of them; None in a list

        # The string or atom under way.
        self._parts: list[str] = []
        self._given = 0  # parts that were given out
        self._is_key = False
        self._path: Path | None = None  # of a string that is watched
        self._begin = 0  # where an atom begins, in all of the text

    def feed(self, text: str) -> list[JsonItem]:
        """Take more of the text; return what it says."""
        if self._over:
            return []
        text = self._tail + text
        pos = 0
        try:
            while pos < len(text) and not self._over:
                after = self._step(text, pos)
                if after is None:
                    break
                pos = after
        except _BrokenError as error:
            self._break(error.why, self._offset + error.pos)
        self._give()
        self._tail = text[pos:]
        self._offset += pos
        return self._take()

    def flush(self) -> list[JsonItem]:
        """The text ends here."""
        if not self._over:
            self._break("the object is not complete", self._offset + len(self._tail))
        return self._take()

    def _take(self) -> list[JsonItem]:
        items, self._items = self._items, []
        return items

    def _break(self, why: str, at: int) -> None:
        self._give()
        self._over = True
        self._items.append(Broken(why, at))

    # Between tokens

    def _object(self, text: str, pos: int) -> int:
        pos = _skip(text, pos)
        if pos < len(text):
            if text[pos] != "{":
                raise _BrokenError("expected '{'", pos)
            self._enter({}, pos)
            pos += 1
        return pos

    def _value(self, text: str, pos: int) -> int:
        """Where a value begins."""
        pos = _skip(text, pos)
        if pos == len(text):
            return pos
        path = self._watched_path()
        if path is not None:
            self._items.append(Begun(path, self._offset + pos))
        char = text[pos]
        if char in "{[":
            self._enter({} if char == "{" else [], pos)
        elif char == '"':
            self._begin_string(path, is_key=False)
        elif _ATOM.match(char).end():  # type: ignore[union-attr] # it always matches
            self._begin = self._offset + pos
            self._parts = []
            self._step = self._atom
            return pos
        else:
            raise _BrokenError("expected a value", pos)
        return pos + 1

    def _first_key(self, text: str, pos: int) -> int:
        return self._key(text, pos, "}", "expected a key in double quotes or '}'")

    def _next_key(self, text: str, pos: int) -> int:
        return self._key(text, pos, "", "expected a key in double quotes")

    def _key(self, text: str, pos: int, end: str, why: str) -> int:
        pos = _skip(text, pos)
        if pos < len(text):
            if text[pos] == '"':
                self._begin_string(None, is_key=True)
            elif text[pos] == end:
                self._leave(pos)
            else:
                raise _BrokenError(why, pos)
            pos += 1
        return pos

    def _colon(self, text: str, pos: int) -> int:
        pos = _skip(text, pos)
        if pos < len(text):
            if text[pos] != ":":
                raise _BrokenError("expected ':'", pos)
            self._step = self._value
            pos += 1
        return pos

    def _first_item(self, text: str, pos: int) -> int:
        pos = _skip(text, pos)
        if text[pos : pos + 1] == "]":
            self._leave(pos)
            return pos + 1
        if pos < len(text):
            self._step = self._value
        return pos

    def _after_value(self, text: str, pos: int) -> int:
        pos = _skip(text, pos)
        if pos < len(text):
            in_object = isinstance(self._containers[-1], dict)
            end = "}" if in_object else "]"
            if text[pos] == ",":
                self._step = self._next_key if in_object else self._value
            elif text[pos] == end:
                self._leave(pos)
            else:
                raise _BrokenError(f"expected ',' or '{end}'", pos)
            pos += 1
        return pos

    # Containers

    def _enter(self, container: dict[str, Any] | list[Any], pos: int) -> None:
        if len(self._containers) == DEEPEST:
            raise _BrokenError("nested too deeply", pos)
        self._containers.append(container)
        self._keys.append(None)
        self._step = self._first_key if isinstance(container, dict) else self._first_item

    def _leave(self, pos: int) -> None:
        self._keys.pop()
        container = self._containers.pop()
        if self._containers:
            self._finish(container)
        else:
            assert isinstance(container, dict)
            self._over = True
            self._items.append(Complete(container, self._offset + pos + 1))

    def _finish(self, value: Any) -> None:
        """The value under way is complete."""
        container = self._containers[-1]
        if isinstance(container, list):
            container.append(value)
        else:
            key = self._keys[-1]
            assert key is not None
            container[key] = value
            path = self._watched_path()
            if path is not None:
                self._items.append(Finished(path, value))
        self._step = self._after_value

    def _watched_path(self) -> Path | None:
        """The path of the value under way, if it is watched."""
        if len(self._keys) > self._longest:
            return None
        path = tuple(self._keys)
        return path if path in self._watched else None  # type: ignore[return-value] # no None

    # Strings and atoms

    def _begin_string(self, path: Path | None, *, is_key: bool) -> None:
        self._parts = []
        self._given = 0
        self._is_key = is_key
        self._path = path
        self._step = self._string

    def _string(self, text: str, pos: int) -> int | None:
        end = plain_end(text, pos)
        if end > pos:
            self._parts.append(text[pos:end])
            return end
        if text[pos] == '"':
            self._end_string()
            return pos + 1
        if text[pos] != "\\":
            raise _BrokenError("a control character in a string: write it as an escape", pos)
        if escape_unfinished(text, pos):
            return None
        escape = decode_escape(text, pos)
        if escape is None:
            raise _BrokenError("an invalid escape in a string", pos)
        end, decoded = escape
        self._parts.append(decoded)
        return end

    def _end_string(self) -> None:
        self._give()
        self._path = None
        value = "".join(self._parts)
        if self._is_key:
            self._keys[-1] = value
            self._step = self._colon
        else:
            self._finish(value)

    def _give(self) -> None:
        """Give out what has come of a watched string."""
        if self._path is not None and self._given < len(self._parts):
            self._items.append(Piece(self._path, "".join(self._parts[self._given :])))
            self._given = len(self._parts)

    def _atom(self, text: str, pos: int) -> int:
        """In a number, or one of the words."""
        end = _ATOM.match(text, pos).end()  # type: ignore[union-attr]
        if end > pos:
            self._parts.append(text[pos:end])
            return end
        try:
            value = json.loads("".join(self._parts))
        except ValueError:
            begin = self._begin - self._offset
            raise _BrokenError("expected a value", begin) from None
        self._finish(value)
        return pos


def _skip(text: str, pos: int) -> int:
    return _SPACE.match(text, pos).end()  # type: ignore[union-attr]
