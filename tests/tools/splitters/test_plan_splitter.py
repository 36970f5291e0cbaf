"""Plans are cut into steps at the ends of their lines; what is no plan is seen at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conveyor_tools.errors import ToolError
from conveyor_tools.function import Effects
from conveyor_tools.plan_step import StepReader
from conveyor_tools.plan_strings import END, StepNumbers
from conveyor_tools.plan_values import Reference, Step, Template
from conveyor_tools.splitters.base import Unit
from conveyor_tools.splitters.plan import PlanSplitter
from tests.tools.splitters.feeding import pieces
from tests.tools.splitters.programs import chopped


@dataclass(frozen=True)
class Stub:
    """A tool, as far as a splitter knows it."""

    name: str
    properties: dict[str, Any]
    required: tuple[str, ...] = ()
    effects: Effects = Effects.PURE
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": self.properties,
            "required": list(self.required),
            "additionalProperties": False,
            **self.extra,
        }

    def effects_of(self, arguments: Mapping[str, Any]) -> Effects:
        return self.effects if arguments.get("text") == "x" else Effects.PURE

    def check(self, name: str, value: Any) -> None:
        if value == "forbidden":
            raise ToolError(f"{name} must not be that")


STRING = {"type": "string"}
TOOLS = {
    tool.name: tool
    for tool in (
        Stub("search", {"query": STRING, "limit": {"type": "integer", "minimum": 0}}, ("query",)),
        Stub("sum", {"numbers": {"type": "array", "items": {"type": "number"}}}, ("numbers",)),
        Stub("send", {"text": STRING, "to": {"anyOf": [STRING, {"type": "null"}]}},
             ("text",), Effects.EXTERNAL),
        Stub("keep", {"text": STRING}, ("text",), Effects.REVERSIBLE),
        Stub("wait", {"until": {"anyOf": [STRING, {"type": "null"}], "default": None}}),
        Stub("place", {"at": {"$ref": "#/$defs/Point"}}, ("at",), extra={
            "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number"}}}}}),
    )
}  # fmt: skip


def split(deltas: Iterable[str]) -> tuple[list[Unit], str | None]:
    """The units of a plan that comes in these pieces, and what is wrong with it."""
    splitter = PlanSplitter(TOOLS)
    units = [unit for delta in deltas for unit in splitter.feed(delta)] + splitter.flush()
    return units, splitter.problem and splitter.problem.message


def afters(plan: str) -> list[tuple[int, ...] | None]:
    units, problem = split([plan])
    assert problem is None
    return [unit.after for unit in units if not unit.blank]


def step(text: str, known: Iterable[int] = ()) -> Step | None:
    """The step that a text holds, any tool being known."""
    reader = StepReader(None, StepNumbers(known))
    for char in text:
        assert not reader.take(char)
    assert reader.take(END)
    return reader.step


PLAN = """\
# Two things at once
$1 = search("north")
$2 = search(query="south", limit=3)  # the other one

