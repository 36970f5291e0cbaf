"""What a schema says of a value that shows when all of it is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from conveyor_tools.schema_check import Check, Wrong

if TYPE_CHECKING:
    from conveyor_tools.schema_validator import Part

_ALONE = (
    "not", "if", "then", "else", "contains", "minContains", "maxContains", "propertyNames",
    "dependentRequired", "dependentSchemas", "minProperties", "maxProperties",
)  # fmt: skip
_WITH_ALL = ("unevaluatedItems", "unevaluatedProperties")
"""They depend on what the other keywords have looked at."""


class Rest(Check):
    """Keywords that are not followed while the value is written: it is judged once, at its end."""

    def __init__(self, part: Part) -> None:
        self._part = part

    def end(self, value: Any) -> Wrong | None:
        why = self._part.problem(value)
        return None if why is None else Wrong(why)


def rest_of(schema: Mapping[str, Any], document: Any) -> Rest | None:
    """The check of those keywords; None where a schema has none of them."""
    if any(keyword in schema for keyword in _WITH_ALL):
        keywords = dict(schema)
    else:
        keywords = {keyword: schema[keyword] for keyword in _ALONE if keyword in schema}
    if not keywords:
        return None
    from conveyor_tools.schema_validator import Part  # noqa: PLC0415 - takes a while to import

    return Rest(Part(document, keywords))
