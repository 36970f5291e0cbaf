"""A parameter's value between tags, as the JSON of an argument.

Texts stand between tags as they are, everything else as JSON: only the tool's schema tells them
apart. A text is given out while it is written, anything else when its tag closes.

Models write `True`, `False` and `None`, too: some chat templates show them calls like that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import unquote

from conveyor_tools.schema_value import kind_of

Kinds = frozenset[str] | None
"""The kinds of values that a schema allows, by its own names (`number` for all); None: any."""

_PYTHON = {"True": "true", "False": "false", "None": "null"}
_NULLS = ("null", "None")
_DEEPEST = 20
"""Schemas that refer to others are followed so far."""


def kinds_of_argument(schema: Mapping[str, Any], name: str) -> Kinds:
    """The kinds that the argument of that name may be, by the schema of all of them."""
    properties = schema.get("properties", {})
    if name in properties:
        return _kinds(properties[name], schema, _DEEPEST)
    return _kinds(schema.get("additionalProperties"), schema, _DEEPEST)


def _kinds(schema: Any, root: Mapping[str, Any], depth: int) -> Kinds:
    """Roughly: a value that is read as the wrong kind is refused by the schema."""
    if not isinstance(schema, Mapping) or not depth:
        return None
    found: list[Kinds] = []
    written = schema.get("type")
    if isinstance(written, str | list):
        kinds = [written] if isinstance(written, str) else written
        found.append(frozenset("number" if kind == "integer" else kind for kind in kinds))
    if isinstance(schema.get("enum"), list):
        found.append(frozenset(map(kind_of, schema["enum"])))
    if "const" in schema:
        found.append(frozenset([kind_of(schema["const"])]))
    if isinstance(schema.get("$ref"), str):
        found.append(_kinds(_referred(schema["$ref"], root), root, depth - 1))
    alternatives = (schema.get(keyword) for keyword in ("anyOf", "oneOf"))
    found += [
        _any_of([_kinds(it, root, depth - 1) for it in each])
        for each in alternatives
        if isinstance(each, list)
    ]
    if isinstance(schema.get("allOf"), list):
        found += [_kinds(it, root, depth - 1) for it in schema["allOf"]]
    said = [kinds for kinds in found if kinds is not None]
    return frozenset.intersection(*said) if said else None


def _any_of(found: list[Kinds]) -> Kinds:
    said = [kinds for kinds in found if kinds is not None]
    return frozenset().union(*said) if len(said) == len(found) else None


def _referred(reference: str, root: Mapping[str, Any]) -> Any:
    """The schema that is meant, if it is in the same document."""
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if reference.startswith("#") else None


class TaggedValue:
    """One value while it is written. What `feed` and `finish` give is its JSON."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._streams = kinds == frozenset({"string"})
        self._nullable = kinds == frozenset({"string", "null"})
        self._begun = False
        self._held: list[str] = []

    def feed(self, text: str) -> str:
        """Take more of it (or nothing: it begins); what is known of its JSON now."""
        if not self._streams:
            self._held.append(text)
            if not self._nullable or any(it.startswith("".join(self._held)) for it in _NULLS):
                return ""
            self._streams = True
            text = "".join(self._held)
        mark = "" if self._begun else '"'
        self._begun = True
        return mark + escaped(text)

    def finish(self) -> str:
        """It is complete; the rest of its JSON."""
        if self._streams:
            return self.feed("") + '"'
        return as_json("".join(self._held), self._kinds)


def as_json(text: str, kinds: Kinds) -> str:
    """The JSON of a whole value of these kinds. What is none of them is a text."""
    word = text.strip()
    word = _PYTHON.get(word, word)
    try:
        kind = kind_of(json.loads(word, parse_constant=_refuse))
    except (ValueError, RecursionError):
        return f'"{escaped(text)}"'
    may_be_text = kinds is None or "string" in kinds
    if may_be_text and (kind == "string" or (kinds is not None and kind not in kinds)):
        return f'"{escaped(text)}"'
    return word


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def escaped(text: str) -> str:
    """The text as it stands inside a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
