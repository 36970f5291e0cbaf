"""MCP servers from the package indexes, none of them ours: called, killed, cancelled, cut."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conveyor_sandbox.reports import Ended, FileMade, Finished, Progressed, Report, Started
from conveyor_tools.argument_tool import ArgumentTool
from conveyor_tools.function import Answer, Effects, FunctionTool
from conveyor_tools.place import Place
from tests.tools.mcp_client.servers import hostile, processes, published, run, started
from tests.tools.sessions import Conversation


def value(answer: Answer) -> Any:
    assert answer.failure is None, answer.failure
    assert answer.result is not None
    return json.loads(answer.result)


def failed(answer: Answer) -> str:
    assert answer.failure is not None, answer.result
    return answer.failure.message


def called(command: list[str], name: str, **arguments: Any) -> Answer:
    async def work() -> Answer:
        async with started(command) as tools:
            return await tools[name].call(arguments)

    return run(work)


# What becomes of a server's tools


def test_tools_come_with_schema_description_and_effects() -> None:
    """Those of a server that only reads are pure."""

    async def work() -> dict[str, FunctionTool]:
        async with started(published("mcp-server-time")) as tools:
            return tools

    tools = run(work)
    convert = tools["convert_time"]
    assert convert.effects is Effects.PURE
    assert convert.signature.shown == "(source_timezone: str, time: str, target_timezone: str)"
    assert convert.schema["required"] == ["source_timezone", "time", "target_timezone"]
    assert convert.description == "Convert time between timezones"


def test_of_a_server_that_writes_no_tool_is_pure() -> None:
    """A read keeps its place after the write that it may depend on; only writes are asked about."""
    command = published("mcp-server-git")

    async def work() -> dict[str, Effects]:
        async with started(command) as tools:
            return {name: tool.effects for name, tool in tools.items()}

    effects = run(work)
    assert effects["git_log"] is Effects.REVERSIBLE
    assert effects["git_commit"] is Effects.EXTERNAL
    assert Effects.PURE not in effects.values()

    async def limited() -> dict[str, Effects]:
        async with started(command, tools=["git_log", "git_diff"]) as tools:
            return {name: tool.effects for name, tool in tools.items()}

    assert run(limited) == {"git_log": Effects.PURE, "git_diff": Effects.PURE}


def test_tools_are_named_as_the_server_does_or_as_python_would() -> None:
    async def work() -> dict[str, Effects]:
        options: dict[str, Any] = {"tools": ["get-sum", "get_sum", "get_tiny_image"],
                                   "effects": {"get_sum": "external"}}  # fmt: skip
        async with started(published("mcp-server-everything"), **options) as tools:
            return {name: tool.effects for name, tool in tools.items()}

    assert run(work) == {"get_sum": Effects.EXTERNAL, "get_tiny_image": Effects.REVERSIBLE}


def test_the_users_word_on_effects_counts() -> None:
    async def work() -> dict[str, Effects]:
        said = {"get_current_time": "external"}
        async with started(published("mcp-server-time"), effects=said) as tools:
            return {name: tool.effects for name, tool in tools.items()}

    assert run(work) == {
        "get_current_time": Effects.EXTERNAL, "convert_time": Effects.REVERSIBLE,
    }  # fmt: skip


# Results


def test_a_call_gives_what_the_server_says() -> None:
    answer = called(
        published("mcp-server-time"), "convert_time",
        source_timezone="UTC", time="12:00", target_timezone="Asia/Tokyo",
    )  # fmt: skip
    result = value(answer)
    result = json.loads(result) if isinstance(result, str) else result
    assert result["target"]["datetime"].endswith("T21:00:00+09:00")


def test_an_error_of_the_tool_is_told_in_its_words() -> None:
    answer = called(
        published("mcp-server-time"), "convert_time",
        source_timezone="Mars/Olympus", time="12:00", target_timezone="UTC",
    )  # fmt: skip
    assert "Mars/Olympus" in failed(answer)


def test_arguments_are_checked_before_the_server_sees_them() -> None:
    command = published("mcp-server-everything")
    assert "'b' is a required property" in failed(called(command, "get_sum", a=1))
    assert "a: 'x' is not of type 'number'" in failed(called(command, "get_sum", a="x", b=2))


def test_kinds_of_content() -> None:
    """Structure is given as it is; of what is binary a line says what it is."""

    async def work() -> list[Any]:
        async with started(published("mcp-server-everything")) as tools:
            return [
                value(await tools["echo"].call({"message": "hi"})),
                value(await tools["get_structured_content"].call({"location": "New York"})),
                value(await tools["get_tiny_image"].call({})),
                value(await tools["get_resource_reference"].call({"resourceType": "Text"})),
                value(await tools["get_resource_reference"].call({"resourceType": "Blob"})),
                value(await tools["get_resource_links"].call({"count": 2})),
            ]

    echo, structure, image, text, blob, links = run(work)
    assert echo == "Echo: hi"
    assert set(structure) == {"temperature", "conditions", "humidity"}
    assert re.search(r"^\[picture, image/png, \d{3,} bytes: not shown\]$", image, re.MULTILINE)
    assert re.search(r"^\[resource demo://\S+\]\nResource 1: ", text, re.MULTILINE)
    assert re.search(r"^\[resource demo://\S+, \S+, \d+ bytes: not shown\]$", blob, re.MULTILINE)
    assert len(re.findall(r"^\[link to .+: demo://\S+, \S+\]$", links, re.MULTILINE)) == 2


def heard(
    command: list[str], name: str, arguments: dict[str, Any], *, keeps_files: bool = False
) -> list[Report]:
    """What is reported of a call that a model makes."""

    async def work() -> list[Report]:
        async with started(command) as tools:
            place = Place(keeps_files=keeps_files)
            talk = Conversation(ArgumentTool(tools[name]), place)
            talk.write(1, json.dumps(arguments))
            talk.session.end(1)
            await talk.ended(1)
            await talk.session.close()
            return talk.reports

    return run(work)


def test_progress_is_heard_while_a_call_runs() -> None:
    reports = heard(
        published("mcp-server-everything"),
        "trigger_long_running_operation",
        {"duration": 1.5, "steps": 3},
    )
    told = [(it.text, it.fraction) for it in reports if isinstance(it, Progressed)]
    assert told[:2] == [("1 of 3", 1 / 3), ("2 of 3", 2 / 3)]
    assert isinstance(reports[0], Started)
    (finished,) = [at for at, it in enumerate(reports) if isinstance(it, Finished)]
    assert all(isinstance(it, Progressed) for it in reports[1:finished])


def test_a_picture_is_kept_for_the_user() -> None:
    """Where the task saves files: the answer says as what."""
    command = published("mcp-server-everything")
    reports = heard(command, "get_tiny_image", {}, keeps_files=True)
    (file,) = [it for it in reports if isinstance(it, FileMade)]
    assert file.name == "get_tiny_image-1.png"
    assert file.content.startswith(b"\x89PNG")
    assert "saved as get_tiny_image-1.png]" in _result(reports)
    reports = heard(command, "get_tiny_image", {})
    assert not any(isinstance(it, FileMade) for it in reports)
    assert "saved" not in _result(reports)


def _result(reports: list[Report]) -> str:
    (ended,) = [it for it in reports if isinstance(it, Ended)]
    return ended.outcome.result or ""


def test_what_is_no_picture_is_not_kept() -> None:
    """By its content and size, not by what the server says; and all of it in plain words."""
    reports = heard(hostile("pictures"), "echo", {"text": ""}, keeps_files=True)
    files = {it.name: it.content for it in reports if isinstance(it, FileMade)}
    assert files == {"echo-1.png": b"\x89PNG\r\n\x1a\n1", "echo-1-2.gif": b"GIF89a"}
    lines = _result(reports).split("\n")
    assert [re.sub(r"^\[(\w+).*?(: |$)", r"\1 ", line) for line in lines] == [
        "picture not shown, saved as echo-1.png]",
        "picture not shown, and of no kind that is saved]",
        "picture not shown, and of no kind that is saved]",
        "picture not shown, and too much to be saved]",
        "picture not shown, saved as echo-1-2.gif]",
        "audio not shown]",
        "link file:///etc/passwd]",
        "resource ", "its", "text",
        "resource not shown]",
    ]  # fmt: skip
    assert all(line.isprintable() for line in lines)


def test_a_flood_of_progress_is_thinned_and_plain() -> None:
    reports = heard(hostile("progress"), "echo", {"text": "x"})
    told = [it for it in reports if isinstance(it, Progressed)]
    assert 1 <= len(told) < 1000
    assert (told[0].fraction, told[0].text[:12]) == (0.25, "1 of 4: [31m")
    for it in told:
        assert it.text.isprintable()
        assert len(it.text) < 300
        assert it.fraction is not None
        assert 0 <= it.fraction <= 1
    assert _result(reports) == "said x"


def test_a_file_of_ten_megabytes_is_cut_visibly(tmp_path: Path) -> None:
    big = tmp_path / "big.txt"
    big.write_text("0123456789" * 1_000_000)
    command = published("mcp-server-filesystem", str(tmp_path))
    text = json.dumps(value(called(command, "read_text_file", path=str(big))))
    assert len(text) < 300_000
    assert "characters more" in text


def test_calls_run_side_by_side() -> None:
    """On one connection, each with its own answer: the first is the last to end."""

    async def work() -> list[Any]:
        async with started(published("mcp-server-everything")) as tools:
            slow = tools["trigger_long_running_operation"].call({"duration": 3600, "steps": 2})
            waiting = asyncio.create_task(slow)
            echoes = await asyncio.gather(
                *(tools["echo"].call({"message": str(number)}) for number in range(20))
            )
            assert not waiting.done()
            waiting.cancel()
            return [value(each) for each in echoes]

    assert run(work) == [f"Echo: {number}" for number in range(20)]


# What a server gets, and how it ends


def test_a_server_gets_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the task gives it, beside the plainest of the environment."""
    monkeypatch.setenv("NET_TEST_SECRET", "s3cret")
    monkeypatch.setenv("NET_TEST_GIVEN", "given")

    async def work() -> dict[str, str]:
        env = {"GIVEN": "${NET_TEST_GIVEN}"}
        async with started(published("mcp-server-everything"), env=env) as tools:
            found: dict[str, str] = json.loads(value(await tools["get_env"].call({})))
            return found

    found = run(work)
    assert found["GIVEN"] == "given"
    assert "s3cret" not in json.dumps(found)
    assert "PATH" in found


