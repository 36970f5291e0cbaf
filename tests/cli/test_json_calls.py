"""Calls written as JSON, several in a response: run for real, in both modes."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from conveyor_cli.backends.base import Role
from conveyor_cli.comparison import compare
from conveyor_cli.performance import Performance
from conveyor_cli.task import Task
from tests.cli.command import Command, docker, finish, named

DOCKER = pytest.param("docker", marks=pytest.mark.docker)
SANDBOXES = ["local", DOCKER]
SMILE = "\U0001f600"
EXISTS = "print('x' in globals())"


def call(code: str) -> str:
    arguments = json.dumps({"code": code})
    return f'<tool_call>\n{{"name": "python", "arguments": {arguments}}}\n</tool_call>'


def raw(text: str) -> str:
    return f"<tool_call>\n{text}\n</tool_call>"


def talk(
    folder: Path,
    *responses: str,
    sandbox: str = "local",
    model: dict[str, Any] | None = None,
    **settings: Any,
) -> Performance:
    """The run of a script in partial mode, which ends as the one in sequential mode does."""
    script = folder / "script.txt"
    script.write_text("\n<<<turn>>>\n".join([*responses, "done"]), "utf-8")
    task = Task.model_validate(
        {
            "name": "calls",
            "prompt": "hi",
            "model": {"backend": "scripted", "script": script, "rate": 400, "dialect": "hermes"}
            | (model or {}),
            "sandbox": {"kind": sandbox},
        }
        | settings
    )
    found = asyncio.run(compare(task, 1, lambda *_: None))
    assert found.differences == []
    return found.pairs[0][1]


def statuses(run: Performance) -> list[tuple[str, str | None, str]]:
    """Status, kind of error, and output of each call."""
    return [
        (call["status"], call["error"] and call["error"]["kind"], call["output"])
        for call in run.report["calls"]
    ]


def turn(run: Performance, number: int = 1) -> tuple[str, list[str]]:
    """What a turn left in the conversation: the model's message, and what it was told."""
    messages = iter(run.conversation)
    for _ in range(number):
        assistant = next(it for it in messages if it.role is Role.ASSISTANT)
    told = []
    for message in messages:
        if message.role is not Role.TOOL:
            break
        told.append(message.content)
    return assistant.content, told


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_calls_run_in_their_order(tmp_path: Path, sandbox: str) -> None:
    """Each its own call, with one state; what became of them is told together."""
    first = call("import time\nx = [1]\ntime.sleep(0.2)\nprint('slow', x)")
    second = raw('{"arguments": {"code": "x.append(2)\\nprint(x)\\nlen(x)"}, "name": "python"}')
    run = talk(tmp_path, f"Now:\n{first}\n{second}\nThat is all.", sandbox=sandbox)
    assert statuses(run) == [("ok", None, "slow [1]\n"), ("ok", None, "[1, 2]\n")]
    assert turn(run) == (
        f"Now:\n{first}\n{second}",
        ["Output:\nslow [1]\n", "Output:\n[1, 2]\n\n\nResult: 2"],
    )
    assert run.report["answer"] == "done"
    assert run.conversation[0].content.count('"name": "python"') == 1


def test_statements_start_while_the_string_is_written(conveyor: Command) -> None:
    """The second call is decoded while the first one runs, and waits for its end."""
    script = conveyor.script(
        f"{call('import time' + chr(10) + 'time.sleep(0.6)' + chr(10) + 'x = 1')}\n{call('x')}",
        "ok",
    )
    done = conveyor("run", "-p", "hi", "--script", script, "--sandbox", "local", "--json",
                    "--rate", "80", "-c", "model.dialect=hermes")  # fmt: skip
    assert done.code == 0, done.err
    first, second = done.json["calls"]
    events = conveyor.journal()
    closed = [event["at"] for event in named(events, "call_closed")]
    assert first["units"][0]["started_at"] < first["units"][2]["ready_at"] < closed[0]
    assert second["units"][0]["ready_at"] < first["units"][1]["finished_at"]
    assert second["units"][0]["started_at"] > first["units"][2]["finished_at"]
    assert [event["literal"] for event in named(events, "call_opened")] == [True, True]


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 11, 1000])
def test_escapes_are_cut_anywhere(tmp_path: Path, chunk: int) -> None:
    """Surrogate pairs, quotes and backslashes come out whole, however the text is chopped."""
    code = f'print("{SMILE}", "\\\\", \'"\', "</tool_call>", "\\ud83d".encode("utf-16", "replace"))'
    run = talk(tmp_path, call(f"s = '''\n```\n'''\n{code}\n"), model={"chunk": chunk})
    assert statuses(run) == [("ok", None, f"{SMILE} \\ \" </tool_call> b'\\xff\\xfe?\\x00'\n")]


