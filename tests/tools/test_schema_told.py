"""What models and users are told of a tool's arguments."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from conveyor_cli.dialects.offers import offer
from conveyor_tools.argument_tool import ArgumentTool
from conveyor_tools.function import function_tool, tool
from conveyor_tools.schema_told import told

NULL = {"type": "null"}
INTEGER = {"type": "integer"}
TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("argument", "plain"),
    [
        ({"anyOf": [INTEGER, NULL], "default": None}, INTEGER),
        ({"anyOf": [INTEGER, TEXT, NULL], "default": None}, {"anyOf": [INTEGER, TEXT]}),
        (
            {"anyOf": [{**INTEGER, "minimum": 1}, NULL], "default": None, "description": "A line."},
            {**INTEGER, "minimum": 1, "description": "A line."},
        ),
        (
            {"anyOf": [{"$ref": "#/$defs/A", "description": "a"}, NULL], "default": None,
             "description": "b"},
            {"anyOf": [{"$ref": "#/$defs/A", "description": "a"}], "description": "b"},
        ),
        # null means something else than nothing, or is all there is
        ({"anyOf": [INTEGER, NULL]}, None),
        ({"anyOf": [INTEGER, NULL], "default": 1}, None),
        ({"anyOf": [NULL], "default": None}, None),
        ({"type": ["integer", "null"], "default": None}, None),
        ({**NULL, "default": None}, None),
        (True, None),
    ],
)  # fmt: skip
def test_null_of_what_can_be_left_out(argument: Any, plain: Any) -> None:
    schema = {"type": "object", "properties": {"a": argument, "b": TEXT}, "required": ["b"]}
    expected = argument if plain is None else plain
    assert told(schema) == {**schema, "properties": {"a": expected, "b": TEXT}}


def test_other_schemas_are_told_as_they_are() -> None:
    for schema in ({}, {"type": "object"}, {"properties": True}):
        assert told(schema) == schema


class Place(BaseModel):
    """Where."""

    town: str
    zip: str | None = None


@tool(effects="pure")
def find(
    query: Annotated[str, Field(max_length=9)],
    limit: Annotated[int, Field(ge=1)] | None = None,
    kinds: list[Annotated[Literal["a", "b"], Field()]] | None = None,
    place: Place | None = None,
) -> str:
    """Find."""
    return f"{query} {limit} {kinds} {place}"


def test_a_function_in_words_and_as_a_schema() -> None:
    """No annotation of pydantic's is shown, and no null; what a call may say stays."""
    function = function_tool(find, "find")
    assert function.signature.shown == (
        "(query: str, limit: Optional[int] = None, kinds: list[Literal['a', 'b']] | None = None, "
        f"place: {__name__}.Place | None = None) -> str"
    )
    properties = offer(ArgumentTool(function))["function"]["parameters"]["properties"]
    assert properties["limit"] == {**INTEGER, "minimum": 1}
    assert properties["kinds"]["type"] == "array"
    assert properties["place"] == {"$ref": "#/$defs/Place"}
    assert {"type": "null"} in function.schema["properties"]["limit"]["anyOf"]