def test_a_server_that_is_killed_in_mid_call_is_started_again(tmp_path: Path) -> None:
    """The call fails; the next one goes well."""
    slow = published("mcp-server-everything", "stdio", str(tmp_path))

    async def work() -> tuple[str, Any]:
        async with started(slow) as tools:
            operation = tools["trigger_long_running_operation"]
            waiting = asyncio.create_task(operation.call({"duration": 3600, "steps": 2}))
            await tools["echo"].call({"message": "it has come there"})
            (server,) = [pid for pid in processes(str(tmp_path)) if _is_node(pid)]
            os.kill(server, signal.SIGKILL)
            message = failed(await waiting)
            return message, value(await tools["echo"].call({"message": "again"}))

    message, again = run(work)
    assert "has ended" in message
    assert again == "Echo: again"


def _is_node(pid: int) -> bool:
    return "node" in Path(f"/proc/{pid}/exe").readlink().name


def test_a_call_that_takes_too_long_is_given_up_and_the_server_goes_on() -> None:
    async def work() -> tuple[Answer, Any]:
        async with started(published("mcp-server-everything"), timeout=1) as tools:
            operation = tools["trigger_long_running_operation"]
            late = await operation.call({"duration": 3600, "steps": 2})
            return late, value(await tools["echo"].call({"message": "still here"}))

    late, echo = run(work)
    assert late.failure is not None
    assert late.failure.kind == "timeout"
    assert echo == "Echo: still here"


