"""The arguments of a tool that comes with a JSON schema instead of annotations."""

from __future__ import annotations

import json
import keyword
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jsonschema import SchemaError
from referencing.exceptions import Unresolvable

from conveyor_tools.errors import ArgumentsError
from conveyor_tools.later import Later
from conveyor_tools.schema_validator import (
    TooSlowError,
    Validator,
    first_problem,
    following,
    shortened,
)
from conveyor_tools.signature import NO_LATER

_LARGEST = 64 * 1024
"""Characters of a schema as JSON: models are told all of it."""
_SHOWN = 200
_MOST_VALUES = 12
"""Values of an enum that are shown to people; models are told the schema."""
_TYPES = {
    "string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list",
    "object": "dict", "null": "None",
}  # fmt: skip


class SchemaSignature:
    """What a tool takes, as its schema says.

    Used where a function's `Signature` is. References to other documents are not followed.
    """

    later: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Read it. Raises ValueError: it is none, or not one of an object."""
        if len(json.dumps(schema)) > _LARGEST:
            raise ValueError(f"its schema is longer than {_LARGEST} characters")
        try:
            Validator.check_schema(schema)
        except SchemaError as error:
            raise ValueError(f"its schema is not valid: {error.message:.{_SHOWN}}") from None
        if schema.get("type") != "object":
            raise ValueError("its schema is not that of an object")
        self._schema = dict(schema)
        self._validator = following(self._schema)
        names = [*schema.get("required", ()), *schema.get("properties", {})]
        self.names = list(dict.fromkeys(name for name in names if isinstance(name, str)))
        if all(map(_is_parameter, self.names)):
            self.text = f"({', '.join(self._written(it, quoted=True) for it in self.names)})"
            self.shown = f"({', '.join(self._written(it, quoted=False) for it in self.names)})"
        else:  # Python cannot write them as parameters, but as `**{"their-name": …}`
            self.text = self.shown = "(**arguments)"

    def schema(self) -> dict[str, Any]:
        """The arguments as a JSON schema."""
        return self._schema

    def validated(self, name: str, value: Any) -> Any:  # noqa: ARG002 - `Arguments` has it
        """The argument as it is: what is wrong shows in the stream, or when all are there."""
        return value

    def bind(
        self,
        arguments: Mapping[str, Any],
        later: Mapping[str, Later[Any]] = NO_LATER,  # noqa: ARG002 - a server wants all at once
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments by name, if they are what the schema says.

        Raises:
            ArgumentsError: they are not.
        """
        try:
            error = first_problem(self._validator, dict(arguments))
        except (Unresolvable, RecursionError) as problem:
            raise ArgumentsError(f"its schema cannot be followed: {problem}"[:_SHOWN]) from None
        except TooSlowError:
            raise ArgumentsError("its schema takes too long to be checked") from None
        if error is not None:
            place = ".".join(map(str, error.absolute_path))
            message = shortened(error.message)
            raise ArgumentsError(f"{place}{place and ': '}{message} (it takes {self.shown})")
        return [], dict(arguments)

    def _written(self, name: str, *, quoted: bool) -> str:
        kind = _type(self._schema.get("properties", {}).get(name))
        annotation = repr(kind) if quoted else kind
        required = name in self._schema.get("required", ())
        return f"{name}: {annotation}" if required else f"{name}: {annotation} = ..."


def _is_parameter(name: str) -> bool:
    return name.isidentifier() and name.isascii() and not keyword.iskeyword(name)


def _type(schema: Any) -> str:
    """What Python would call it, roughly: the schema itself is the last word."""
    if not isinstance(schema, dict):
        return "Any"
    values = schema.get("enum")
    if isinstance(values, list) and values and all(isinstance(it, str | int) for it in values):
        return f"Literal[{', '.join(map(repr, values))}]" if len(values) <= _MOST_VALUES else "str"
    kinds = schema.get("type")
    if isinstance(kinds, str):
        return _TYPES.get(kinds, "Any")
    if isinstance(kinds, list) and kinds:
        return " | ".join(_TYPES.get(str(kind), "Any") for kind in kinds)
    return "Any"
