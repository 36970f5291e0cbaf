"""A schema, read once, so that the checks of many values can begin quickly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from conveyor_tools.schema_check import (
    ANYTHING,
    AnyAsked,
    Asked,
    Budget,
    Check,
    Never,
    Wrong,
    together,
)
from conveyor_tools.schema_keys import Keyed
from conveyor_tools.schema_pattern import Pattern
from conveyor_tools.schema_rest import Rest, rest_of
from conveyor_tools.schema_told import NULL, is_null_if_missing
from conveyor_tools.schema_value import (
    ARTICLES,
    Choices,
    Listed,
    Numeric,
    Textual,
    Whole,
    kind_of,
    kind_of_first,
    listed,
    told_first,
)

_KEYWORDS = {
    "string": {"minLength", "maxLength", "pattern"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "array": {"items", "prefixItems", "minItems", "maxItems", "uniqueItems"},
    "object": {"properties", "patternProperties", "additionalProperties", "required"},
}


class Plans:
    """The plans of one document of schemas, made when they are first asked for."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._plans: dict[int, Asked] = {}

    def rest_of(self, schema: Mapping[str, Any]) -> Rest | None:
        """What a schema of the document asks of whole values."""
        return rest_of(schema, self._root)

    def of(self, schema: Any, what: str = "key") -> Asked:
        """What a schema of the document asks; `what` is what it calls keys of an object."""
        if schema is False:
            return Never()
        if not isinstance(schema, Mapping):
            return ANYTHING
        plan = self._plans.get(id(schema))
        if plan is None:
            plan = self._plans[id(schema)] = Plan(schema, self, what)
        return plan

    def referred(self, reference: str) -> Asked:
        """What is referred to; nothing is asked by what is not in the document."""
        if not reference.startswith("#"):
            return ANYTHING
        found = self._root
        for step in reference[1:].split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(name)] if isinstance(found, list) else found[name]
            except (KeyError, IndexError, ValueError, TypeError):
                return ANYTHING
        return self.of(found)


class Plan:
    """What one schema asks of a value."""

    def __init__(self, schema: Mapping[str, Any], plans: Plans, what: str) -> None:
        self._schema = schema
        self._plans = plans
        self._what = what
        kinds = schema.get("type", ())
        kinds = [kinds] if isinstance(kinds, str) else [*kinds]
        if kinds and schema.get("nullable") is True:
            kinds.append("null")
        names = [f"{ARTICLES.get(kind, 'a ')}{kind}" for kind in kinds]
        self._typed = f"must be {' or '.join(names)}" if kinds else ""
        self._integer = "integer" in kinds and "number" not in kinds
        self._kinds = {"number" if kind == "integer" else kind for kind in kinds}
        self._choices = [schema["enum"]] if "enum" in schema else []
        self._choices += [[schema["const"]]] if "const" in schema else []
        self._rest = plans.rest_of(schema)
        self._makers: dict[str, Callable[[], Check]] = {
            kind: make
            for kind, make in self._all_makers().items()
            if not _KEYWORDS[kind].isdisjoint(schema)
        }

    def _all_makers(self) -> dict[str, Callable[[], Check]]:
        schema, find = self._schema, self._plans.of
        pattern = Pattern(schema.get("pattern"))
        patterns = {it: Pattern(it) for it in schema.get("patternProperties", {})}
        return {
            "string": lambda: Textual(schema, pattern),
            "number": lambda: Numeric(schema, integer=self._integer),
            "array": lambda: Listed(schema, find),
            "object": lambda: Keyed(schema, patterns, find, self._what),
        }

    def begin(self, first: str, budget: Budget) -> Check | Wrong:
        """The checks of a value that begins with this character."""
        if not budget.take():
            return ANYTHING
        kind = kind_of_first(first)
        if self._kinds and kind not in self._kinds:
            return Wrong(f"{self._typed}, not {told_first(first)}")
        parts = self._own(kind, first)
        if isinstance(parts, Wrong):
            return parts
        for inner in self._inner():
            check = inner.begin(first, budget)
            if isinstance(check, Wrong):
                return check
            parts.append(check)
        return together(parts)

    def _own(self, kind: str, first: str) -> list[Check] | Wrong:
        """What its keywords ask, without those that combine schemas."""
        parts: list[Check] = []
        for values in self._choices:
            left = [value for value in values if kind_of(value) == kind]
            if kind == "boolean":
                left = [value for value in left if value is (first == "t")]
            why = f"must be {listed(values)}"
            if not left:
                return Wrong(why)
            parts.append(Choices(left, why, integer=self._integer))
        if kind == "number" and self._integer:
            parts.append(Whole(f"{self._typed}, without a fraction or exponent"))
        if kind in self._makers:
            parts.append(self._makers[kind]())
        if self._rest is not None:
            parts.append(self._rest)
        return parts

    def _inner(self) -> list[Asked]:
        """The schemas that it combines."""
        schema, plans = self._schema, self._plans
        asked: list[Asked] = []
        if isinstance(schema.get("$ref"), str):
            asked.append(plans.referred(schema["$ref"]))
        asked += [plans.of(it, self._what) for it in schema.get("allOf", ())]
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                branches = [plans.of(it, self._what) for it in schema[keyword]]
                untold = [it == NULL and is_null_if_missing(schema) for it in schema[keyword]]
                asked.append(AnyAsked(branches, only_one=keyword == "oneOf", untold=untold))
        return asked