def test_nothing_is_left_of_a_server(tmp_path: Path) -> None:
    command = published("mcp-server-filesystem", str(tmp_path))

    async def work() -> int:
        async with started(command):
            return len(processes(str(tmp_path)))

    assert run(work) >= 1
    assert processes(str(tmp_path)) == []


# By URL


@contextmanager
def listening(kind: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The published server, reached by HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = published("mcp-server-everything", kind)
    process = subprocess.Popen(
        command, env=os.environ | {"PORT": str(port)}, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        for line in process.stderr:  # it says so when it listens
            if b"port" in line.lower():
                break
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.communicate(timeout=20)


@pytest.mark.parametrize(
    ("kind", "path", "transport"), [("streamableHttp", "/mcp", "http"), ("sse", "/sse", "sse")]
)
def test_a_server_by_url(kind: str, path: str, transport: str) -> None:
    with listening(kind) as (url, _):

        async def work() -> Any:
            async with started(url=url + path, transport=transport) as tools:
                return value(await tools["echo"].call({"message": "far"}))

        assert run(work) == "Echo: far"


def test_a_server_by_url_that_dies() -> None:
    with listening("streamableHttp") as (url, process):

        async def work() -> str:
            async with started(url=url + "/mcp", timeout=20) as tools:
                assert value(await tools["echo"].call({"message": "far"})) == "Echo: far"
                process.kill()
                process.wait()
                return failed(await tools["echo"].call({"message": "gone"}))

        message = run(work)
    assert "\n" not in message
    assert "ended" in message or "onnect" in message
