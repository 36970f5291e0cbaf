"""The decoder of JSON objects, held against `json.loads`."""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterable
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conveyor_tools.json_literal import literal_end, literal_rest
from conveyor_tools.json_object import (
    Begun,
    Broken,
    Complete,
    Finished,
    JsonItem,
    ObjectDecoder,
    Piece,
)
from conveyor_tools.json_scanner import DEEPEST

CODE = ("arguments", "code")
WATCHED = [("name",), ("arguments",), CODE]


def decode(deltas: Iterable[str]) -> list[JsonItem]:
    """All that is said of a text that comes in these deltas, a string's pieces joined."""
    decoder = ObjectDecoder(WATCHED)
    items = [item for delta in deltas for item in decoder.feed(delta)] + decoder.flush()
    joined: list[JsonItem] = []
    for item in items:
        before = joined[-1] if joined else None
        if isinstance(item, Piece) and isinstance(before, Piece) and before.path == item.path:
            joined[-1] = Piece(item.path, before.text + item.text)
        else:
            joined.append(item)
    return joined


def chopped(text: str, places: Iterable[int]) -> list[str]:
    return [text[a:b] for a, b in itertools.pairwise([0, *sorted(places), len(text)])]


def same(one: object, other: object) -> bool:
    """Whether two values are the same, NaN and order of keys included."""
    return repr(one) == repr(other)


CHARS = st.one_of(
    st.characters(),  # with lone surrogates
    st.sampled_from('"\\/\n\t\r\x00\x1f\x7f\u2028😀\ud83d\ude00e'),
)


@st.composite
def literals(draw: st.DrawFn) -> str:
    """A JSON string literal, each character written in one of its ways."""
    parts = []
    for char in draw(st.lists(CHARS, max_size=8)):
        units = char.encode("utf-16-be", "surrogatepass").hex()
        escaped = "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
        plain = json.dumps(char, ensure_ascii=False)[1:-1]
        parts.append(draw(st.sampled_from([plain, escaped, escaped.upper().replace("U", "u")])))
    return f'"{"".join(parts)}"'


SPACE = st.text(" \t\n\r", max_size=2)
KEYS = st.one_of(
    st.sampled_from(['"code"', '"name"', '"arguments"', '"c\\u006fde"', '"x"']), literals()
)


