"""What a schema's keywords say of a value while it is written, by the kind of value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conveyor_tools.json_number import Bounds, is_multiple, may_fit
from conveyor_tools.schema_check import Asked, Check, Never, Wrong
from conveyor_tools.schema_pattern import Pattern

Find = Callable[[Any], Asked]
"""What a schema inside asks."""

_KINDS = {"{": "object", "[": "array", '"': "string", "t": "boolean", "f": "boolean", "n": "null"}
ARTICLES = {"object": "an ", "array": "an ", "integer": "an ", "null": ""}
_EACH_UP_TO = 256
"""A pattern is tried at each character up to here, then where the text has grown by a quarter."""
_SHOWN = 60
_LISTED = 10


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 1 is 1.0, but not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[it], other[it]) for it in one)
    return bool(one == other)


def all_differ(values: Sequence[Any]) -> bool:
    """Whether no two JSON values are equal. The time does not grow with the square."""
    return len({_hashable(value) for value in values}) == len(values)


def _hashable(value: Any) -> Any:
    """What is equal for the same JSON values, and only for those."""
    match value:
        case bool():
            return "boolean", value
        case list():
            return "array", tuple(map(_hashable, value))
        case dict():
            return "object", frozenset((key, _hashable(it)) for key, it in value.items())
        case float() if math.isnan(value):
            return "NaN", object()
    return value


def kind_of_first(char: str) -> str:
    """The kind of value that begins with this character."""
    return _KINDS.get(char, "number")


def told_first(char: str) -> str:
    """The same in words. Python's `True` is no number, nor anything else of JSON's."""
    if char not in _KINDS and char.isalpha():
        return f"what begins with {char!r}"
    kind = kind_of_first(char)
    return f"{ARTICLES.get(kind, 'a ')}{kind}"


def kind_of(value: Any) -> str:
    """The kind of a value, by the name that schemas use; `number` for all numbers."""
    if isinstance(value, bool):
        return "boolean"
    kinds = {str: "string", dict: "object", list: "array", type(None): "null"}
    return kinds.get(type(value), "number")


class Choices(Check):
    """`enum` and `const`: the value is one of these, which are of its kind."""

    def __init__(self, values: Sequence[Any], why: str, *, integer: bool) -> None:
        self._left = values
        self._why = why
        self._integer = integer
        self._text = ""

    def text(self, text: str) -> Wrong | None:
        before, self._text = self._text, self._text + text
        fitting = [value for value in self._left if value.startswith(self._text)]
        if fitting:
            self._left = fitting
            return None
        agreed = max(agreement(value, self._text) for value in self._left)
        return Wrong(f"{self._why}, not {shown(self._text[: agreed + 1])}…", agreed - len(before))

    def number(self, text: str) -> Wrong | None:
        if not self._integer or any(str(value).startswith(text) for value in self._left):
            return None
        if text in ("-", "-0") and 0 in self._left:
            return None
        return Wrong(f"{self._why}, not {text}…")

    def end(self, value: Any) -> Wrong | None:
        if any(same_json(value, choice) for choice in self._left):
            return None
        return Wrong(f"{self._why}, not {shown(value)}")


class Whole(Check):
    """An integer is written as one: no fraction and no exponent, though they could make one."""

    def __init__(self, why: str) -> None:
        self._why = why

    def number(self, text: str) -> Wrong | None:
        return None if text[-1].isdigit() or text == "-" else Wrong(self._why)


class Numeric(Check):
    """Keywords about numbers."""

    def __init__(self, schema: Mapping[str, Any], *, integer: bool) -> None:
        self._bounds = Bounds.of(schema)
        self._factor = schema.get("multipleOf")
        self._integer = integer

    def number(self, text: str) -> Wrong | None:
        if self._integer and not text[-1].isdigit() and text != "-":
            return None  # `Whole` says it
        if may_fit(text, self._bounds, integer=self._integer):
            return None
        return Wrong(f"must be {self._bounds}")

    def end(self, value: Any) -> Wrong | None:
        if isinstance(value, float) and math.isnan(value):
            return None
        if not (self._bounds.above(value) and self._bounds.below(value)):
            return Wrong(f"must be {self._bounds}, not {shown(value)}")
        if self._factor is not None and not is_multiple(value, self._factor):
            return Wrong(f"must be a multiple of {self._factor}, not {shown(value)}")
        return None


class Textual(Check):
    """Keywords about strings."""

    def __init__(self, schema: Mapping[str, Any], pattern: Pattern) -> None:
        self._most = schema.get("maxLength")
        self._least = schema.get("minLength", 0)
        self._pattern = schema.get("pattern")
        self._seek = pattern
        self._given_up = not pattern.tells_early
        self._text = ""
        self._next_try = 1

    def text(self, text: str) -> Wrong | None:
        begun = len(self._text)
        self._text += text
        found = []
        if self._most is not None and len(self._text) > self._most:
            found.append(Wrong(f"must have at most {self._most} characters", self._most - begun))
        while not self._given_up and self._next_try <= len(self._text):
            tried, grown = self._next_try, self._next_try * 5 // 4
            self._next_try = tried + 1 if tried < _EACH_UP_TO else grown
            may_match = self._seek.found_in(self._text[:tried], partial=True)
            self._given_up = not may_match
            if may_match is False:
                found.append(Wrong(self._mismatch(), tried - begun - 1))
        return min(found, key=lambda wrong: wrong.index) if found else None

    def end(self, value: Any) -> Wrong | None:
        if len(value) < self._least:
            return Wrong(f"must have at least {self._least} characters")
        if self._seek.found_in(value) is False:
            return Wrong(self._mismatch())
        return None

    def _mismatch(self) -> str:
        return f"must match the pattern {self._pattern}"


class Listed(Check):
    """Keywords about arrays."""

    def __init__(self, schema: Mapping[str, Any], find: Find) -> None:
        self._first: Sequence[Any] = schema.get("prefixItems", ())
        self._rest = schema.get("items", True)
        self._least = schema.get("minItems", 0)
        self._unique = schema.get("uniqueItems") is True
        most = [len(self._first)] if self._rest is False else []
        most += [schema["maxItems"]] if "maxItems" in schema else []
        self._most: int | None = min(most) if most else None
        self._find = find
        self._begun = 0

    def comma(self) -> Wrong | None:
        return self._full()

    def _full(self) -> Wrong | None:
        if self._most is not None and self._begun >= self._most:
            return Wrong(f"must have at most {self._most} items")
        return None

    def child(self) -> Asked:
        full = self._full()
        if full is not None:
            return Never(full.why)
        place, self._begun = self._begun, self._begun + 1
        return self._find(self._first[place] if place < len(self._first) else self._rest)

    def end(self, value: Any) -> Wrong | None:
        if len(value) < self._least:
            return Wrong(f"must have at least {self._least} items")
        if self._unique and not all_differ(value):
            return Wrong("must not have an item twice")
        return None


def agreement(one: str, other: str) -> int:
    """How many characters the two begin with in common."""
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return length


def listed(values: Sequence[Any]) -> str:
    """Some of the values, to be told."""
    names = [shown(value) for value in values[:_LISTED]]
    more = [f"{len(values) - _LISTED} others"] if len(values) > _LISTED else []
    return f"one of {', '.join(names + more)}" if len(names) != 1 else names[0]


def shown(value: Any) -> str:
    """A value, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
