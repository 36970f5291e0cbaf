"""The Hermes dialect: calls as JSON between tags."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conveyor_cli.dialects.base import (
    CallText,
    Closed,
    Fault,
    Invalid,
    Item,
    Opened,
    Prose,
    TextEnded,
    Withdrawn,
)
from conveyor_cli.dialects.hermes import HermesDialect, instructions
from conveyor_tools.json_literal import literal_end
from conveyor_tools.python import PythonTool

ARGUMENTS = {"python": "code", "shell": "command", "other": "code", "search": None}
"""The text of a call of the last one is the JSON of all its arguments."""


@dataclass
class Read:
    """What was found in a response: its items, text joined."""

    dialect: HermesDialect
    items: list[Item] = field(default_factory=list)

    def add(self, items: Iterable[Item]) -> None:
        for item in items:
            match item, self.items[-1:]:
                case Prose(text), [Prose(before)]:
                    self.items[-1] = Prose(before + text)
                case CallText(text), [CallText(before)]:
                    self.items[-1] = CallText(before + text)
                case _:
                    self.items.append(item)

    @property
    def prose(self) -> str:
        return "".join(item.text for item in self.items if isinstance(item, Prose))

    @property
    def calls(self) -> list[tuple[str, str, str]]:
        """The calls as the engine counts them: tool, text, how it ended."""
        found: list[tuple[str, str, str]] = []
        is_open = False
        for item in self.items:
            match item:
                case Opened(tool, _):
                    found.append((tool, "", ""))
                    is_open = True
                case CallText(text):
                    assert is_open
                    found[-1] = (found[-1][0], found[-1][1] + text, "")
                case TextEnded():
                    assert is_open
                case Closed() | Withdrawn():
                    assert is_open
                    found[-1] = (*found[-1][:2], type(item).__name__.lower())
                    is_open = False
                case Invalid(tool, _, fault, _):
                    if is_open:
                        found[-1] = (*found[-1][:2], fault.value)
                    else:
                        found.append((tool, "", fault.value))
                    is_open = False
        return found

    @property
    def invalid(self) -> Invalid:
        (item,) = [item for item in self.items if isinstance(item, Invalid)]
        return item


def read(deltas: Iterable[str], *, complete: bool = True) -> Read:
    found = Read(HermesDialect(ARGUMENTS))
    for delta in deltas:
        found.add(found.dialect.feed(delta))
    found.add(found.dialect.finish(complete=complete))
    return found


def call(code: str, tool: str = "python") -> str:
    """A call as Qwen2.5 writes it."""
    arguments = {ARGUMENTS.get(tool) or "code": code}
    return f"<tool_call>\n{json.dumps({'name': tool, 'arguments': arguments})}\n</tool_call>"


def raw(text: str) -> str:
    return f"<tool_call>\n{text}\n</tool_call>"


SMILE = r'"import x\nprint(\"\ud83d\ude00 </tool_call>\")"'
EXAMPLES = {
    "answer": "It is < 5, and </tool_call> or <tool are no <tool_calls>, nor is <thin",
    "qwen": f"Let me see.\n\n{call('a = 1' + chr(10) + 'print(a)')}\n{call('b')}",
    "hermes": raw(f'{{"arguments": {{"code": {SMILE}}}, "name": "python"}}') + "\n",
    "qwen 3": f"<think>\nI call <tool_call>{{}}</tool_call> now\n</think>\n\n{call('x')}",
    "spaces": '<tool_call>{ "name" :"shell" , "arguments":{"n":[1,{"command":2}],"command":"ls"} }'
    "   </tool_call> then",
    "again": raw(f'{{"name":"python","arguments":{{"code":"a\\nb","code":{SMILE},"x":1}}}}'),
    "arguments again": raw('{"name":"python","arguments":{"code":"a"},"arguments":{"code":"b"}}'),
    "name again": raw('{"name":"python","arguments":{"code":"a\\nb"},"name":"other"}'),
    "the same name again": raw('{"name":"python","arguments":{"code":"a"},"name":"python"}'),
    "not a string": raw('{"name":"python","arguments":{"code":"a","code":["b"]}}'),
    "unknown": raw('{"name":"rm -rf","arguments":{"code":"a"}}') + call("never"),
    "all": raw('{"name":"search","arguments": {"q":"\\u00e9 </tool_call>","n":[1,{"a":{}}]} }')
    + call("b"),
    "all first": raw('{"arguments" : {"q": "a"} , "name": "search"}'),
    "all again": raw('{"name":"search","arguments":{"q":1},"arguments":{"q":2}}'),
    "all, then one": raw('{"name":"search","arguments":{"code":"a"},"name":"python"}'),
    "all cut off": '<tool_call>\n{"name":"search","arguments":{"q":"b\\u00',
    "all broken": raw('{"name":"search","arguments":{"q":"b"]}}'),
    "no object": raw('{"name":"search","arguments":"a"}') + call("b"),
    "no brace": f"{call('a')}\n<tool_call>\n"
    '{"name": "python", "arguments": {"code": "b\\nc"}\n</tool_call>\n' + call("never"),
    "cut off": call("a") + '<tool_call>\n{"name": "python", "arguments": {"code": "b\\nc\\u00',
    "cut off before": '<tool_call>\n{"arguments": {"code": "b\\nc"}, "na',
    "no tag": '<tool_call>\n{"name": "python", "arguments": {"code": "b"}}\n</tool',
    "empty": call("") + raw("{}"),
}


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("name", EXAMPLES)
def test_chopping_is_invisible(name: str, *, complete: bool) -> None:
    """Every split into one, two or three deltas gives the same, and so does each character."""
    text = EXAMPLES[name]
    expected = read([text], complete=complete).items
    assert read(text, complete=complete).items == expected
    for a, b in itertools.combinations_with_replacement(range(len(text) + 1), 2):
        assert read([text[:a], text[a:b], text[b:]], complete=complete).items == expected


@pytest.mark.parametrize(
    ("name", "prose", "calls"),
    [
        ("answer", EXAMPLES["answer"], []),
        (
            "qwen",
            "Let me see.\n\n\n",
            [("python", "a = 1\nprint(a)", "closed"), ("python", "b", "closed")],
        ),
        ("hermes", "\n", [("python", 'import x\nprint("😀 </tool_call>")', "closed")]),
        ("qwen 3", "\n\n", [("python", "x", "closed")]),
        ("spaces", " then", [("shell", "ls", "closed")]),
        (
            "again",
            "",
            [
                ("python", "a\nb", "withdrawn"),
                ("python", 'import x\nprint("😀 </tool_call>")', "closed"),
            ],
        ),
        ("arguments again", "", [("python", "a", "withdrawn"), ("python", "b", "closed")]),
        ("name again", "", [("python", "a\nb", "withdrawn"), ("other", "a\nb", "closed")]),
        ("the same name again", "", [("python", "a", "closed")]),
        ("not a string", "", [("python", "a", "withdrawn"), ("python", "", "arguments")]),
        ("unknown", "", [("r", "", "unknown_tool")]),
        (
            "all",
            "",
            [
                ("search", '{"q":"\\u00e9 </tool_call>","n":[1,{"a":{}}]}', "closed"),
                ("python", "b", "closed"),
            ],
        ),
        ("all first", "", [("search", '{"q": "a"}', "closed")]),
        ("all again", "", [("search", '{"q":1}', "withdrawn"), ("search", '{"q":2}', "closed")]),
        ("all, then one", "", [("search", '{"code":"a"}', "withdrawn"), ("python", "a", "closed")]),
        ("all cut off", "", [("search", '{"q":"b\\u00', "arguments")]),
        ("all broken", "", [("search", '{"q":"b"]', "arguments")]),
        ("no object", "", [("search", '"a"', "arguments")]),
        ("no brace", "\n", [("python", "a", "closed"), ("python", "b\nc", "arguments")]),
        ("cut off", "", [("python", "a", "closed"), ("python", "b\nc", "arguments")]),
        ("cut off before", "", [("", "", "arguments")]),
        ("no tag", "", [("python", "b", "closed")]),
        ("empty", "", [("python", "", "closed"), ("", "", "arguments")]),
    ],
)
def test_what_is_found(name: str, prose: str, calls: list[tuple[str, str, str]]) -> None:
    """In a response that the model itself ended."""
    found = read([EXAMPLES[name]])
    assert (found.prose, found.calls) == (prose, calls)


def test_a_response_that_was_cut_off() -> None:
    """An open call is left open; one of which nothing could be opened is refused."""
    assert read([EXAMPLES["cut off"]], complete=False).calls[1] == ("python", "b\nc", "")
    assert read([EXAMPLES["no tag"]], complete=False).calls == [("python", "b", "")]
    for text in ("<tool_call>", EXAMPLES["cut off before"], raw('{"name": "python"}')[:-3]):
        ((_, _, how),) = read([text], complete=False).calls
        assert how == "cut_off"


@pytest.mark.parametrize(
    ("text", "fault", "words"),
    [
        ("python", Fault.ARGUMENTS, "expected '{', after '\\n'"),
        ('{"name": "python"}', Fault.ARGUMENTS, '"arguments", which is an object'),
        ('{"name": "python", "arguments": "x"}', Fault.ARGUMENTS, "which is an object"),
        ('{"name": "python", "arguments": {}}', Fault.ARGUMENTS, 'needs the argument "code"'),
        ('{"name": "python", "arguments": {"code": 1}}', Fault.ARGUMENTS, "which is a string"),
        ('{"name": ["python"], "arguments": {"code": "x"}}', Fault.ARGUMENTS, '"name"'),
        ('{"arguments": {"code": "x"}}', Fault.ARGUMENTS, '"name"'),
        ('{"name": "py", "arguments": {}}', Fault.UNKNOWN_TOOL, "python, shell"),
        ('{"name": "python", "arguments": {"code": "x\n"}}', Fault.ARGUMENTS, "write it as an"),
        ('{"name": "python", "arguments": {"code": "x"}} x', Fault.ARGUMENTS, "after the JSON"),
        ('{"a":' * 1000, Fault.ARGUMENTS, "nested too deeply"),
    ],
)
def test_what_cannot_be_run(text: str, fault: Fault, words: str) -> None:
    """It is said what is wrong, in one line that holds little of the model's own text."""
    item = read([raw(text) + call("never")]).invalid
    assert item.fault is fault
    assert words in item.message
    assert len(item.message) < 200
    assert "\n" not in item.message


