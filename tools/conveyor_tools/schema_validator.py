"""The `jsonschema` library's validator for schemas that nobody here has read.

It has its time for each value: a schema can ask for the same thing in exponentially many ways, and
so can a pattern.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from conveyor_tools.json_number import is_multiple
from conveyor_tools.schema_pattern import Pattern
from conveyor_tools.schema_value import all_differ

_PATTERN_S = 0.1
"""Seconds for one pattern, which a server wrote. One that takes longer counts as met."""
_ALL_S = 2.0
"""Seconds for one value."""
_SHOWN = 200
_EASY = re.compile(r"[^*+?{(|]*[*+?]?[^*+?{(|]*")
"""Patterns that take no more than the square of a text's length: nothing repeats twice."""
_until: ContextVar[float] = ContextVar("until", default=float("inf"))


class TooSlowError(Exception):
    """A schema has not done with a value in time."""


def _found(pattern: str, text: str) -> bool | None:
    return Pattern(pattern).found_in(text, seconds=_PATTERN_S)


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and _found(pattern, value) is False:
        yield ValidationError(f"{value!r:.{_SHOWN}} does not match {pattern!r:.{_SHOWN}}")


def _pattern_properties(
    validator: Any, schemas: Mapping[str, Any], value: Any, _: Any
) -> Iterator[ValidationError]:
    if isinstance(value, dict):
        for pattern, schema in schemas.items():
            for key in value:
                if _found(pattern, key):
                    yield from validator.descend(value[key], schema, path=key, schema_path=pattern)


def _additional_properties(
    validator: Any, asked: Any, value: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key in value if isinstance(value, dict) else ():
        if key in known or any(_found(it, key) is not False for it in patterns):
            continue
        if asked is False:
            yield ValidationError(f"Additional properties are not allowed: {key!r:.{_SHOWN}}")
        else:
            yield from validator.descend(value[key], asked, path=key)


def _unique_items(_: Any, asked: Any, value: Any, __: Any) -> Iterator[ValidationError]:
    if asked is True and isinstance(value, list) and not all_differ(value):
        yield ValidationError(f"{value!r:.{_SHOWN}} has non-unique elements")


def _multiple_of(_: Any, factor: Any, value: Any, __: Any) -> Iterator[ValidationError]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and not is_multiple(value, factor):
        yield ValidationError(f"{value!r:.{_SHOWN}} is not a multiple of {factor}")


def _in_time(keyword: Callable[..., Any]) -> Callable[..., Iterator[ValidationError]]:
    """The keyword, which gives up when its time is over. All that takes long asks keywords."""

    def limited(*given: Any) -> Iterator[ValidationError]:
        if time.monotonic() > _until.get():
            raise TooSlowError
        yield from keyword(*given) or ()

    return limited


_KEYWORDS: dict[str, Callable[..., Any]] = Draft202012Validator.VALIDATORS | {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
    "multipleOf": _multiple_of,
}
Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {name: _in_time(keyword) for name, keyword in _KEYWORDS.items()}
)
"""Made by `following`, it reads no other documents."""
_Strict: Any = extend(  # type: ignore[no-untyped-call]
    Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def _for(document: Any, validator: Any) -> Any:
    """The validator without what could take long in the library itself, for that document."""
    if not _has_hard_keys(document):
        return validator
    return extend(validator, {"unevaluatedProperties": lambda *_: ()})  # type: ignore[no-untyped-call]


def _has_hard_keys(schema: Any) -> bool:
    """Whether it has a pattern for keys that may take long."""
    if isinstance(schema, list):
        return any(map(_has_hard_keys, schema))
    if not isinstance(schema, Mapping):
        return False
    patterns = schema.get("patternProperties", ())
    if isinstance(patterns, Mapping) and not all(map(_EASY.fullmatch, patterns)):
        return True
    return any(map(_has_hard_keys, schema.values()))


def following(schema: Mapping[str, Any]) -> Any:
    """A validator that follows references in this schema alone."""
    return _for(schema, Validator)(schema, registry=Registry())


def first_problem(validator: Any, value: Any) -> ValidationError | None:
    """What is most wrong with a value, if anything is.

    Raises:
        TooSlowError: that takes too long to say.
        RecursionError, Unresolvable: the schema refers to itself without an end, or to nothing.
    """
    token = _until.set(time.monotonic() + _ALL_S)
    try:
        found: ValidationError | None = best_match(validator.iter_errors(value))
    finally:
        _until.reset(token)
    return found


class Part:
    """Some of a schema's keywords, in the document that their references are about.

    An integer is written as one: 1.0 is none here.
    """

    def __init__(self, document: Any, keywords: Mapping[str, Any]) -> None:
        root = document if isinstance(document, Mapping) else {}
        strict = _for(root, _Strict)
        self._validator = strict(root, registry=Registry()).evolve(schema=dict(keywords))
        self._too_slow = False

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, in words. None, too, where that cannot be said.

        Once it took too long, nothing is said any more: there may be many values.
        """
        if self._too_slow:
            return None
        try:
            error = first_problem(self._validator, value)
        except (Unresolvable, RecursionError):
            return None
        except TooSlowError:
            self._too_slow = True
            return None
        return None if error is None else shortened(error.message)


def shortened(message: str) -> str:
    """What a message says, as far as it is told."""
    return message if len(message) <= _SHOWN else message[:_SHOWN] + "…"
