"""Validates JSON against a schema while it is written.

A text is rejected at the first character after which nothing that could follow makes it valid: the
opening quote of a string where a number is asked for, the first letter that no value of an `enum`
has there, the comma after the last item that may be.

What is wrong is found so early for each keyword by itself. Where several have to hold together
(a pattern and a length, two schemas of an `allOf`), and for whole containers in an `enum`,
`uniqueItems`, `multipleOf` and patterns that look around, it may be found later, at the latest
where the value ends. So are `not`, `if`, `contains`, `propertyNames`, `dependent…`, `unevaluated…`
and the numbers of properties, which `jsonschema` judges, once a value. `format` says what a text is
for; nothing is rejected by it.

Stricter than JSON Schema in two ways, so that nothing has to be taken back: an integer is written
without fraction and exponent (no `1.0`), and a key stands only once in its object.

The cost is linear in the text, for a given schema, and does not depend on how the text is chopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conveyor_tools.json_number import may_be_atom
from conveyor_tools.json_scanner import JsonScanner, RejectedError
from conveyor_tools.schema_check import ANYTHING, Budget, Check, Wrong
from conveyor_tools.schema_plan import Plans
from conveyor_tools.schema_value import shown

_LONGEST_NUMBER = 64
"""Characters of a number that are looked at one by one; a longer one is when it ends."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A key of the object has its value, which ends before character `end` of the text."""

    key: str
    value: Any
    end: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """The text cannot become valid: why, and at which character that shows."""

    why: str
    at: int


class Schema:
    """A schema of objects, read once for many texts.

    Raises:
        ValueError: no object can be valid.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._plan = Plans(schema).of(schema, "argument")
        self.begin()

    def begin(self) -> Check:
        """The check of an object that begins."""
        budget = Budget()
        check = self._plan.begin("{", budget)
        if isinstance(check, Wrong):
            raise ValueError(f"its schema allows no object: {check.why}")  # noqa: TRY004 - a value
        return ANYTHING if budget.is_spent else check


class SchemaStream(JsonScanner):
    """Validates one object. What follows it is not looked at."""

    def __init__(self, schema: Schema | Mapping[str, Any]) -> None:
        super().__init__()
        schema = schema if isinstance(schema, Schema) else Schema(schema)
        self.problem: Rejection | None = None
        """Why the text is not, and cannot become, valid."""
        self.value: dict[str, Any] | None = None
        """The object, once it is complete and valid."""
        self.end: int | None = None
        """Where it ends then."""
        self._checks = [schema.begin()]
        self._labels: list[str | int] = []
        self._closed: list[Closed] = []
        self._number = ""

    def feed(self, text: str) -> list[Closed]:
        """Take more of the text; return the keys of the object that have got their values."""
        if not self._over:
            problem = self._scan(text)
            if problem is not None:
                self.problem = Rejection(problem.why, problem.at)
        closed, self._closed = self._closed, []
        return closed

    def flush(self) -> None:
        """The text ends here."""
        if not self._over:
            self._over = True
            self.problem = Rejection("the object is not complete", self._length)

    def _reject(self, wrong: Wrong | None, at: int) -> None:
        if wrong is not None:
            place = ".".join(map(str, self._labels))
            raise RejectedError(f"{place}: {wrong.why}" if place else wrong.why, at)

    def _on_value(self, first: str, pos: int) -> None:
        container = self._containers[-1]
        key = self._keys[-1]
        self._labels.append(len(container) if key is None else key)
        self._number = ""
        budget = Budget()
        check = self._checks[-1].child().begin(first, budget)
        if isinstance(check, Wrong):
            self._reject(check, pos)
        else:
            self._checks.append(ANYTHING if budget.is_spent else check)

    def _on_text(self, text: str, pos: int, end: int) -> None:
        check = self._checks[-1]
        wrong = check.key_text(text) if self._is_key else check.text(text)
        if wrong is not None:
            plain = end - pos == len(text)
            self._reject(wrong, pos + wrong.index if plain else end - 1)

    def _on_atom(self, text: str, pos: int) -> None:
        for at, char in enumerate(text, pos):
            self._number += char
            if len(self._number) > _LONGEST_NUMBER:
                return
            if not may_be_atom(self._number):
                self._reject(Wrong(f"is not JSON: {self._number}"), at)
            if self._number[0] in "-0123456789":
                self._reject(self._checks[-1].number(self._number), at)

    def _on_key(self, key: str, pos: int) -> None:
        container = self._containers[-1]
        if key in container:
            self._reject(Wrong(f"{shown(key)} is there twice"), pos)
        self._reject(self._checks[-1].key(key), pos)

    def _on_comma(self, pos: int) -> None:
        self._reject(self._checks[-1].comma(), pos)

    def _on_end(self, value: Any, pos: int, end: int) -> None:
        self._reject(self._checks.pop().end(value), pos)
        label = self._labels.pop()
        if not self._labels:
            self._closed.append(Closed(str(label), value, end))

    def _on_complete(self, value: dict[str, Any], end: int) -> None:
        self._reject(self._checks[0].end(value), end - 1)
        self.value = value
        self.end = end