def test_text_is_given_out_while_the_string_is_written() -> None:
    """Each character of the code comes with the delta that completes it."""
    dialect = HermesDialect(ARGUMENTS)
    response = call('a\n"b"')
    code = response.index('a\\n\\"b')
    given_out = [
        "".join(item.text for item in dialect.feed(char) if isinstance(item, CallText))
        for char in response
    ]
    assert given_out[code : code + 9] == ["a", "", "\n", "", '"', "b", "", '"', ""]


def test_the_end_of_the_text_is_told_at_the_closing_quote() -> None:
    """Before the call is closed: what is left of the text can be run then."""
    dialect = HermesDialect(ARGUMENTS)
    response = call("a")
    quote = response.index('"}}') + 1
    assert TextEnded() in list(dialect.feed(response[:quote]))
    assert list(dialect.feed(response[quote:])) == [Closed()]


def parsed(response: str) -> list[dict[str, Any]]:
    """The calls of a response, by an independent reading (no tags in strings)."""
    return [
        json.loads(part.partition("</tool_call>")[0]) for part in response.split("<tool_call>")[1:]
    ]


CODE = "s = '😀'\nif x:\n  \"y\"\nz\\n\n"
WRITTEN = json.dumps(CODE)
NAMED = '{"name": "python", "arguments": {"code": '


