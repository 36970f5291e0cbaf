"""What a tool's JSON schema says of the arguments in a plan, while they are being written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from conveyor_tools.answer import failure_of
from conveyor_tools.declaration import Effects
from conveyor_tools.plan_values import StepProblem, Value, references
from conveyor_tools.schema_stream import Schema, SchemaStream
from conveyor_tools.schema_told import is_null_if_missing

_TYPES = frozenset(("string", "number", "integer", "array", "object", "boolean", "null"))
_ADMITTED = {
    "number": {"number", "integer"},
    "fraction": {"number"},
}
"""Which types allow a number, and one with a fraction; all else is allowed by its own."""
_ARTICLES = {"array": "a list", "integer": "an integer", "object": "a dict", "null": "null"}
_DEEPEST = 8
"""References to other schemas, and alternatives, inside each other."""


class Shape:
    """What values may stand in one place. `schema` None: any; `root` holds what it refers to."""

    def __init__(
        self, name: str, schema: Any, root: Mapping[str, Any], *, is_code: bool = False
    ) -> None:
        self.is_code = is_code
        """Whether it is code, whose backslashes are its own in triple quotes."""
        self._name = name
        self._schema = schema
        self._root = root
        self._types = _TYPES if schema is None else _types(schema, root, 0)

    def __str__(self) -> str:
        if self._types == _TYPES:
            return "a value"
        told = self._types
        if isinstance(self._schema, dict) and is_null_if_missing(self._schema):
            told = told - {"null"} or told
        return " or ".join(sorted(_ARTICLES.get(each, f"a {each}") for each in told))

    def admits(self, kind: str) -> bool:
        """Whether values of a JSON type may stand here; `fraction` is a number that has one."""
        return not self._types.isdisjoint(_ADMITTED.get(kind, {kind}))

    def admit(self, kind: str) -> None:
        """Raises StepProblem if no value of that type may stand here."""
        if not self.admits(kind):
            raise StepProblem(
                f"{self._name} must be {self}, not {_ARTICLES.get(kind, f'a {kind}')}"
            )

    def item(self) -> Shape:
        """What may stand in a list here."""
        return self._inside("items", None)

    def field(self, key: str) -> Shape:
        """What may stand under that key of a dict here."""
        return self._inside("properties", key)

    def _inside(self, keyword: str, key: str | None) -> Shape:
        schema = _followed(self._schema, self._root)
        found = schema.get(keyword) if isinstance(schema, dict) else None
        if key is not None:
            found = found.get(key) if isinstance(found, dict) else None
        name = f"{self._name}[]" if key is None else f"{self._name}.{key}"
        return Shape(name, found if isinstance(found, dict) else None, self._root)


class StepTool(Protocol):
    """What has to be known of a tool that steps may call."""

    @property
    def name(self) -> str: ...

    @property
    def schema(self) -> dict[str, Any]:
        """The arguments as a JSON schema."""

    @property
    def effects(self) -> Effects:
        """What any call of it may do."""

    def effects_of(self, arguments: Mapping[str, Any]) -> Effects:
        """What a call with these arguments does."""

    def check(self, name: str, value: Any) -> None:
        """Raises what is wrong with one argument, if anything is."""


class Parameters:
    """The arguments that a tool takes; `tool` None: any. `code`: the one that is code, if any."""

    def __init__(self, name: str, tool: StepTool | None, code: str | None = None) -> None:
        self._name = name
        self._code = code
        self._tool = tool
        self._root = {} if tool is None else tool.schema
        self._properties: Mapping[str, Any] = self._root.get("properties", {})
        self._shapes: dict[str, Shape] = {}
        self._schemas: dict[str, Schema] = {}
        self._open = self._root.get("additionalProperties", True) is not False

    def left(self, given: Mapping[str, Value]) -> list[str] | None:
        """The names that have no value yet; None: any name will do."""
        return None if self._open else [name for name in self._properties if name not in given]

    def next(self, given: Mapping[str, Value]) -> str:
        """The name of an argument that is given by its place alone."""
        place = len(given)
        if place < len(self._properties):
            return list(self._properties)[place]
        if self._properties or not self._open:
            raise StepProblem(f"{self._name} takes {len(self._properties)} arguments at most")
        return str(place)

    def shape(self, name: str) -> Shape:
        """What values the argument may have."""
        if name not in self._shapes:
            schema = self._properties.get(name)
            self._shapes[name] = Shape(name, schema, self._root, is_code=name == self._code)
        return self._shapes[name]

    def check(self, name: str, value: Value) -> None:
        """Raises StepProblem if a value without references is not what the argument must be."""
        if self._tool is None or any(references(value)):
            return
        if name not in self._schemas:
            properties = {name: self._properties.get(name, True)}
            self._schemas[name] = Schema(
                {**self._root, "properties": properties, "required": [name]}
            )
        stream = SchemaStream(self._schemas[name])
        stream.feed(json.dumps({name: value}))
        if stream.problem is not None:
            raise StepProblem(stream.problem.why)
        try:
            self._tool.check(name, value)
        except Exception as problem:  # of the tool's own code, any
            raise StepProblem(failure_of(problem).message) from problem

    def no_argument(self, word: str, given: Mapping[str, Value]) -> StepProblem:
        """What is wrong with a name that begins with `word`."""
        if word in given:
            return StepProblem(f"the argument {word!r} is given twice")
        takes = ", ".join(self._properties) or "none"
        return StepProblem(f"{self._name} has no argument {word!r}… (it takes: {takes})")

    def check_complete(self, given: Mapping[str, Value]) -> None:
        """Raises StepProblem if an argument is missing."""
        for name in self._root.get("required", ()):
            if name not in given:
                raise StepProblem(f"the argument {name!r} of {self._name} is missing")


def _types(schema: Any, root: Mapping[str, Any], depth: int) -> frozenset[str]:
    """The JSON types of the values that a schema allows, or of more than those."""
    schema = _followed(schema, root)
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return _TYPES
    types = _TYPES
    declared = schema.get("type")
    if declared is not None:
        types &= {declared} if isinstance(declared, str) else set(declared)
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            types &= frozenset().union(*(_types(it, root, depth + 1) for it in schema[keyword]))
    for each in schema.get("allOf", ()):
        types &= _types(each, root, depth + 1)
    return types


def _followed(schema: Any, root: Mapping[str, Any]) -> Any:
    """The schema that a reference leads to, within the same document."""
    for _ in range(_DEEPEST):
        if not isinstance(schema, dict) or "$ref" not in schema:
            return schema
        found: Any = root
        for key in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found.get(key) if isinstance(found, dict) else None
        schema = found
    return None
