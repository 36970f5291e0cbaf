"""Calls written as Qwen3-Coder's tags: run for real, in both modes."""

from __future__ import annotations

from pathlib import Path

import pytest

from conveyor_cli.backends.base import Role
from conveyor_cli.performance import Performance
from tests.cli.command import Command, named
from tests.cli.dialects.formats import tagged
from tests.cli.test_json_calls import statuses, talk

SPOKEN = {"dialect": "qwen3-coder"}
LOOK = '''
from conveyor_tools.function import tool
from conveyor_tools.later import Later

@tool(effects="pure", ready_when={"query"})
async def look(query: str, limit: Later[int] = 3) -> str:
    """Look something up."""
    return f"{query} {await limit}"
'''


def told(run: Performance) -> list[str]:
    return [it.content for it in run.conversation if it.role is Role.TOOL]


def test_code_and_arguments_run_in_their_order(tmp_path: Path) -> None:
    """The text of a file, which holds tags itself, comes as it was written; numbers are numbers."""
    text = '<a>\n  "</parameter>" & é\n</a>'
    run = talk(
        tmp_path,
        tagged("files", operation="write", path="a.xml", content=text),
        tagged("python", code="print(ascii(open('a.xml').read()))\ntext = '''\n</parameter>\n'''")
        + "\n"
        + tagged("files", operation="read", path="a.xml", first_line="2", last_line="2")
        + tagged("calculator", expression="6 * 7"),
        model=SPOKEN,
        tools=["python", "files", "calculator"],
    )
    assert statuses(run)[1:] == [
        ("ok", None, f"{text!a}\n"),
        ("ok", None, ""),
        ("ok", None, ""),
    ]
    assert '"</parameter>" & é' in told(run)[2]
    assert told(run)[3] == "Result: 42"
    assert run.conversation[0].content.count('"name": "files"') == 1


def test_statements_start_while_the_parameter_is_written(conveyor: Command) -> None:
    code = "x = 1\n" + "".join(f"y{n} = {n}\n" for n in range(40)) + "x"
    script = conveyor.script(tagged("python", code=code), "ok")
    done = conveyor("run", "-p", "hi", "--script", script, "--sandbox", "local", "--json",
                    "--rate", "200", "-c", "model.dialect=qwen3-coder")  # fmt: skip
    assert done.code == 0, done.err
    (call,) = done.json["calls"]
    (closed,) = named(conveyor.journal(), "call_closed")
    assert call["units"][0]["started_at"] < closed["at"]
    assert call["result"] == "1"


@pytest.mark.parametrize("chunk", [1, 1000])
def test_it_is_known_where_an_argument_that_runs_stands(conveyor: Command, chunk: int) -> None:
    """In tags, though units are JSON: so the live view shows what is still to run, and no more."""
    conveyor.write("tools.py", LOOK)
    response = "Now:\n" + tagged("look", query='a "b"', limit="5")
    script = conveyor.script(response, "ok")
    done = conveyor("run", "-p", "hi", "--script", script, "--trust", "--chunk", chunk,
                    "-c", "tools=['./tools.py:look']",
                    "-c", "model.dialect=qwen3-coder")  # fmt: skip
    assert done.code == 0, done.err
    events = conveyor.journal()
    ready = [(it["text"], response[: it["end"]][-7:]) for it in named(events, "unit_ready")]
    assert ready == [(r'{"query": "a \"b\""', '>\na "b"'), (', "limit": 5', "imit>\n5")]
    (closed,) = named(events, "call_closed")
    assert response[closed["end"] :] == "\n</parameter>\n</function>\n</tool_call>"


def test_what_is_wrong_is_told_and_the_message_cut_there(tmp_path: Path) -> None:
    """A value of the wrong type, and one that is no argument: none of the call counts."""
    run = talk(
        tmp_path,
        tagged("files", operation="read", path="a", first_line="two") + "more",
        tagged("files", operation="read", where="a"),
        tagged("files", operation="wipe", path="a"),
        model=SPOKEN,
        tools=["files"],
    )
    assert [it[:2] for it in statuses(run)] == [("rolled_back", "arguments")] * 3
    first, second, third = told(run)
    assert "first_line: must be an integer, not a string" in first
    assert "no argument is called 'w'" in second
    assert "operation: must be one of 'read', 'write'" in third
    said = [it.content for it in run.conversation if it.role is Role.ASSISTANT]
    assert said[:3] == [
        tagged("files", operation="read", path="a", first_line="two"),
        tagged("files", operation="read", where=""),
        tagged("files", operation="wi"),
    ]
