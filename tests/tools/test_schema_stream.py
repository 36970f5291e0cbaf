"""Validation of JSON while it is written, held against `jsonschema`, which has the whole text."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from conveyor_tools.schema_stream import Closed, Rejection, Schema, SchemaStream

AnySchema = Any
_STRICT = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)
"""An integer is written as one; that is the only difference from the standard."""


def of_value(schema: AnySchema) -> AnySchema:
    return {
        "type": "object",
        "properties": {"v": schema},
        "required": ["v"],
        "additionalProperties": False,
        "$defs": DEFS,
    }


def rejected(schema: AnySchema, deltas: Iterable[str]) -> Rejection | None:
    stream = SchemaStream(Schema(schema))
    for delta in deltas:
        stream.feed(delta)
    stream.flush()
    return stream.problem


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def is_valid(schema: AnySchema, text: str) -> bool:
    """What the oracle says of a whole text."""
    try:
        value = json.loads(text, object_pairs_hook=once)
    except ValueError:
        return False
    return bool(_STRICT(schema).is_valid(value))


def chopped(text: str, places: Iterable[int]) -> list[str]:
    return [text[a:b] for a, b in itertools.pairwise([0, *sorted(places), len(text)])]


# Schemas, and documents that are near them

DEFS = {
    "tree": {
        "type": "object",
        "properties": {"k": {"type": "integer"}, "sub": {"$ref": "#/$defs/tree"}},
        "required": ["k"],
        "additionalProperties": False,
    },
    "word": {"enum": ["one", "two", "three"]},
}
WORDS = st.sampled_from(["", "a", "ab", "abc", "b", "one", "two", "tw", "x1", "x12", "é", "😀"])
NUMBERS = st.one_of(
    st.integers(-30, 130), st.sampled_from([0.5, -0.5, 1.5, 12.25, 1e3, -2e-3, 5.0, 0.0])
)
SCALARS = st.one_of(WORDS, NUMBERS, st.booleans(), st.none())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["k", "sub", "name", "names", "x"]), inner, max_size=3),
    ),
    max_leaves=6,
)


def optional(**keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keywords)


def merged(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda found: {k: v for part in found for k, v in part.items()})


TYPES = st.sampled_from(["string", "number", "integer", "boolean", "null", "array", "object"])
BOUNDS = st.one_of(st.integers(-20, 120), st.sampled_from([0.5, 10.5, -1.5]))
LEAVES = st.one_of(
    st.fixed_dictionaries({"type": st.one_of(TYPES, st.lists(TYPES, min_size=1, unique=True))}),
    st.fixed_dictionaries({"enum": st.lists(VALUES, min_size=1, max_size=4)}),
    st.fixed_dictionaries({"const": VALUES}),
    st.fixed_dictionaries({"$ref": st.sampled_from(["#/$defs/tree", "#/$defs/word"])}),
    merged(
        optional(type=st.sampled_from(["integer", "number"])),
        optional(minimum=BOUNDS, maximum=BOUNDS, exclusiveMinimum=BOUNDS),
        optional(exclusiveMaximum=BOUNDS, multipleOf=st.sampled_from([2, 5, 0.5])),
    ),
    merged(
        optional(type=st.just("string"), minLength=st.integers(0, 3)),
        optional(maxLength=st.integers(0, 4)),
        optional(pattern=st.sampled_from(["^a", "b$", "^x[0-9]{2}$", "^(a|bc)*$", "w", "^(?!ab)"])),
    ),
    st.booleans(),
)


def rests(inner: st.SearchStrategy[AnySchema]) -> st.SearchStrategy[AnySchema]:
    """Keywords that are judged when the value is complete, and what stands beside them."""
    counts, names = st.integers(0, 2), st.sampled_from(["k", "name", "sub"])
    return st.one_of(
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries({"if": inner}, optional={"then": inner, "else": inner}),
        merged(
            st.fixed_dictionaries({"contains": inner}),
            optional(minContains=counts, maxContains=counts, type=st.just("array")),
        ),
        merged(
            optional(propertyNames=inner, minProperties=counts, maxProperties=counts),
            optional(dependentRequired=st.dictionaries(names, st.lists(names, unique=True))),
            optional(dependentSchemas=st.dictionaries(names, inner, max_size=1)),
        ),
        merged(
            st.fixed_dictionaries({"unevaluatedProperties": inner}),
            optional(properties=st.dictionaries(names, inner, max_size=2)),
            optional(allOf=st.lists(inner, min_size=1, max_size=1)),
        ),
        merged(
            st.fixed_dictionaries({"unevaluatedItems": inner}),
            optional(prefixItems=st.lists(inner, min_size=1, max_size=2), contains=inner),
        ),
    )


SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        merged(
            optional(type=st.just("array"), items=inner, minItems=st.integers(0, 2)),
            optional(maxItems=st.integers(0, 3), uniqueItems=st.booleans()),
            optional(prefixItems=st.lists(inner, min_size=1, max_size=2)),
        ),
        merged(
            optional(type=st.just("object"), additionalProperties=inner),
            optional(required=st.lists(st.sampled_from(["k", "name"]), unique=True)),
            st.fixed_dictionaries(
                {
                    "properties": st.dictionaries(
                        st.sampled_from(["k", "sub", "name", "names"]), inner, max_size=3
                    )
                }
            ),
        ),
        st.fixed_dictionaries({}, optional={"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=2)}),
        rests(inner),
    ),
    max_leaves=5,
)


@given(SCHEMAS, st.lists(VALUES, min_size=1, max_size=4), st.data())
@settings(max_examples=500)
def test_a_whole_text_is_rejected_exactly_where_it_is_invalid(
    schema: AnySchema, values: list[Any], data: st.DataObject
) -> None:
    """And in the same words, at the same place, however it is chopped."""
    whole = of_value(schema)
    for value in values:
        text = json.dumps({"v": value}, ensure_ascii=data.draw(st.booleans()))
        problem = rejected(whole, [text])
        assert (problem is None) is is_valid(whole, text), (text, problem)
        places = data.draw(st.lists(st.integers(0, len(text)), max_size=6))
        assert rejected(whole, chopped(text, places)) == problem
        assert rejected(whole, text) == problem


@given(SCHEMAS, VALUES, st.lists(VALUES, min_size=1, max_size=6))
@settings(max_examples=500)
def test_nothing_that_follows_makes_a_rejected_text_valid(
    schema: AnySchema, value: Any, others: list[Any]
) -> None:
    """Tried: endings that close what is open, and the rests of other documents."""
    whole = of_value(schema)
    text = json.dumps({"v": value})
    problem = rejected(whole, [text])
    if problem is None:
        return
    start = text[: problem.at + 1]
    rests = ['"', "}", "]", "0", "e-9", "e9", ".5", ",", '": 1', "rue", "ull", "alse"]
    endings = ["".join(it) for n in range(4) for it in itertools.product(rests[:5], repeat=n)]
    endings += [a + b + "}" for a in rests for b in ("", "}", "]", '"', '"]', '"}', "]}")]
    for other in map(json.dumps, others):
        endings += [other[cut:] + end for cut in range(len(other)) for end in ("}", "]}", "}}")]
    for ending in endings:
        assert not is_valid(whole, start + ending), start + ending


INTEGER = {"type": "integer"}
EXACT: list[tuple[AnySchema, list[str]]] = [
    ({**INTEGER, "minimum": 15, "maximum": 340}, [str(n) for n in range(15, 341)]),
    ({**INTEGER, "minimum": -7, "maximum": 12}, ["-0", *map(str, range(-7, 13))]),
    (
        {**INTEGER, "exclusiveMinimum": -35, "exclusiveMaximum": -5},
        [str(n) for n in range(-34, -5)],
    ),
    ({**INTEGER, "minimum": 15, "maximum": 19}, ["15", "16", "17", "18", "19"]),
    ({**INTEGER, "minimum": 2.5, "maximum": 4.5}, ["3", "4"]),
    ({**INTEGER, "enum": [7, 12, 123, -4]}, ["7", "12", "123", "-4"]),
    ({**INTEGER, "enum": [0, 5]}, ["0", "-0", "5"]),
    ({"enum": ["aba", "ac", "b"]}, ['"aba"', '"ac"', '"b"']),
    ({"const": "ab"}, ['"ab"']),
    ({"type": "boolean"}, ["true", "false"]),
    ({"type": "boolean", "const": True}, ["true"]),
    ({"enum": ["nu", None, False]}, ['"nu"', "null", "false"]),
    ({"type": "string", "enum": ["a"], "nullable": True}, ['"a"']),
    ({"type": "string", "pattern": "^[ab]x{2}$"}, ['"axx"', '"bxx"']),
    (
        {"type": "string", "pattern": "^a", "maxLength": 2},
        ['"a"', *(f'"a{char}"' for char in "{}[],:-.0123570aelutfnkbxc")],
    ),
    ({"anyOf": [{"const": "ab"}, {"enum": ["ba", "bb"]}]}, ['"ab"', '"ba"', '"bb"']),
    ({"anyOf": [{**INTEGER, "minimum": 1, "maximum": 3}, {"const": "a"}]}, ["1", "2", "3", '"a"']),
    ({"oneOf": [{"const": "ab"}, {"type": "null"}]}, ['"ab"', "null"]),
    ({"$ref": "#/$defs/word"}, ['"one"', '"two"', '"three"']),
    (
        {"type": "array", "items": {**INTEGER, "enum": [1, 2]}, "maxItems": 2},
        ["[]", "[1]", "[2]", "[1,1]", "[1,2]", "[2,1]", "[2,2]"],
    ),
    ({"type": "array", "maxItems": 0}, ["[]"]),
    ({"type": "array", "prefixItems": [{"const": "a"}], "items": False}, ["[]", '["a"]']),
    (
        {
            "type": "object",
            "properties": {"ab": {"const": "x"}, "ac": {"const": "x"}},
            "required": ["ab"],
            "additionalProperties": False,
        },
        ['{"ab":"x"}', '{"ab":"x","ac":"x"}', '{"ac":"x","ab":"x"}'],
    ),
    ({"type": "object", "additionalProperties": False}, ["{}"]),
]  # fmt: skip
ALPHABET = '{}[],:"-.0123570aelutfnkbxc'


@pytest.mark.parametrize(("schema", "valid"), EXACT)
def test_it_is_rejected_at_the_first_character_that_decides(
    schema: AnySchema, valid: list[str]
) -> None:
    """All valid texts are known: each of their beginnings is taken, and no other one."""
    whole = of_value(schema)
    texts = [f'{{"v":{text}}}' for text in valid]
    assert all(is_valid(whole, text) or "nullable" in schema for text in texts)
    starts = {text[:length] for text in texts for length in range(len(text) + 1)}
    for start in starts:
        for char in ALPHABET:
            if len(start) < len('{"v":'):
                continue
            stream = SchemaStream(Schema(whole))
            stream.feed(start + char)
            if start + char in starts or start in texts:
                assert stream.problem is None, (start + char, stream.problem)
            else:
                assert stream.problem is not None, start + char
                no_json = stream.problem.why == "expected a value"  # told where it begins
                assert no_json or stream.problem.at == len(start), start + char


@pytest.mark.parametrize(
    ("schema", "text", "at"),
    [
        ({"type": "number", "maximum": 10}, "12e5", 3),
        ({"type": "number", "maximum": 10}, "12}", 2),
        ({"type": "number", "maximum": 10}, "12e-1}", None),
        ({"type": "number", "maximum": 10}, "12e+", 3),
        ({"type": "number", "minimum": 10}, "5e-", 2),
        ({"type": "number", "minimum": 1}, "0e", 1),
        ({"type": "number", "exclusiveMinimum": 0}, "-", 0),
        ({"type": "number", "minimum": 0}, "-0.0}", None),
        ({"type": "number", "maximum": -1}, "0", 0),
        ({"type": "number", "multipleOf": 0.1}, "0.3}", None),
        ({"type": "number", "multipleOf": 0.1}, "0.35}", 4),
        (INTEGER, "1.", 1),
        (INTEGER, "1e", 1),
        (INTEGER, "01", 1),
        (INTEGER, "--", 1),
        (INTEGER, "1" * 5000 + "}", 0),
        ({"type": "string", "minLength": 2}, '"a"', 2),
        ({"type": "string", "maxLength": 2}, '"a\\ud83d\\ude00"}', None),
        ({"type": "string", "maxLength": 1}, '"\\u0061\\u0062', 12),
        ({"enum": ["ab"]}, '"\\u0061\\u0063', 12),
        ({"type": "string", "pattern": "^(?!ab)"}, '"ab"', 3),
        ({"type": "string", "pattern": "^a*$"}, '"' + "a" * 300 + "b" + "a" * 90, 320),
        ({"type": "array", "uniqueItems": True}, "[1,true,1.0]", 11),
        ({"type": "array", "minItems": 2}, "[1]", 2),
        ({"type": "object", "required": ["a"]}, '{"b":{}}', 7),
        ({}, '{"a":1,"a"', 9),
        (
            {
                "anyOf": [
                    {"properties": {"a": {"const": "xy"}}, "required": ["b"]},
                    {"properties": {"a": {"const": "xz"}}},
                ]
            },
            '{"a":"xy"}',
            9,
        ),
        ({"$ref": "#/$defs/tree"}, '{"k":1,"sub":{"k":2,"sub":{"k":"', 31),
        ({}, "tru3", 3),
        ({}, "-Inf0", 4),
        ({"type": "number"}, "NaN}", None),
    ],
)
def test_where_a_text_is_rejected(schema: AnySchema, text: str, at: int | None) -> None:
    begin = '{"v":'
    for deltas in ([begin + text], begin + text):
        stream = SchemaStream(Schema(of_value(schema)))
        for delta in deltas:
            stream.feed(delta)
        found = stream.problem and stream.problem.at - len(begin)
        assert found == at, stream.problem


FORECAST = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer", "minimum": 1, "maximum": 7},
        "unit": {"enum": ["celsius", "kelvin"]},
        "near": {"type": "array", "items": {"type": "object", "properties": {"x": INTEGER}}},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "at": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        "by": {"anyOf": [{"type": "null"}, {"type": "string"}, INTEGER], "default": None},
    },
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            '{"t',
            "no argument is called 't'… (arguments: one of 'city', 'days', 'unit', 'near', 'note'",
        ),
        ('{"days": "', "days: must be an integer, not a string"),
        ('{"days": 8', "days: must be at least 1 and at most 7"),
        ('{"unit": "f', "unit: must be one of 'celsius', 'kelvin', not 'f'…"),
        ('{"near": [{"x": 1}, {"x": n', "near.1.x: must be an integer, not null"),
        ('{"days": 1}', "the argument 'city' is missing"),
        ('{"note": 1', "note: must be a string, not a number, or must be null, not a number"),
        ('{"at": "', "at: must be an integer, not a string$"),
        ('{"at": null, "by": [', "by: must be a string, not an array, or must be an integer, not"),
        ('{"by": 1, "at": t', "at: must be an integer, not a boolean$"),
        ('{"city": "Oslo", "c', "'city' is there twice"),
        ('{"city": "a" x', "expected ',' or '}'"),
    ],
)
def test_the_model_is_told_where_and_why(text: str, why: str) -> None:
    """The last character is the one that decides."""
    stream = SchemaStream(Schema(FORECAST))
    stream.feed(text[:-1])
    before = stream.problem
    stream.feed(text[-1])
    assert stream.problem is not None
    assert why in f"{stream.problem.why}$"
    assert before is None


def test_each_argument_is_told_when_it_is_closed() -> None:
    """With its value, and where it ends."""
    text = '{"city": "Oslo", "days": 3 , "near": [{"x": 1}]}  '
    found = []
    stream = SchemaStream(Schema(FORECAST))
    for count, char in enumerate(text, 1):
        found += [(count, closed) for closed in stream.feed(char)]
    assert found == [
        (15, Closed("city", "Oslo", 15)),
        (27, Closed("days", 3, 26)),
        (47, Closed("near", [{"x": 1}], 47)),
    ]
    assert stream.value == json.loads(text)
    assert stream.end == 48


def branching(depth: int) -> tuple[AnySchema, str]:
    """Alternatives that stay apart at every level, and a document that fits all."""
    one = {"type": "object", "properties": {"a": {"$ref": "#/$defs/t"}}}
    schema = {"$ref": "#/$defs/t", "$defs": {"t": {"anyOf": [one, {**one, "required": []}]}}}
    return schema, '{"a":' * depth + "{}" + "}" * depth


@pytest.mark.parametrize(
    "make",
    [
        lambda n: ({"properties": {"v": {"type": "string"}}}, '{"v":"' + "x" * 400 * n + '"}'),
        lambda n: (of_value({"pattern": "^(x+x+)+$"}), '{"v":"' + "x" * 40 * n + '"}'),
        lambda n: ({}, '{"v":[' + ",".join(["1.5"] * 100 * n) + "]}"),
        lambda n: ({}, '{"v":' + "7" * 15 * n + "}"),
        lambda n: branching(n // 3),
        lambda n: (of_value({"enum": ["x" * 300 * n]}), '{"v":"' + "x" * 300 * n + '"}'),
    ],
)
def test_the_work_grows_with_the_text(make: Callable[[int], tuple[AnySchema, str]]) -> None:
    """Calls made, in deltas of four characters, for texts three times as long."""
    few, many = (work(*make(n)) for n in (90, 270))
    assert many < 4 * few


def test_a_pattern_is_not_tried_at_each_character_of_a_long_text() -> None:
    """That would take the square of its length."""
    text = '{"v":"' + "x" * 40_000 + '"}'
    tried = work(of_value({"pattern": "^x*$"}), text) - work(of_value({"maxLength": 50_000}), text)
    assert tried < 20_000


def test_a_pattern_that_takes_too_long_is_given_up_in_a_long_text() -> None:
    """It says nothing any more: a server's pattern must not hold up everything else."""
    given_up = 0

    def called(_frame: object, event: str, function: object) -> None:
        nonlocal given_up
        given_up += event == "c_exception" and getattr(function, "__name__", "") == "search"

    stream = SchemaStream(Schema(of_value({"pattern": "^(a|aa)+$"})))
    sys.setprofile(called)
    try:
        for char in '{"v":"' + "a" * 45 + "b" + "c" * 30:
            stream.feed(char)
    finally:
        sys.setprofile(None)
    assert given_up == 1
    assert stream.problem is None