@pytest.mark.parametrize("early_stop", [True, False])
@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_a_failed_statement_ends_the_response(
    tmp_path: Path,
    sandbox: str,
    early_stop: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The message is cut after it, as JSON that closes; later calls are neither run nor told."""
    code = f"x = 1\nprint('{SMILE}')\n1 / 0\n"
    rest = "y = 2\nprint('never')\n" * 20
    run = talk(
        tmp_path,
        f"Now\n{call('print(0)')}\n{call(code + rest)}\n{call(rest)}\n{call(rest)}",
        call("print('y' in globals(), x)"),
        sandbox=sandbox,
        early_stop=early_stop,
    )
    made = [made for made in statuses(run) if made[0] != "skipped"]
    assert made == [
        ("ok", None, "0\n"), ("error", "exception", f"{SMILE}\n"), ("ok", None, "False 1\n"),
    ]  # fmt: skip
    message, told = turn(run)
    assert message == f"Now\n{call('print(0)')}\n{call(code)}"
    assert len(told) == 2
    assert "Error at line 3. Lines before it were run. Nothing after it was run." in told[1]
    assert "never" not in told[1]


SLOW = "import time\ntime.sleep(0.3)\n"
LONG = call("x = 5\n" * 150)
"""Still being decoded when a call before it has slept."""


@pytest.mark.parametrize("early_stop", [True, False])
@pytest.mark.parametrize(
    ("ending", "how"),
    [
        ("1 / 0", ("error", "exception", "")),
        ("= 2", ("rolled_back", "syntax", "")),
        ("import sys; sys.exit(0)", ("ok", None, "")),
    ],
)
def test_calls_behind_the_one_that_ends_the_response_do_not_run(
    tmp_path: Path,
    ending: str,
    how: tuple[str, str | None, str],
    early_stop: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Neither one that was closed before that nor one that was still being decoded."""
    first = call(SLOW + ending)
    run = talk(
        tmp_path, f"{first}\n{call('x = 4')}\n{LONG}{LONG}", call(EXISTS), early_stop=early_stop
    )
    made = statuses(run)
    assert (made[0], made[-1]) == (how, ("ok", None, "False\n"))
    assert [status for status, *_ in made[1:-1]] == ["skipped"] * (2 if early_stop else 3)
    message, told = turn(run)
    assert message == first
    assert len(told) == 1


def test_a_call_that_is_skipped_takes_no_more_text(conveyor: Command) -> None:
    """`early_stop: false`: what is decoded after its end is no fact about it."""
    script = conveyor.script(f"{call(SLOW + '1 / 0')}{LONG}", "ok")
    done = conveyor("run", "-p", "hi", "--script", script, "--sandbox", "local", "--json",
                    "--rate", "400", "-c", "model.dialect=hermes",
                    "-c", "early_stop=false")  # fmt: skip
    assert [made["status"] for made in done.json["calls"]] == ["error", "skipped"]
    events = conveyor.journal()
    assert [event["call"] for event in named(events, "call_closed")] == [1, 2]
    (ended,) = [event["at"] for event in named(events, "call_ended") if event["call"] == 2]
    assert max(event["at"] for event in named(events, "unit_ready")) <= ended
    assert named(events, "decode_stopped")[0]["at"] > ended


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_a_late_duplicate_key_takes_back_what_ran(tmp_path: Path, sandbox: str) -> None:
    """The last value counts, as for every reader of JSON: what the first one did is undone."""
    text = (
        '{"name": "python", "arguments": {"code": "x = 1\\nprint(x)\\n", "t": [{}], "code": "%s"}}'
    )
    response = raw(text % EXISTS)
    run = talk(tmp_path, response, sandbox=sandbox)
    assert statuses(run) == [("rolled_back", "withdrawn", ""), ("ok", None, "False\n")]
    message, told = turn(run)
    assert message == response
    assert len(told) == 1
    assert told[0].startswith("Output:\nFalse\n")


def test_a_failure_before_a_duplicate_key_wins(tmp_path: Path) -> None:
    """As one before any other invalid text: in both modes, however late the key comes."""
    response = '{"name": "python", "arguments": {"code": "x = 1\\n1 / 0\\n", "code": "print(2)"}}'
    run = talk(tmp_path, raw(response), call("print(x)"))
    made = [made for made in statuses(run) if made[0] != "skipped"]
    assert made == [("error", "exception", ""), ("ok", None, "1\n")]
    assert turn(run)[0] == call("x = 1\n1 / 0\n")


BROKEN = {
    "a key without value": '{"name": "python", "arguments": {"code": "x = 1\\nprint(x)\\n", "a"}}',
    "a bad escape": '{"name": "python", "arguments": {"code": "x = 1\\nprint(x)\\ny = \\q"}}',
    "a real newline": '{"name": "python", "arguments": {"code": "x = 1\\nprint(x)\n"}}',
    "a missing brace": '{"name": "python", "arguments": {"code": "x = 1\\nprint(x)"}',
    "not a string": '{"name": "python", "arguments": {"code": "x = 1\\nprint(x)\\n", "code": 1}}',
}


@pytest.mark.parametrize("name", BROKEN)
def test_invalid_json_takes_back_what_ran(tmp_path: Path, name: str) -> None:
    """Nothing of the call counts, the model is told where it is wrong, and the run goes on."""
    run = talk(tmp_path, f"{raw(BROKEN[name])}\n{call('never')}", call(EXISTS))
    first, *_, last = statuses(run)
    assert first[0] == "rolled_back"
    assert first[1] == ("withdrawn" if name == "not a string" else "arguments")
    assert last == ("ok", None, "False\n")
    message, told = turn(run)
    assert message.endswith("</tool_call>")
    assert "never" not in message
    assert len(told) == 1
    assert told[0].startswith("The call is not valid, so none of it counts as run: ")
    words = {"not a string": "which is a string", "a bad escape": "invalid escape"}
    assert words.get(name, "not valid JSON at character") in told[0]


def test_a_failure_before_invalid_json_wins(tmp_path: Path) -> None:
    """In both modes."""
    response = raw('{"name": "python", "arguments": {"code": "1 / 0\\nprint(1)\\n", oops}}')
    run = talk(tmp_path, response)
    assert statuses(run) == [("error", "exception", "")]
    assert turn(run)[0] == call("1 / 0\n")


def test_a_syntax_error_ends_the_response(tmp_path: Path) -> None:
    """What stands before it in its call is taken back; later calls do not run."""
    run = talk(tmp_path, f"{call('x = 1' + chr(10) + '= 2')}\n{call('print(2)')}", call(EXISTS))
    made = [made for made in statuses(run) if made[0] != "skipped"]
    assert made == [("rolled_back", "syntax", ""), ("ok", None, "False\n")]
    assert turn(run)[0] == call("x = 1\n= 2")


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ('{"name": "rm", "arguments": {"code": "print(1)"}}', "error", "no tool's name begins"),
        ('{"name": "python", "arguments": {}}', "rolled_back", 'needs the argument "code"'),
        ("print(1)", "rolled_back", "not valid JSON"),
    ],
)
def test_a_call_that_names_nothing_to_run(
    tmp_path: Path, text: str, status: str, words: str
) -> None:
    """It is an error value that the model is told, after the calls before it; the run goes on."""
    run = talk(tmp_path, f"{call('print(0)')}{raw(text)}{call('never')}", call("print(1)"))
    (first, second, third) = statuses(run)
    assert (first, second[0], third) == (("ok", None, "0\n"), status, ("ok", None, "1\n"))
    assert words in turn(run)[1][1]
    assert list(run.timeline.lanes) == ["workspace"]