@pytest.mark.parametrize(
    "text",
    [
        f"{NAMED}{WRITTEN}}}}}\n</tool_call>\nmore",
        json.dumps({"name": "python", "arguments": {"code": CODE}}, ensure_ascii=False, indent=1)
        + "</tool_call>",
        f'{{"arguments": {{"a": 1, "code": {WRITTEN}, "b": 2}}, "name": "python"}}</tool_call>',
        f'{{"name": "other", "arguments": {{"code": {WRITTEN}}}, "name": "python"}}</tool_call>',
        f'{NAMED}"old", "code": {WRITTEN}}}}}\n</tool_call>',
        f"{NAMED}{WRITTEN} x",
        f"{NAMED}{WRITTEN[:-1]}",
    ],
)
def test_the_message_is_cut_after_a_unit(text: str) -> None:
    """What is left is a call that any reader of JSON takes, with as much of the code."""
    before = f"So:\n{call('first')}\n<tool_call>\n"
    found = read([before + text], complete="</tool_call>" in text)
    number = len(found.calls) - 1
    assert found.calls[-1][1] == CODE
    for length in range(len(CODE) + 1):
        cut = found.dialect.cut(length, number)
        assert cut.endswith("}\n</tool_call>")
        shared = literal_end(cut, cut.rindex('"code": "') + 9, length)
        assert (before + text)[:shared] == cut[:shared]
        first, second = parsed(cut)
        assert first["arguments"]["code"] == "first"
        assert second["name"] == "python"
        assert second["arguments"]["code"] == CODE[:length]
    assert found.dialect.cut(None, 0) == f"So:\n{call('first')}"
    assert found.dialect.cut(2, 0).endswith('{"code": "fi"}}\n</tool_call>')


@pytest.mark.parametrize("behind", [', "name": "search"}', "}"])
def test_the_message_is_cut_within_arguments(behind: str) -> None:
    """As JSON that closes, whose beginning is as it was written."""
    written = '{"q": "\\u00e9\\\\", "n": [-1.5, {"a": null}], "o": {"b": true}}'
    name = '"name": "search", ' if behind == "}" else ""
    before = f'<tool_call>\n{{{name}"arguments": '
    found = read([f"{before}{written}{behind}\n</tool_call>"])
    for length in range(1, len(written) + 1):
        cut = found.dialect.cut(length, 0)
        alike = itertools.takewhile(
            lambda pair: pair[0] == pair[1], zip(cut, before + written, strict=False)
        )
        assert len(list(alike)) >= len(before) + length - 5
        (call,) = parsed(cut)
        assert call["name"] == "search"
        assert set(call["arguments"]) <= {"", "q", "n", "o"}
    assert parsed(found.dialect.cut(None, 0))[0]["arguments"] == json.loads(written)


