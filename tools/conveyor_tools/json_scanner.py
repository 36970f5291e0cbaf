"""The syntax of one JSON object, taken in as it is written: who derives from it acts on its parts.

What is accepted, and the value in the end, are those of `json.loads`: of equal keys the last
counts, lone surrogates are kept, `NaN` is a number, control characters in strings are errors.
Unlike there, containers nested deeper than `DEEPEST` are an error wherever Python's own stack would
end.

The time is linear in the text, however it is chopped; what is kept is the value so far and at most
one incomplete escape: a high surrogate waits for what follows, which may be its other half.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from conveyor_tools.json_literal import decode_escape, escape_unfinished, plain_end

DEEPEST = 100
"""How deep containers may be nested."""

NO_OBJECT = "expected '{'"
_SPACE = re.compile(r"[ \t\n\r]*")
_ATOM = re.compile(r"[-+.0-9A-Za-z]*")


class BrokenError(Exception):
    """The text can go on no more: why, and at which character of the text at hand."""

    def __init__(self, why: str, pos: int) -> None:
        super().__init__(why)
        self.why = why
        self.pos = pos


class RejectedError(Exception):
    """Who looks at the parts wants no more of it: why, and at which character of all the text."""

    def __init__(self, why: str, at: int) -> None:
        super().__init__(why)
        self.why = why
        self.at = at


class JsonScanner:
    """Scans one object. The `_on_…` methods are called for its parts, and do nothing here.

    Places that they are given count in all of the text. Each may raise RejectedError.
    """

    def __init__(self) -> None:
        self._step: Callable[[str, int], int | None] = self._object
        self._over = False
        self._tail = ""  # an escape that is not complete
        self._offset = 0  # where it begins in all of the text
        self._containers: list[dict[str, Any] | list[Any]] = []
        self._keys: list[str | None] = []  # the key under way in each of them; None in a list

        # The string or atom under way.
        self._parts: list[str] = []
        self._is_key = False
        self._begin = 0  # where an atom begins, in all of the text

    def _scan(self, text: str) -> RejectedError | None:
        """Take more of the text, up to the object's end. What is wrong with it, if anything is."""
        text = self._tail + text
        pos = 0
        problem = None
        try:
            while pos < len(text) and not self._over:
                after = self._step(text, pos)
                if after is None:
                    break
                pos = after
        except BrokenError as error:
            problem = RejectedError(error.why, self._offset + error.pos)
        except RejectedError as error:
            problem = error
        self._over = self._over or problem is not None
        self._tail = text[pos:]
        self._offset += pos
        return problem

    @property
    def in_string(self) -> bool:
        """Whether the text so far ends inside a string."""
        return self._step == self._string and not self._over

    @property
    def _length(self) -> int:
        """How much of the text there was."""
        return self._offset + len(self._tail)

    # What is found

    def _on_value(self, first: str, pos: int) -> None:
        """A value begins, with that character."""

    def _on_text(self, text: str, pos: int, end: int) -> None:
        """More of the string under way, or of a key: what those characters stand for."""

    def _on_atom(self, text: str, pos: int) -> None:
        """More of the number or word under way."""

    def _on_key(self, key: str, pos: int) -> None:
        """A key is complete; its closing quote stands there."""

    def _on_comma(self, pos: int) -> None:
        """There is more of a container to come."""

    def _on_end(self, value: Any, pos: int, end: int) -> None:
        """A value is complete, before `end`; the character at `pos` showed it."""

    def _on_complete(self, value: dict[str, Any], end: int) -> None:
        """The object is complete."""

    # Between tokens

    def _object(self, text: str, pos: int) -> int:
        pos = _skip(text, pos)
        if pos < len(text):
            if text[pos] != "{":
                raise BrokenError(NO_OBJECT, pos)
            self._enter({}, pos)
            pos += 1
        return pos

    def _value(self, text: str, pos: int) -> int:
        """Where a value begins."""
        pos = _skip(text, pos)
        if pos == len(text):
            return pos
        char = text[pos]
        if char not in '{["' and not _ATOM.match(char).end():  # type: ignore[union-attr] # it matches
            raise BrokenError("expected a value", pos)
        self._on_value(char, self._offset + pos)
        if char in "{[":
            self._enter({} if char == "{" else [], pos)
        elif char == '"':
            self._begin_string(is_key=False)
        else:
            self._begin = self._offset + pos
            self._parts = []
            self._step = self._atom
            return pos
        return pos + 1

    def _first_key(self, text: str, pos: int) -> int:
        return self._key(text, pos, "}", "expected a key in double quotes or '}'")

    def _next_key(self, text: str, pos: int) -> int:
        return self._key(text, pos, "", "expected a key in double quotes")

    def _key(self, text: str, pos: int, end: str, why: str) -> int:
        pos = _skip(text, pos)
        if pos < len(text):
            if text[pos] == '"':
                self._begin_string(is_key=True)
                self._on_text("", self._offset + pos, self._offset + pos + 1)
            elif text[pos] == end:
                self._leave(pos)
            else:
                raise BrokenError(why, pos)
            pos += 1
        return pos

    def _colon(self, text: str, pos: int) -> int:
        pos = _skip(text, pos)
        if pos < len(text):
            if text[pos] != ":":
                raise BrokenError("expected ':'", pos)
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
                self._on_comma(self._offset + pos)
                self._step = self._next_key if in_object else self._value
            elif text[pos] == end:
                self._leave(pos)
            else:
                raise BrokenError(f"expected ',' or '{end}'", pos)
            pos += 1
        return pos

    # Containers

    def _enter(self, container: dict[str, Any] | list[Any], pos: int) -> None:
        if len(self._containers) == DEEPEST:
            raise BrokenError("nested too deeply", pos)
        self._containers.append(container)
        self._keys.append(None)
        self._step = self._first_key if isinstance(container, dict) else self._first_item

    def _leave(self, pos: int) -> None:
        self._keys.pop()
        container = self._containers.pop()
        if self._containers:
            self._finish(container, pos, pos + 1)
        else:
            assert isinstance(container, dict)
            self._over = True
            self._on_complete(container, self._offset + pos + 1)

    def _finish(self, value: Any, pos: int, end: int) -> None:
        """The value under way is complete; it ends before `end`, which the one at `pos` shows."""
        container = self._containers[-1]
        if isinstance(container, list):
            container.append(value)
        else:
            key = self._keys[-1]
            assert key is not None
            container[key] = value
        self._on_end(value, self._offset + pos, self._offset + end)
        self._step = self._after_value

    # Strings and atoms

    def _begin_string(self, *, is_key: bool) -> None:
        self._parts = []
        self._is_key = is_key
        self._step = self._string

    def _string(self, text: str, pos: int) -> int | None:
        end = plain_end(text, pos)
        if end > pos:
            self._add(text[pos:end], pos, end)
            return end
        if text[pos] == '"':
            self._end_string(pos)
            return pos + 1
        if text[pos] != "\\":
            raise BrokenError("a control character in a string: write it as an escape", pos)
        if escape_unfinished(text, pos):
            return None
        escape = decode_escape(text, pos)
        if escape is None:
            raise BrokenError("an invalid escape in a string", pos)
        end, decoded = escape
        self._add(decoded, pos, end)
        return end

    def _add(self, decoded: str, pos: int, end: int) -> None:
        self._parts.append(decoded)
        self._on_text(decoded, self._offset + pos, self._offset + end)

    def _end_string(self, pos: int) -> None:
        value = "".join(self._parts)
        if self._is_key:
            self._keys[-1] = value
            self._on_key(value, self._offset + pos)
            self._step = self._colon
        else:
            self._finish(value, pos, pos + 1)

    def _atom(self, text: str, pos: int) -> int:
        """In a number, or one of the words."""
        end = _ATOM.match(text, pos).end()  # type: ignore[union-attr]
        if end > pos:
            self._parts.append(text[pos:end])
            self._on_atom(text[pos:end], self._offset + pos)
            return end
        try:
            value = json.loads("".join(self._parts))
        except ValueError:
            raise BrokenError("expected a value", self._begin - self._offset) from None
        self._finish(value, pos, pos)
        return pos


def _skip(text: str, pos: int) -> int:
    return _SPACE.match(text, pos).end()  # type: ignore[union-attr]
