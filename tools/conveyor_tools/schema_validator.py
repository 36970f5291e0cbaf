"""The `jsonschema` library's validator for schemas that nobody here has read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import regex
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

_PATTERN_S = 0.1
"""Seconds for one pattern, which a server wrote. One that takes longer counts as met."""
_SHOWN = 200


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    if not isinstance(value, str):
        return
    try:
        met = regex.search(pattern, value, timeout=_PATTERN_S) is not None
    except (TimeoutError, regex.error):
        return
    if not met:
        yield ValidationError(f"{value!r:.{_SHOWN}} does not match {pattern!r:.{_SHOWN}}")


Validator: Any = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
"""Its patterns have their time. Made by `following`, it reads no other documents."""
_Strict: Any = extend(  # type: ignore[no-untyped-call]
    Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def following(schema: Mapping[str, Any]) -> Any:
    """A validator that follows references in this schema alone."""
    return Validator(schema, registry=Registry())


class Part:
    """Some of a schema's keywords, in the document that their references are about.

    An integer is written as one: 1.0 is none here.
    """

    def __init__(self, document: Any, keywords: Mapping[str, Any]) -> None:
        root = document if isinstance(document, Mapping) else {}
        self._validator = _Strict(root, registry=Registry()).evolve(schema=dict(keywords))

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, in words. None, too, where that cannot be said."""
        try:
            error = best_match(self._validator.iter_errors(value))
        except (Unresolvable, RecursionError):
            return None
        return None if error is None else shortened(error.message)


def shortened(message: str) -> str:
    """What a message says, as far as it is told."""
    return message if len(message) <= _SHOWN else message[:_SHOWN] + "…"