$3 = sum([
    $1[0].score,
    $2[0]["score"],
])
$4 = search(query='''
>>> ${3} <<<
''')
"""


def test_a_step_is_released_with_its_line() -> None:
    """At the line break outside of brackets and strings, and not one character later."""
    splitter = PlanSplitter(TOOLS)
    at = [n for n, char in enumerate(PLAN, 1) for _ in splitter.feed(char)]
    ends = ['"north")\n', "other one\n", "\n])\n", "''')\n"]
    assert at == [PLAN.index(end) + len(end) for end in ends]
    assert splitter.released == len(PLAN)
    assert splitter.flush() == []


def test_units_are_the_text() -> None:
    """Joined, they are the plan; their spans are those of the steps without what is before them."""
    units, problem = split([PLAN + "# the end\n"])
    assert problem is None
    assert "".join(unit.text for unit in units) == PLAN + "# the end\n"
    assert [(it.index, it.line, it.span, it.blank) for it in units] == [
        (0, 1, (2, 2), False),
        (1, 3, (3, 3), False),
        (2, 4, (5, 8), False),
        (3, 9, (9, 11), False),
        (4, 12, (12, 12), True),
    ]


def test_steps_wait_for_what_they_use() -> None:
    """And for nothing else."""
    assert afters(PLAN) == [(), (), (0, 1), (2,)]


def test_effects_wait_for_all_before_them() -> None:
    """A step that changes something must not run where one before it has failed."""
    plan = (
        '$1 = search("a")\n$2 = send("x")\n$3 = search("b")\n$4 = keep("${1}")\n$5 = search("$3")'
    )
    assert afters(plan) == [(), (0,), (), (0, 1, 2), (2,)]
    units, _ = split([plan])
    assert [unit.external for unit in units] == [False, True, False, True, False]


def test_a_call_may_do_less_than_its_tool_can() -> None:
    """As far as its arguments say so; what they are from is not known."""
    units, _ = split(["$1 = send('nothing')\n$2 = send(text=\"${1}\")\n$3 = send('x')\n"])
    assert [unit.external for unit in units] == [False, True, True]


def test_the_plans_of_llmcompiler() -> None:
    """Numbers with a dot, results named in strings, thoughts, and a `join` that joins nothing."""
    plan = (
        '1. search("Oslo")\n2. search("$1")\nThought: I can sum.\n'
        "3. sum([$1])\n4. join()<END_OF_PLAN>\n"
    )
    assert afters(plan) == [(), (0,), (0,)]
    units, _ = split([plan])
    assert units[-1].blank


MARK = "⌷"
"""Stands before the character that shows the problem."""
PROBLEMS = [
    ("⌷hello", "a step is written"),
    ("$1 ⌷- sum", "a step is written"),
    ("$⌷x", "a step is written"),
    ("0⌷. sum", "a step is written"),
    ("$1 = se⌷x", "no tool is called 'sex'… (there is: keep, place, search, send, sum, wait)"),
    ("$1 = sear⌷(", "no tool is called 'sear'"),
    ("$1 = search(q⌷x", "search has no argument 'qx'… (it takes: query, limit)"),
    ("$1 = search(que⌷=", "search has no argument 'que'"),
    ("$1 = search('a', ⌷qu", "search has no argument 'q'"),
    ("$1 = search(⌷5", "query must be a string, not a number"),
    ("$1 = search(query=⌷[", "query must be a string, not a list"),
    ("$1 = search(query=⌷n", "here a string must stand, not 'n'"),
    ("$1 = search('a', ⌷'b'", "limit must be an integer, not a string"),
    ("$1 = search('a', limit=1.5⌷)", "limit must be an integer, not a fraction"),
    ("$1 = search(limit=1, ⌷'a'", "arguments without a name stand before"),
    ("$1 = search('a', 1, ⌷2", "search takes 2 arguments at most"),
    ("$1 = search(limit=2⌷)", "the argument 'query' of search is missing"),
    ("$1 = sum([1, ⌷'a'", "numbers[] must be a number, not a string"),
    ("$1 = place({'x': ⌷'a'", "at.x must be a number, not a string"),
    ("$1 = place(⌷'a'", "at must be a dict, not a string"),
    ("$1 = place({⌷1", "a key must be a string"),
    ("$1 = send('a', ⌷1", "to must be a string or null, not a number"),
    ("$1 = wait(⌷1", "until must be a string, not a number"),
    ("$1 = search('a⌷\n", "a string ends before its line does"),
    ("$1 = search('forbidden'⌷,", "query must not be that"),
    ("$1 = search('a', -1⌷)", "limit: "),
    ("$1 = search('a' ⌷'b'", ", is missing"),
    ("$1 = search('a') ⌷x", "a step ends with its line"),
    ("$1 = search('a')⌷$2", "a step ends with its line"),
    ("$1 = search('a'⌷]", ", is missing"),
    ("$1 = search($⌷1", "there is no step $1 before this one"),
    ("$1 = search('${⌷2", "there is no step $2 before this one"),
    ("$1 = search('a')\n$2 = search($1⌷2", "there is no step $12 before this one"),
    ("$1 = search('a')\n$2 = search($1.⌷[", "after . a field's name must stand"),
    ("$1 = search('a')\n$2 = search($1[⌷x", "in [ ] a number or a string"),
    ("$1 = search('a')\n$1⌷ = ", "there is a step $1 already"),
    ("$1 = search('\\u12⌷g", "4 hexadecimal digits"),
]


@pytest.mark.parametrize(("marked", "message"), PROBLEMS)
def test_a_problem_shows_at_its_character(marked: str, message: str) -> None:
    """Not before it: what stands before could still become a plan."""
    text, _, rest = marked.partition(MARK)
    splitter = PlanSplitter(TOOLS)
    for char in text:
        splitter.feed(char)
        assert splitter.problem is None, char
    splitter.feed(rest[0])
    assert splitter.problem is not None
    line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    assert splitter.problem.message.startswith(f"line {line}, column {column}: {message}")


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_nothing_is_released_after_a_problem(chunk: int) -> None:
    """The steps before it were; what kind of problem it is, the engine is told."""
    splitter = PlanSplitter(TOOLS)
    plan = '$1 = search("a")\n$2 = find("b")\n$3 = search("c")\n'
    units = [unit for piece in pieces(plan, chunk) for unit in splitter.feed(piece)]
    assert [unit.index for unit in units] == [0]
    assert splitter.flush() == []
    assert splitter.problem is not None
    assert splitter.problem.kind == "unknown_tool"
    assert splitter.may_end()


@pytest.mark.parametrize("text", ["$1 = search('a'", '$1 = search("""a', "$1", "$1 = search"])
def test_the_text_may_end_in_a_step(text: str) -> None:
    """Then it is no plan."""
    units, problem = split([text])
    assert units == []
    assert problem is not None