def test_a_name_is_refused_while_it_is_written() -> None:
    """With the first character that no tool's name has there."""
    dialect = HermesDialect(ARGUMENTS)
    begin = '<tool_call>\n{"name": "se'
    assert list(dialect.feed(begin)) == []
    (refused,) = list(dialect.feed("nd"))
    assert isinstance(refused, Invalid)
    assert (refused.tool, refused.fault) == ("sen", Fault.UNKNOWN_TOOL)
    assert "python, shell, other, search" in refused.message
    assert dialect.cut(None, 0) == f"{begin}n\n</tool_call>"


@pytest.mark.parametrize(
    ("response", "kept"),
    [
        ("a\n" + raw("{'x'}") + "b", "a\n<tool_call>\n{'\n</tool_call>"),
        (
            '<tool_call>\n{"name": "python", "arguments": {"code": "x"}\n</tool_call>\nb',
            '<tool_call>\n{"name": "python", "arguments": {"code": "x"}\n</tool_call>',
        ),
        (raw('{"name": "py"}') + "b", raw('{"name": "py"')),
        (raw('{"name": "pie", "arguments": {}}') + "b", raw('{"name": "pi')),
        (call("x")[:-3], call("x")),
        ('<tool_call>{"name": ', '<tool_call>{"name":\n</tool_call>'),
    ],
)
def test_an_invalid_call_is_kept_as_it_was_written(response: str, kept: str) -> None:
    """As far as it was read, and closed: the model sees what it did."""
    found = read([response])
    assert found.dialect.cut(None, len(found.calls) - 1) == kept


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            *("<tool_call>", "</tool_call>", "<think>", "</think>", "<tool", "_call>", "<", "</th"),
            *('{"name": "python", "arguments": {"code": "', '{"arguments": {"code": "', '"}}'),
            *('"}, "name": "python"}', '"name": "shell",', "x = 1\\n", "\\ud83d", "\\ude00", "\n"),
            *('{"name": "search", "arguments": {"q": [', '"name": "search",', '"q": 5', "]", "]}}"),
            *('"', "{", "}", ",", ":", "\\", "a", call("x"), '"code": "y"', '"command": "z",'),
        ]
    ),
    max_size=12,
).map("".join)


@given(FRAGMENTS, st.booleans(), st.data())
@settings(max_examples=500)
def test_chopping_of_mixtures(text: str, complete: bool, data: st.DataObject) -> None:  # noqa: FBT001
    """Any chopping of a mixture of all of it gives the same, and every cut is one that closes."""
    whole = read([text], complete=complete)
    places = data.draw(st.lists(st.integers(0, len(text)), max_size=8).map(sorted))
    deltas = [text[a:b] for a, b in itertools.pairwise([0, *places, len(text)])]
    assert read(deltas, complete=complete).items == whole.items
    assert read(text, complete=complete).items == whole.items
    for number, (tool, code, how) in enumerate(whole.calls):
        cut = whole.dialect.cut(None, number)
        assert cut.endswith("</tool_call>")
        assert len(cut) <= len(text) + 60
        if how in ("", "closed"):
            again = read([cut]).calls
            assert again[number][::2] == (tool, "closed")
            # What was cut in the middle of its JSON is closed there.
            assert again[number][1] == code or (tool == "search" and how == "")


@given(st.lists(st.tuples(st.sampled_from(list(ARGUMENTS)), st.text(max_size=20)), max_size=4))
def test_calls_come_in_their_order(wanted: list[tuple[str, str]]) -> None:
    """As many as there are, with the text that was meant."""
    response = "text\n".join(call(code, tool) for tool, code in wanted)
    meant = [(it, json.dumps({"code": text}) if it == "search" else text) for it, text in wanted]
    assert read(response).calls == [(*call, "closed") for call in meant]


def test_instructions_are_those_of_the_format() -> None:
    """The tool's signature in JSON between tags, and how a call is written."""
    text = instructions([PythonTool()])
    (signature,) = text.partition("<tools>\n")[2].partition("\n</tools>")[0].split("\n")
    function = json.loads(signature)["function"]
    assert function["name"] == "python"
    assert function["parameters"]["required"] == ["code"]
    assert '<tool_call>\n{"name": <function-name>' in text
    assert "```" not in text