@st.composite
def objects(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    members = draw(st.lists(st.tuples(KEYS, values), max_size=4))
    space = draw(SPACE)
    return "{" + ",".join(f"{space}{k}{space}:{space}{v}{space}" for k, v in members) + space + "}"


@st.composite
def lists(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    space = draw(SPACE)
    return "[" + space + f"{space},{space}".join(draw(st.lists(values, max_size=3))) + space + "]"


ATOMS = st.one_of(
    st.sampled_from(["true", "false", "null", "NaN", "-Infinity", "0", "-0", "1e999", "1E+2"]),
    st.floats().map(json.dumps),
    st.integers().map(str),
)
VALUES = st.recursive(
    st.one_of(literals(), ATOMS), lambda inner: st.one_of(objects(inner), lists(inner))
)
TEXTS = st.builds(lambda space, text: space + text, SPACE, objects(VALUES))


@given(TEXTS, st.data())
@settings(max_examples=400)
def test_the_value_is_that_of_json_loads(text: str, data: st.DataObject) -> None:
    """However it is chopped; the pieces of each string, joined, are its value."""
    places = data.draw(st.lists(st.integers(0, len(text)), max_size=6))
    items = decode(chopped(text, places))
    assert items == decode(text) or "NaN" in text
    complete = items[-1]
    assert isinstance(complete, Complete)
    assert complete.end == len(text)
    assert same(complete.value, json.loads(text))
    pieces: dict[tuple[str, ...], str] = {}
    for item in items:
        match item:
            case Begun(path, at):
                pieces[path] = ""
                assert text[at] not in " \t\n\r,:"
            case Piece(path, piece):
                pieces[path] += piece
            case Finished(path, str() as value):
                assert pieces[path] == value


@given(TEXTS, st.data())
@settings(max_examples=400)
def test_what_is_no_json_is_broken(text: str, data: st.DataObject) -> None:
    """A text with one change is accepted where json.loads accepts it, and nowhere else."""
    at = data.draw(st.integers(0, len(text)))
    new = data.draw(st.sampled_from(['"', "\\", ",", ":", "{", "}", "[", "]", "0", "\n", "u", "'"]))
    text = text[:at] + new + text[at + data.draw(st.integers(0, 1)) :]
    items = decode([text])
    assert items == decode(text) or "NaN" in text
    last = items[-1]
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        broken = isinstance(last, Broken)
        assert broken or (isinstance(last, Complete) and text[last.end :].strip())
    else:
        if isinstance(value, dict):
            assert isinstance(last, Complete)
            assert same(last.value, value)
        else:
            assert isinstance(last, Broken)


@given(st.lists(literals(), min_size=1, max_size=3))
@example(['"\\ud83d\\ude00"'])
@example(['"\\ud83d\\ud83d\\ude00\\ud83dx\\ud83d"'])
@settings(max_examples=300)
def test_each_character_comes_with_the_last_one_of_its_escape(written: list[str]) -> None:
    """A high surrogate alone may wait for the escape after it, or for the first other character."""
    text = '{"arguments":{' + ",".join(f'"code":{literal}' for literal in written) + "}}"
    decoder = ObjectDecoder(WATCHED)
    given_out = ""
    due = ""
    escape = re.compile(
        r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u([dD][89abAB]..)|\\u....|\\.|[^\\]", re.DOTALL
    )
    ends: dict[int, str] = {}
    pos = 0
    for literal in written:
        pos = text.index(literal, pos) + 1
        end = pos + len(literal) - 2
        while pos < end:
            token = escape.match(text, pos)
            assert token is not None
            pos = token.end()
            following = escape.match(text, pos)
            assert following is not None
            last = following.end() if token[1] else pos
            ends[last] = ends.get(last, "") + json.loads(f'"{token[0]}"')
    for count, char in enumerate(text, 1):
        for item in decoder.feed(char):
            given_out += item.text if isinstance(item, Piece) else ""
        due += ends.get(count, "")
        assert len(given_out) >= len(due), (text[:count], given_out)
    assert given_out == due


@pytest.mark.parametrize(
    ("text", "why", "at"),
    [
        ("", "not complete", 0),
        ('{"a": 1', "not complete", 7),
        ('{"a": "x', "not complete", 8),
        ('{"a": "\\ud83', "not complete", 12),
        ("[1]", "expected '{'", 0),
        ("\ufeff{}", "expected '{'", 0),
        ("{'a': 1}", "expected a key", 1),
        ('{"a": 1,}', "expected a key in double quotes", 8),
        ('{"a" 1}', "expected ':'", 5),
        ('{"a": }', "expected a value", 6),
        ('{"a": tru}', "expected a value", 6),
        ('{"a": 01}', "expected a value", 6),
        ('{"a": ' + "1" * 5000 + "}", "expected a value", 6),
        ('{"a": [1}', "expected ',' or ']'", 8),
        ('{"a": 1 "b"}', "expected ',' or '}'", 8),
        ('{"a": "x\n"}', "control character", 8),
        ('{"a": "\\q"}', "invalid escape", 7),
        ('{"a": "\\u12g4"}', "invalid escape", 7),
        ('{"a": ' + "[" * DEEPEST, "nested too deeply", 5 + DEEPEST),
    ],
)
def test_why_and_where(text: str, why: str, at: int) -> None:
    """What is wrong is said with its place, the same for every chopping."""
    for deltas in ([text], text):
        last = decode(deltas)[-1]
        assert isinstance(last, Broken)
        assert why in last.why
        assert last.at == at


def test_a_value_written_again_is_void() -> None:
    """Each beginning says so, of the value itself and of what holds it."""
    items = decode(['{"arguments":{"code":"a","code":1},"arguments":{"code":"b"}}'])
    begun = [(item.path, item.at) for item in items if isinstance(item, Begun)]
    assert begun == [
        (("arguments",), 13), (CODE, 21), (CODE, 32), (("arguments",), 47), (CODE, 55),
    ]  # fmt: skip
    assert items[-1] == Complete({"arguments": {"code": "b"}}, 60)


def test_only_watched_paths_are_told() -> None:
    """The same keys deeper down, or inside a list, are other values."""
    text = '{"code":"a","arguments":[{"code":"b"}],"x":{"arguments":{"code":"c"}}}'
    assert {item.path for item in decode(text) if isinstance(item, Begun)} == {("arguments",)}


def test_nothing_is_taken_after_the_end() -> None:
    """What follows the object is not its decoder's."""
    decoder = ObjectDecoder(WATCHED)
    assert decoder.feed('{"a":1} x') == [Complete({"a": 1}, 7)]
    assert decoder.feed("}") == decoder.flush() == []


@given(literals())
def test_where_a_part_of_a_literal_ends(literal: str) -> None:
    """`literal_end` finds the place in the text for every number of decoded characters."""
    value = json.loads(literal)
    text = f"{{{literal}}}"
    for length in range(len(value) + 1):
        end = literal_end(text, 2, length)
        assert json.loads(f'"{text[2:end]}"') == value[:length]
        assert literal_rest(text, end) == (value[length:], len(text) - 2)
    assert literal_end(text, 2, len(value) + 9) == len(text) - 2


@given(literals(), st.data())
def test_the_rest_of_a_literal_as_far_as_it_is_there(literal: str, data: st.DataObject) -> None:
    """An escape that is not complete, or none at all, ends it."""
    text = literal[1 : data.draw(st.integers(1, len(literal)))]
    end_quote = len(text) == len(literal) - 1
    decoded, end = literal_rest(text, 0)
    assert json.loads(f'"{text[:end]}"') == decoded
    assert text[end:] == ('"' if end_quote else "") or text[end] == "\\"
    assert len(text) - end < 12
    assert literal_rest("a\\qb", 0) == ("a", 1)


def calls(text: str, chunk: int) -> int:
    """How many functions are called, C functions included, while the text is decoded."""
    count = 0

    def profile(_frame: FrameType, event: str, _arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    decoder = ObjectDecoder(WATCHED)
    sys.setprofile(profile)
    try:
        for start in range(0, len(text), chunk):
            decoder.feed(text[start : start + chunk])
    finally:
        sys.setprofile(None)
    return count


class Watched(str):
    """A text that notes how many of its characters are copied."""

    __slots__ = ()
    copied = 0

    def __getitem__(self, key: Any) -> str:
        part = Watched(super().__getitem__(key))
        Watched.copied += len(part)
        return part

    def __radd__(self, other: str) -> str:
        Watched.copied += len(other) + len(self)
        return Watched(str(other) + str(self))


COSTLY = {
    "lines": '{"arguments":{"code":"' + r"x = \"a\"\n" * 2000,
    "one run": '{"arguments":{"code":"' + "x" * 20_000,
    "escapes": '{"arguments":{"code":"' + r"\ud83d" * 3000,
    "a long number": '{"a":' + "1" * 20_000,
    "spaces": "{" + " " * 20_000,
    "members": "{" + '"a":1,' * 3000,
    "nothing watched": '{"a":[' + '"\\n",' * 4000,
}


@pytest.mark.parametrize("name", COSTLY)
@pytest.mark.parametrize("chunk", [1, 4, 10**6])
def test_the_cost_is_linear(name: str, chunk: int) -> None:
    """Twice the text takes about twice the calls, and copies of a few times its length."""
    text = COSTLY[name]
    assert calls(text, chunk) < 2.3 * calls(text[: len(text) // 2], chunk) + 200
    Watched.copied = 0
    decoder = ObjectDecoder(WATCHED)
    for start in range(0, len(text), chunk):
        decoder.feed(Watched(text[start : start + chunk]))
    assert 0 < Watched.copied < 8 * len(text)