def test_a_fence_may_stand_in_a_string() -> None:
    """Only in one that may hold line breaks."""
    splitter = PlanSplitter(TOOLS)
    splitter.feed('$1 = search("')
    assert splitter.may_end()
    splitter.feed('a")\n$2 = search("""')
    assert not splitter.may_end()
    splitter.feed("\n<<<\n")
    splitter.truncate(len('$1 = search("a")\n$2 = search('))
    assert splitter.may_end()
    assert [unit.text for unit in splitter.feed("'b')\n")] == ["$2 = search('b')\n"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    """Lines are counted as in any text, and a CR LF that is cut in two is one."""
    plan = end.join(["", '$1 = search("a")', '$2 = search("""x', 'y""")', "$3 = sear("])
    units, problem = split(plan)
    assert [unit.span for unit in units] == [(2, 2), (3, 4)]
    assert problem is not None
    assert problem.startswith("line 5, column 10: ")


@given(st.data())
def test_the_chopping_changes_nothing(data: st.DataObject) -> None:
    """Of plans, and of what is no plan any more."""
    lines = [
        *PLAN.splitlines(keepends=True),
        "$9 = sum([1,\r\n2])\r",
        "$9 = sum()",
        "1. join()",
        "x",
    ]
    text = "".join(data.draw(st.lists(st.sampled_from(lines), max_size=6)))
    assert split(data.draw(chopped(text))) == split([text]) == split(text)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False,
                                                                      allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)  # fmt: skip


@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True), PLAIN, max_size=3))
def test_literals_of_python_and_json(values: dict[str, Any]) -> None:
    """They are what Python and JSON say."""
    for written in (repr, json.dumps, lambda it: json.dumps(it, ensure_ascii=False)):
        text = ", ".join(f"{name}={_escaped(written(value))}" for name, value in values.items())
        found = step(f"$1 = tool({text})")
        assert found is not None
        assert found.arguments == values
        assert [*map(type, found.arguments.values())] == [*map(type, values.values())]


def _escaped(literal: str) -> str:
    """A literal whose text is no reference by chance."""
    return literal.replace("${", "$${")


def test_references() -> None:
    """In values, lists, dicts and strings; with fields and items; a string stays a string."""
    found = step(
        "$9 = f($1, [${2}.a[-1]], {'k': $1['b c'].d}, 'x${1.n} $1 $${2}', '$2', '$3', \"$\")",
        [1, 2],
    )
    assert found is not None
    assert [*found.arguments.values()] == [
        Reference(1),
        [Reference(2, ("a", -1))],
        {"k": Reference(1, ("b c", "d"))},
        Template(("x", Reference(1, ("n",)), " $1 ${2}")),
        Template((Reference(2),)),
        "$3",
        "$",
    ]
    assert found.uses == {1, 2}


@given(st.text(alphabet="$1=. seachum(\",)[]{}'\\\n#0", max_size=40))
def test_any_text_is_a_plan_or_has_a_problem(text: str) -> None:
    """It is never half taken: without a problem, the units are the text."""
    units, problem = split([text])
    assert problem is not None or "".join(unit.text for unit in units) == text


def test_deep_and_long_texts() -> None:
    """Are refused, not followed."""
    assert "inside each other" in str(split(["$1 = place({'y': " + "[" * 60])[1])
    assert "more than" in str(split(["$1 = sum([" + "1" * 9999])[1])
