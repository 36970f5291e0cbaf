"""Qwen3-Coder's tags: when an argument is known, where the message is cut, what is refused."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conveyor_cli.dialects.base import CallText, Closed, Fault, Invalid, Opened
from conveyor_cli.dialects.qwen3_coder import Qwen3CoderDialect
from conveyor_cli.dialects.qwen3_coder_prompt import instructions
from conveyor_cli.dialects.tagged_value import as_json, kinds_of_argument
from conveyor_tools.registry import find_tool
from tests.cli.dialects.calls import ARGUMENTS, read
from tests.cli.dialects.formats import SCHEMAS, tagged


def dialect() -> Qwen3CoderDialect:
    return Qwen3CoderDialect(ARGUMENTS, SCHEMAS)


def given_out(response: str) -> list[str]:
    """What each character of the response adds to the calls' text."""
    it = dialect()
    return [
        "".join(item.text for item in it.feed(char) if isinstance(item, CallText))
        for char in response
    ]


def test_a_text_is_given_out_while_it_is_written() -> None:
    """Only a newline waits, which may be that of the closing tag, and what may become a tag."""
    response = tagged("search", query='a\n"b < c')
    query = response.index("a\n")
    assert given_out(response)[query : query + 8] == ["a", "", '\\n\\"', "b", " ", "", "< ", "c"]


def test_an_argument_is_known_when_the_next_tag_shows_that_its_own_was_one() -> None:
    response = tagged("search", exact="true", limit="[1]", query="x")
    texts = given_out(response)
    for value, behind in ("true", "<parameter=limit"), ("[1]", "<parameter=query"):
        known = next(at for at, text in enumerate(texts) if text == value)
        assert known == response.index(behind) + len("<parameter=") - 1
    assert texts.index('"}') == response.index("</function>") + len("</function>") - 1


def test_the_end_of_code_is_told_before_the_call_is_closed() -> None:
    it = Qwen3CoderDialect({"shell": None}, {})
    assert [type(item) for item in it.feed("<tool_call>\n<function=shell>\n")] == [Opened, CallText]
    found = read(dialect(), [tagged("shell", command="ls")])
    assert found.calls[0].ended


def values(text: str) -> dict[str, Any]:
    """The parameters of a call by an independent reading (no tags in values)."""
    return dict(re.findall(r"<parameter=(\w+)>\n(.*?)\n</parameter>", text, re.DOTALL))


@pytest.mark.parametrize("name", ["python", "search"])
@given(value=st.text('aé\n\t"\\<é\U0001f600</parmet>', max_size=12))
def test_the_message_is_cut_within_a_value(name: str, value: str) -> None:
    """At each character, the tags are closed behind as much of it as the text has."""
    key = "code" if name == "python" else "query"
    response = f"Now\n{tagged('shell', command='ls')}\n{tagged(name, **{key: value})}\nmore"
    found = read(dialect(), [response])
    call = found.calls[1]
    if call.how != "closed":  # it is no Python in which the tag could be
        return
    before = response.rindex("\n<tool_call>")
    for length in range(len(call.text) + 1):
        cut = found.dialect.cut(length, 1)
        assert cut.startswith(response[:before])
        assert cut.endswith("\n</function>\n</tool_call>")
        text = call.text[:length]
        written = text if name == "python" else _decoded(text)
        if written is not None and "<" not in written:
            assert values(cut[before:])[key] == written
    assert found.dialect.cut(None, 1) == response.removesuffix("\nmore")


def _decoded(text: str) -> str | None:
    """The string in the beginning of `{"query": "…"}`; None around it, and in an escape."""
    inside = text.removeprefix('{"query": "')
    if inside == text or text.endswith(('"', "}", "\\")):
        return None
    try:
        return str(json.loads(f'"{inside}"', strict=True))
    except ValueError:
        return None


def test_the_message_is_cut_between_values() -> None:
    """A value that is no text is whole, or not there."""
    response = tagged("search", limit="[1, 2]", query="ab")
    found = read(dialect(), [response])
    whole = '{"limit": [1, 2], "query": "ab"}'
    assert found.calls[0].text == whole
    cut = found.dialect.cut(whole.index("query"), 0)
    assert values(cut) == {"limit": "[1, 2]", "query": ""}
    assert values(found.dialect.cut(whole.index("2"), 0)) == {"limit": "[1, 2]"}
    assert values(found.dialect.cut(whole.index("b"), 0)) == {"limit": "[1, 2]", "query": "a"}
    assert found.dialect.cut(len(whole), 0) == response
    assert values(found.dialect.cut(1, 0)) == {}


