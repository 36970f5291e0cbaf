"""Reads the values in a plan, a character at a time: literals of JSON and Python, references."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from conveyor_tools.plan_schema import Shape
from conveyor_tools.plan_strings import DIGITS, END, NAME, Reading, StepNumbers, StringReader
from conveyor_tools.plan_values import StepProblem, Value

BLANKS = frozenset(" \t\f")
LINE_ENDS = frozenset(("\n", END))
WORDS: Mapping[str, Value] = {
    "true": True, "True": True, "false": False, "False": False, "null": None, "None": None,
}  # fmt: skip

_NUMBER_PARTS = frozenset("0123456789+-.eE_")
_NUMBER = re.compile(r"-?(?:0|[1-9](?:_?\d)*)(\.\d(?:_?\d)*)?([eE][+-]?\d+)?", re.ASCII)
_LONGEST_NUMBER = 400
_DEEPEST = 50
"""Lists and dicts inside each other."""


class ValueReader(StringReader):
    """Reads values. `known` are the numbers of the steps that they may refer to."""

    def __init__(self, known: StepNumbers) -> None:
        super().__init__(known)
        self._depth = 0

    def _value(self, shape: Shape) -> Reading[Value]:
        """A value of that shape."""
        if self._char == "$":
            yield
            return (yield from self._reference())
        if self._char in ('"', "'"):
            shape.admit("string")
            return (yield from self._string(is_code=shape.is_code))
        if self._char == "[":
            shape.admit("array")
            return (yield from self._list(shape))
        if self._char == "{":
            shape.admit("object")
            return (yield from self._dict(shape))
        if self._char in DIGITS or self._char == "-":
            shape.admit("number")
            return (yield from self._number(shape))
        word = yield from self._word([each for each in WORDS if shape.admits(kind_of(each))])
        if word in WORDS:
            return WORDS[word]
        raise StepProblem(f"here {shape} must stand, not {self._shown()}")

    def _word(self, words: Iterable[str]) -> Reading[str]:
        """A word, which stops where none of the words goes on like this."""
        word = ""
        while self._char in NAME and any(each.startswith(word + self._char) for each in words):
            word += self._char
            yield
        return word

    # Lists and dicts

    def _list(self, shape: Shape) -> Reading[list[Value]]:
        items: list[Value] = []
        yield from self._enter()
        while self._char != "]":
            items.append((yield from self._value(shape.item())))
            yield from self._comma("]")
        yield from self._leave()
        return items

    def _dict(self, shape: Shape) -> Reading[dict[str, Value]]:
        items: dict[str, Value] = {}
        yield from self._enter()
        while self._char != "}":
            if self._char not in ('"', "'"):
                raise StepProblem(f"a key must be a string, not {self._shown()}")
            key = yield from self._string()
            if not isinstance(key, str):
                raise StepProblem("a key holds no reference")
            yield from self._space()
            self._expect(":", "after a key")
            yield
            yield from self._space()
            items[key] = yield from self._value(shape.field(key))
            yield from self._comma("}")
        yield from self._leave()
        return items

    def _enter(self) -> Reading[None]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise StepProblem(f"more than {_DEEPEST} brackets inside each other")
        yield
        yield from self._space()

    def _leave(self) -> Reading[None]:
        self._depth -= 1
        yield

    def _comma(self, closing: str) -> Reading[None]:
        """Go on to the next item, or stop before the closing bracket."""
        yield from self._space()
        if self._char != closing:
            self._expect(",", f"or {closing} ")
            yield
            yield from self._space()

    def _space(self) -> Reading[None]:
        """Inside brackets, line breaks and comments may stand anywhere."""
        while True:
            while self._char in BLANKS or self._char == "\n":
                yield
            if self._char != "#":
                return
            while self._char not in LINE_ENDS:
                yield

    # Numbers

    def _number(self, shape: Shape) -> Reading[int | float]:
        text = ""
        while self._char in _NUMBER_PARTS:
            if len(text) == _LONGEST_NUMBER:
                raise StepProblem(f"a number of more than {_LONGEST_NUMBER} characters")
            text += self._char
            yield
        match = _NUMBER.fullmatch(text)
        if not match:
            raise StepProblem(f"{text} is not a number")
        if match[1] is None and match[2] is None:
            return int(text)
        number = float(text)
        if not math.isfinite(number):
            raise StepProblem(f"{text} is too large for a number")
        shape.admit("fraction")
        return number


def kind_of(word: str) -> str:
    """The JSON type of a literal word."""
    return "null" if WORDS[word] is None else "boolean"