def work(schema: AnySchema, text: str) -> int:
    """How many functions are called to validate the text."""
    count = 0

    def called(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    stream = SchemaStream(Schema(schema))
    deltas = [text[at : at + 4] for at in range(0, len(text), 4)]
    sys.setprofile(called)
    try:
        for delta in deltas:
            stream.feed(delta)
    finally:
        sys.setprofile(None)
    assert stream.problem is None, stream.problem
    return count


@pytest.mark.parametrize(
    ("schema", "value", "why"),
    [
        ({"not": {"const": 3}}, 3, "3 should not be valid under {'const': 3}"),
        ({"if": {"minimum": 5}, "then": {"multipleOf": 5}}, 7, "7 is not a multiple of 5"),
        ({"contains": {"type": "string"}}, [1, 2], "[1, 2] does not contain items"),
        ({"propertyNames": {"maxLength": 2}}, {"abc": 1}, "'abc' is too long"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "'b' is a dependency of 'a'"),
        ({"maxProperties": 1}, {"a": 1, "b": 2}, "{'a': 1, 'b': 2} has too many properties"),
        ({"properties": {"a": {}}, "unevaluatedProperties": False}, {"b": 1}, "Unevaluated"),
        ({"not": {"$ref": "#/$defs/text"}}, "x" * 300, "…"),
    ],
)
def test_whole_values_are_judged_when_they_are_complete(
    schema: AnySchema, value: Any, why: str
) -> None:
    """Not at the end of the call: what follows is not waited for."""
    whole = {
        "type": "object",
        "properties": {"v": {"type": "array", "items": schema}},
        "$defs": {"text": {"type": "string"}},
    }
    text = f'{{"v": [{json.dumps(value)}'
    problem = rejected(whole, [text, ", "])
    assert problem is not None
    assert why in problem.why
    assert len(problem.why) < 250
    assert problem.why.startswith("v.0: ")
    assert problem.at in (len(text) - 1, len(text))  # a number's end is the character behind it


def test_a_reference_that_leads_nowhere_judges_nothing() -> None:
    """The whole check says so."""
    assert rejected(of_value({"not": {"$ref": "#/$defs/none"}}), ['{"v": 1}']) is None
    loop = {**of_value({"not": {"$ref": "#/$defs/x"}}), "$defs": {"x": {"$ref": "#/$defs/x"}}}
    assert rejected(loop, ['{"v": 1}']) is None
