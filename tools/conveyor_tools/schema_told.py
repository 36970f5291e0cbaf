"""A tool's schema as models and users are told it: what can be left out is not called null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NULL = {"type": "null"}


def told(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with the plain types of optional arguments.

    Python says `x: int | None = None` of an argument that may be missing, and its schema allows
    null, which a call may give. Who writes a call need not be told: it is the same as nothing.
    """
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return schema
    return {**schema, "properties": {name: _plain(each) for name, each in properties.items()}}


def is_null_if_missing(schema: Mapping[str, Any]) -> bool:
    """Whether null is what an argument is when it is missing: then nobody is told of null."""
    return schema.get("default", ...) is None


def _plain(schema: Any) -> Any:
    """What is said of an argument, without null where that is what it is when it is missing."""
    if not isinstance(schema, dict) or not is_null_if_missing(schema):
        return schema
    kept = [each for each in schema.get("anyOf", ()) if each != NULL]
    if len(kept) == len(schema.get("anyOf", ())):
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    if len(kept) == 1 and isinstance(kept[0], dict) and not kept[0].keys() & rest.keys():
        return {**kept[0], **rest}
    return {"anyOf": kept, **rest} if kept else schema
