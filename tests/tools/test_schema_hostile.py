"""Schemas that an MCP server would choose to harm who reads them, and values that do with others.

Each would take hours, or all memory: it is judged in a process that is given a minute and 3 GiB.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import Any

import pytest

from conveyor_tools.schema_stream import SchemaStream

_JUDGE = """
import json, sys
from conveyor_tools.errors import ArgumentsError
from conveyor_tools.mcp_schema import SchemaSignature
from conveyor_tools.schema_stream import SchemaStream
schema, text = json.load(sys.stdin)
stream = SchemaStream(schema)
stream.feed(text)
print("refused" if stream.problem else "taken")
try:
    SchemaSignature(schema).bind(json.loads(text))
    print("taken")
except ArgumentsError as error:
    print("refused")
"""
_SLOW = "^(a|aa)+$"


def judged(schema: dict[str, Any], value: object) -> list[str]:
    """What is said of the value while it is written, and of the whole."""
    done = subprocess.run(
        [sys.executable, "-c", _JUDGE],
        input=json.dumps([{"type": "object", **schema}, json.dumps(value)]),
        capture_output=True, text=True, check=False, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


def doubling(levels: int) -> dict[str, Any]:
    """A schema that asks for the same 2^levels times."""
    names = [f"#/$defs/d{level}" for level in range(levels + 1)]
    defs: dict[str, Any] = {
        f"d{level}": {"allOf": [{"$ref": names[level + 1]}] * 2} for level in range(levels)
    }
    return defs | {f"d{levels}": {"type": "string"}}


SLOW_KEY = "a" * 60 + "!"
CASES: dict[str, tuple[dict[str, Any], object, list[str]]] = {
    "a pattern": ({"properties": {"x": {"pattern": _SLOW}}}, {"x": SLOW_KEY}, ["taken"] * 2),
    "a pattern for keys": ({"patternProperties": {_SLOW: {}}}, {SLOW_KEY: 1}, ["taken"] * 2),
    "keys beside it": (
        {"patternProperties": {_SLOW: {}}, "additionalProperties": False},
        {SLOW_KEY: 1},
        ["taken"] * 2,
    ),
    "keys that nothing looked at": (
        {"patternProperties": {_SLOW: {}}, "unevaluatedProperties": False},
        {SLOW_KEY: 1},
        ["taken"] * 2,
    ),
    "many slow texts": (
        {"properties": {"x": {"items": {"pattern": _SLOW}}}},
        {"x": [SLOW_KEY] * 2000},
        ["taken", "refused"],
    ),
    "a pattern that is large written out": (
        {"properties": {"x": {"pattern": "(((a{900}){900}){900}){900}"}}},
        {"x": "a"},
        ["taken"] * 2,
    ),
    "references that double": (
        {"properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": doubling(60)},
        {"x": "text"},
        ["taken", "refused"],
    ),
    "doubling that is denied twice": (
        {"properties": {"x": {"not": {"not": {"$ref": "#/$defs/d0"}}}}, "$defs": doubling(60)},
        {"x": "text"},
        ["taken", "refused"],
    ),
    "a reference to itself": (
        {"properties": {"x": {"$ref": "#/properties/x"}}},
        {"x": 1},
        ["taken", "refused"],
    ),
    "many items that have to differ": (
        {"properties": {"x": {"uniqueItems": True}}},
        {"x": [{"number": number} for number in range(60_000)]},
        ["taken"] * 2,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_judged_in_time(case: str) -> None:
    schema, value, expected = CASES[case]
    assert judged(schema, value) == expected


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"patternProperties": {"^n": {"type": "integer"}}}, {"n1": "x"}, ["refused"] * 2),
        (
            {"patternProperties": {"^n": {}}, "additionalProperties": False},
            {"m": 1},
            ["refused"] * 2,
        ),
        ({"properties": {"x": {"pattern": "^(ab{3}){2}$"}}}, {"x": "abbbabbb"}, ["taken"] * 2),
        ({"properties": {"x": {"pattern": "^(ab{3}){2}$"}}}, {"x": "abbb"}, ["refused"] * 2),
    ],
)
def test_controls(schema: dict[str, Any], value: object, expected: list[str]) -> None:
    """The same keywords, where they cost nothing, are judged."""
    assert judged(schema, value) == expected


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        (1, 1.0, False), (1, True, True), (0, False, True), ([1], [1.0], False),
        ([1], [True], True), ({"a": 1, "b": [2]}, {"b": [2.0], "a": 1}, False),
        ({"a": 1}, {"a": True}, True), ("1", 1, True), (None, False, True), ([], {}, True),
    ],
)  # fmt: skip
def test_items_differ_as_json_does(one: object, other: object, *, differ: bool) -> None:
    schema = {"type": "object", "properties": {"x": {"uniqueItems": True}}}
    assert judged(schema, {"x": [one, other]}) == ["taken" if differ else "refused"] * 2


@pytest.mark.parametrize(
    "keywords",
    [{"minimum": 3}, {"maximum": 1e308}, {"multipleOf": 3}, {"multipleOf": 0.5}, {"const": 1}],
)
def test_an_integer_larger_than_any_float_is_judged(keywords: dict[str, Any]) -> None:
    text = '{"x": 1%s}' % ("0" * 400)
    stream = SchemaStream({"type": "object", "properties": {"x": keywords}})
    stream.feed(text)
    fits = "minimum" in keywords or keywords.get("multipleOf") == 0.5
    assert (stream.problem is None) == fits
    expected = "taken" if fits else "refused"
    assert judged({"properties": {"x": keywords}}, json.loads(text)) == [expected] * 2