def test_reasoning_never_runs(tmp_path: Path) -> None:
    """A call in it is none, and it is no part of the answer."""
    run = talk(tmp_path, f"<think>\n{call('print(1)')}</think>\n{call('print(2)')}")
    assert statuses(run) == [("ok", None, "2\n")]


def tokens_of(text: str) -> int:
    return -(-len(text) // 4)


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_the_token_limit_cuts_off_the_last_call_alone(tmp_path: Path, sandbox: str) -> None:
    """Earlier calls keep what they did."""
    first, second = call("x = 1\nprint(x)"), call("x = 2\nprint(x)\nprint('tail')")
    run = talk(
        tmp_path,
        f"{first}\n{second}",
        call(EXISTS),
        sandbox=sandbox,
        model={"max_new_tokens": tokens_of(f"{first}\n{second}") - 9},
    )
    assert statuses(run)[:2] == [("ok", None, "1\n"), ("rolled_back", "cut_off", "")]
    message, told = turn(run)
    assert message == f"{first}\n{call('x = 2' + chr(10) + 'print')}"
    assert told[1].startswith("None of it counts as run: the response was cut off")


def test_a_call_cut_off_while_it_waits_never_starts(tmp_path: Path) -> None:
    """Behind a call that still runs there is nothing to interrupt, and nothing to undo."""
    response = f"{call(SLOW)}\n{call('x = 2' + chr(10) + 'print(x)')}"
    run = talk(tmp_path, response, call(EXISTS), model={"max_new_tokens": tokens_of(response) - 6})
    assert statuses(run)[1:] == [("rolled_back", "cut_off", ""), ("ok", None, "False\n")]
    (unit,) = run.report["calls"][1]["units"]
    assert unit["started_at"] is None


def test_a_response_cut_off_before_its_call_says_what_to_run(tmp_path: Path) -> None:
    """It is no answer: the model is told, and goes on."""
    run = talk(tmp_path, call("x = 1"), model={"max_new_tokens": 8})
    assert statuses(run) == [("rolled_back", "cut_off", "")]
    assert run.report["answer"] == "done"


def test_exit_ends_the_response_in_both_modes(tmp_path: Path) -> None:
    """`sys.exit(0)` ends its call well, and what the model wrote after it did not count on that."""
    run = talk(tmp_path, f"{call('import sys; sys.exit(0)')}\n{call('print(1)')}")
    assert [made for made in statuses(run) if made[0] != "skipped"] == [("ok", None, "")]


def test_a_script_speaks_in_fences_unless_told_otherwise(tmp_path: Path) -> None:
    """`auto` without a chat template."""
    response = f"{call('print(1)')}\n```python\nprint(2)\n```"
    run = talk(tmp_path, response, model={"dialect": "auto"})
    assert statuses(run) == [("ok", None, "2\n")]
    assert [message.role for message in run.conversation] == _roles("system user assistant user")
    assert "```python" in run.conversation[0].content


def _roles(words: str) -> list[Role]:
    return [Role(word) for word in [*words.split(), "assistant"]]


def test_half_a_pair_is_no_text(tmp_path: Path) -> None:
    """A lone surrogate is decoded as every reader of JSON does, and told to be no Python."""
    run = talk(
        tmp_path, raw('{"name": "python", "arguments": {"code": "x = 1\\ny = \'\\ud83d\'"}}')
    )
    assert [made[0] for made in statuses(run)] == ["rolled_back"]


def test_ctrl_c_takes_back_what_is_not_over(conveyor: Command) -> None:
    """The first call is over and stays; the one that runs is cancelled, the one behind skipped."""
    slow = call("print('begun', flush=True)\nimport time\ntime.sleep(60)")
    script = conveyor.script(f"{call('x = 1')}\n{slow}\n{call('print(3)')}", "never")
    process = conveyor.start("run", "-p", "hi", "--script", script, "--plain", "--json",
                             "--rate", "300", "--sandbox", "local",
                             "-c", "model.dialect=hermes")  # fmt: skip
    conveyor.wait_for('"text": "begun')
    conveyor.wait_for('"call": 3, "text": "print(3)", "complete": true')
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code == 130
    assert [call["status"] for call in done.json["calls"]] == ["ok", "cancelled", "skipped"]
    assert len(named(conveyor.journal(), "call_ended")) == 3


@pytest.mark.docker
def test_a_sandbox_that_dies_skips_the_calls_behind(conveyor: Command) -> None:
    """They would have run in it; the model goes on in a fresh one."""
    slow = call("print('begun')\nimport time\ntime.sleep(30)")
    script = conveyor.script(f"{slow}\n{call('print(1)')}", call("print(2)"), "ok")
    process = conveyor.start("run", "-p", "hi", "--script", script, "--sandbox", "docker", "--json",
                             "--plain", "--rate", "2000", "-c", "model.dialect=hermes")  # fmt: skip
    for line in process.stderr:
        if b"call       2 closed" in line:
            break
    docker("kill", *conveyor.containers())
    done = finish(process)
    assert done.code == 0, done.err
    first, second, third = done.json["calls"]
    assert first["error"]["kind"] == "sandbox_died"
    assert (second["status"], third["output"]) == ("skipped", "2\n")