@pytest.mark.parametrize(
    ("response", "kept", "fault", "words"),
    [
        (
            tagged("rm", command="ls"), "<tool_call>\n<function=rm>\n</function>\n</tool_call>",
            Fault.UNKNOWN_TOOL, "no tool is called 'rm' (there is: python, shell, search)",
        ),
        (
            "a <tool_call>\n{", "a <tool_call>\n{\n</tool_call>",
            Fault.ARGUMENTS, "expected <function=NAME> behind <tool_call>",
        ),
        (
            "<tool_call>\n<function=python>\nprint(1)\n</function>\n</tool_call>",
            "<tool_call>\n<function=python>\np\n</function>\n</tool_call>",
            Fault.ARGUMENTS, "expected <parameter=NAME> or </function>",
        ),
        (
            tagged("python"), tagged("python"),
            Fault.ARGUMENTS, 'python needs the parameter "code"',
        ),
        (
            tagged("search", query="a").partition("\n</parameter>")[0], tagged("search", query="a"),
            Fault.ARGUMENTS, "expected </parameter>",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_run(response: str, kept: str, fault: Fault, words: str) -> None:
    """It is refused in words, and kept as it was written."""
    found = read(dialect(), [response])
    assert found.invalid is not None
    assert (found.invalid.fault, found.invalid.message) == (fault, words)
    assert found.dialect.cut(None, 0) == kept


def test_a_response_that_was_cut_off() -> None:
    """What has begun is left to the engine; what has not is refused."""
    it = dialect()
    items = [*it.feed("<tool_call>\n<function=shell>\n"), *it.finish(complete=False)]
    assert [(type(item), getattr(item, "fault", None)) for item in items] == [
        (Invalid, Fault.CUT_OFF)
    ]
    it = dialect()
    items = [*it.feed("<tool_call>\n<function=shell>\n<parameter=command>\nl")]
    assert items[-1] == CallText("l")
    assert list(it.finish(complete=False)) == []


def test_a_bare_call_gets_no_tag_in_the_conversation() -> None:
    """What stands there is what the model wrote, up to the end of its call."""
    found = read(dialect(), [f"Now\n{tagged('shell', '%s', command='ls')}\n</tool_call>"])
    assert found.dialect.cut(None, 0) == f"Now\n{tagged('shell', '%s', command='ls')}"


@pytest.mark.parametrize(
    ("schema", "text", "json_text"),
    [
        ({"type": "string"}, "5", '"5"'),
        ({"type": "integer"}, " 5\n", "5"),
        ({"type": "integer"}, "five", '"five"'),
        ({"type": "integer"}, '5, "b": 1', r'"5, \"b\": 1"'),
        ({"type": "number"}, "NaN", '"NaN"'),
        ({"type": "boolean"}, "False", "false"),
        ({"type": ["boolean", "string"]}, "Falsely", '"Falsely"'),
        ({"type": ["integer", "string"]}, "5", "5"),
        ({"type": ["integer", "string"]}, '"5"', r'"\"5\""'),
        ({"type": ["integer", "string"]}, "5.5.", '"5.5."'),
        ({"type": "array"}, '["a", {"b": 1}]', '["a", {"b": 1}]'),
        ({"type": "object"}, "[" * 100_000, '"' + "[" * 100_000 + '"'),
        ({"enum": ["a", "b"]}, "a", '"a"'),
        ({"enum": [1, 2]}, "1", "1"),
        ({"const": None}, "None", "null"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "null", "null"),
        ({"allOf": [{"type": ["integer", "string"]}, {"type": "string"}]}, "5", '"5"'),
        ({"$ref": "#/$defs/a~1b"}, "5", "5"),
        ({"$ref": "#/$defs/loop"}, "5", "5"),
        ({"$ref": "#/nowhere"}, "five", '"five"'),
        ({}, "five", '"five"'),
        ({}, '"five"', r'"\"five\""'),
        (True, "true", "true"),
    ],
)
def test_a_value_is_typed_by_the_schema(schema: Any, text: str, json_text: str) -> None:
    """A text stays as it is; all else is JSON, and what is none, a text that is refused later."""
    root = {
        "properties": {"a": schema},
        "$defs": {"a/b": {"type": "integer"}, "loop": {"$ref": "#/$defs/loop"}},
    }
    assert as_json(text, kinds_of_argument(root, "a")) == json_text


def test_instructions_are_those_of_the_format() -> None:
    """Where the template does not say them: with the tool's schema, and the form of a call."""
    told = instructions([find_tool("python")])
    assert '"name": "python"' in told
    assert tagged("example_function_name", example_parameter_1="value_1")[:80] in told


def test_a_call_closes_at_its_own_end() -> None:
    """The last tag is not waited for."""
    it = dialect()
    response = tagged("search", query="ls")
    end = response.index("</function>") + len("</function>")
    assert list(it.feed(response[:end]))[-2:] == [CallText("}"), Closed()]
    assert list(it.feed(response[end:])) == []
