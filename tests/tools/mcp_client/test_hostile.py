"""A server that lies, floods, dies or never answers costs its own call, and leaves nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from conveyor_tools.errors import ToolLoadError
from conveyor_tools.function import Answer, Effects
from conveyor_tools.mcp import McpOptions, McpServer, read_options
from tests.tools.mcp_client.servers import hostile, processes, run, started
from tests.tools.web.rude import rude


def answers(
    mode: str, *texts: str, arguments: tuple[str, ...] = (), **options: Any
) -> list[Answer]:
    """What comes of calls of its one tool, one after another."""

    async def work() -> list[Answer]:
        async with started(hostile(mode, *arguments), **options) as tools:
            (tool,) = tools.values()
            return [await tool.call({"text": text}) for text in texts]

    return run(work)


def load_error(mode: str, **options: Any) -> str:
    with pytest.raises(ToolLoadError) as caught:
        answers(mode, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert "\x1b" not in message
    return message


# Starting


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("exits", "has ended: no licence"),
        ("no-hello", "no answer within 2 s"),
        ("names", "is no name of a tool"),
        ("many", "it has 1000 tools"),
        ("none", "it has no tools"),
        ("not-object", "this is not MCP"),
        ("bad-schema", "its schema is not valid"),
        ("huge-schema", "its schema is longer than"),
        ("endless-list", "tools"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_clear_line(mode: str, says: str) -> None:
    assert says in load_error(mode, start_timeout=2)


@pytest.mark.parametrize("command", [["no-such-program"], ["./no-such-file"], ["/"]])
def test_a_program_that_is_not_there(command: list[str]) -> None:
    async def work() -> None:
        async with started(command):
            pass

    with pytest.raises(ToolLoadError, match=r"no such program|ermission|directory"):
        run(work)


def test_a_thousand_tools_can_be_chosen_from() -> None:
    async def work() -> list[str]:
        async with started(hostile("many"), tools=["t7", "t999"]) as tools:
            return list(tools)

    assert run(work) == ["t7", "t999"]
    assert "it has no tool 'nope'" in load_error("many", tools=["nope"])


def test_texts_are_cleaned_and_cut() -> None:
    """What a person would not see is not told to the model either."""

    async def work() -> str:
        async with started(hostile("escapes")) as tools:
            return tools["echo"].description

    description = run(work)
    assert description.startswith("[31mred[0m back  zerowidth")
    assert len(description) == 1501


def test_names_that_clash_get_the_servers_name_before_them() -> None:
    async def work() -> list[str]:
        async with started(hostile("same"), name="mine") as tools:
            return list(tools)

    assert run(work) == ["a_b", "mine_a_b", "mine_print", "mine_class", "mine_9lives"]


def test_a_lie_about_effects_can_be_corrected() -> None:
    async def work(**options: Any) -> Effects:
        async with started(hostile("lying"), **options) as tools:
            return tools["wipe"].effects

    assert run(work) is Effects.PURE
    assert run(lambda: work(effects={"wipe": "external"})) is Effects.EXTERNAL


def test_parameters_that_python_cannot_write() -> None:
    async def work() -> str:
        async with started(hostile("odd-parameters")) as tools:
            return tools["echo"].signature.text

    assert run(work) == "(**arguments)"


# Calling


def test_a_slow_pattern_does_not_hang_us() -> None:
    (answer,) = answers("slow-pattern", "a" * 50 + "!")
    assert answer.result == f'"said {"a" * 50}!"'


def test_a_schema_elsewhere_is_not_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)  # noqa: FBT003 - its only signature
        port = str(server.getsockname()[1])
        (answer,) = answers("remote-schema", "x", arguments=(port,))
        with pytest.raises(BlockingIOError):
            server.accept()
    assert answer.failure is not None
    assert port in answer.failure.message


def test_ten_megabytes_are_cut_visibly() -> None:
    for mode in ("huge", "huge-structure"):
        (answer,) = answers(mode, "x")
        assert answer.result is not None
        assert len(answer.result) < 300_000
        assert "characters more" in answer.result


def test_garbage_between_messages_is_passed_over() -> None:
    first, second = answers("garbage", "a", "b")
    assert (first.result, second.result) == ('"said a"', '"said b"')


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("endless", "more than 67108864 bytes"),
        ("wrong", "this is not MCP"),
        ("dies", "the server has ended: Traceback | out of"),
        ("error", "no such row"),
    ],
)
def test_a_call_that_goes_wrong_is_told_in_one_line(mode: str, says: str) -> None:
    (answer,) = answers(mode, "x")
    assert answer.failure is not None
    assert says in answer.failure.message
    assert "\n" not in answer.failure.message
    assert "\x1b" not in answer.failure.message


def test_a_server_that_never_answers() -> None:
    for mode in ("never", "deaf"):
        (answer,) = answers(mode, "x", timeout=1)
        assert answer.failure is not None
        assert answer.failure.kind == "timeout"


def test_a_server_that_died_is_there_for_the_next_call(tmp_path: Path) -> None:
    first, second = answers("dies-once", "a", "b", arguments=(str(tmp_path / "died"),))
    assert first.failure is not None
    assert second.result == '"said b"'


def test_a_flood_of_errors_does_not_block_it() -> None:
    (answer,) = answers("floods-stderr", "x")
    assert answer.result == '"said x"'


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    with suppress(ConnectionError):
        while True:
            writer.write(b" " * 65536)
            await writer.drain()


PACKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
    b"Content-Length: 3\r\n\r\nabc"
)


OTHER = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"status": 1}'
)


def test_a_url_of_something_else() -> None:
    """JSON that is no message of the protocol: not a list of what a library misses in it."""

    async def work() -> str:
        async with rude(OTHER) as server:
            with pytest.raises(ToolLoadError) as caught:
                async with started(url=f"http://127.0.0.1:{server.port}/mcp"):
                    pass
            return str(caught.value)

    assert run(work).endswith("/mcp: this is not MCP: it answers with something else")


@pytest.mark.parametrize("answer", [_endless, PACKED, b"SSH-2.0-OpenSSH_9.2\r\n", b""])
def test_a_url_that_answers_wrongly_is_one_line(answer: Any) -> None:
    """Soon, however long the answer is."""

    async def work() -> str:
        async with rude(answer) as server:
            with pytest.raises(ToolLoadError) as caught:
                async with started(url=f"http://127.0.0.1:{server.port}/mcp"):
                    pass
            return str(caught.value)

    message = run(work)
    assert message.startswith("mcp: http://127.0.0.1:")
    assert "\n" not in message
    assert "no answer within" not in message


# Ending


def ended(mark: str, within: float = 0) -> bool:
    """Whether all of them end by themselves. Those that do not are ended."""
    deadline = time.monotonic() + within
    while processes(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = processes(mark)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return not left


def test_a_server_that_clings_is_killed_with_all_its_children(tmp_path: Path) -> None:
    """Though it ignores every request to end, and one child made a session of its own."""
    mark = str(tmp_path)

    async def work() -> int:
        async with started(hostile("clings", mark)):
            return len(processes(mark))

    assert run(work) >= 4
    assert ended(mark)


def test_one_that_never_says_hello_need_not_be_waited_for(tmp_path: Path) -> None:
    """When the run is stopped meanwhile: it is ended then."""

    async def work() -> None:
        command = hostile("no-hello", str(tmp_path))
        server = McpServer(McpOptions(command=tuple(command), start_timeout=3600))
        for _ in range(3000):
            if processes(str(tmp_path)):
                break
            await asyncio.sleep(0.02)
        async with asyncio.timeout(60):
            await server.close()

    run(work)
    assert ended(str(tmp_path))


_DRIVER = """
import asyncio, sys
from conveyor_tools.mcp import McpOptions, McpServer, read_options
async def main():
    server = McpServer(McpOptions(command=sys.argv[1:]))
    server.tools()
    print("started", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def test_nothing_outlives_a_program_that_is_killed(tmp_path: Path) -> None:
    """By SIGKILL: nobody could clean up. All is gone within 5 seconds."""
    mark = str(tmp_path / "mark")
    driver = subprocess.Popen(
        [sys.executable, "-c", _DRIVER, *hostile("clings", mark)], stdout=subprocess.PIPE
    )
    assert driver.stdout is not None
    assert driver.stdout.readline() == b"started\n"
    assert len(processes(mark)) >= 4
    driver.kill()
    driver.communicate()
    assert ended(mark, within=60)


def test_a_guard_that_is_killed_takes_its_server_along(tmp_path: Path) -> None:
    async def work() -> None:
        server = McpServer(McpOptions(command=tuple(hostile("fine", str(tmp_path)))))
        server.tools()
        guard = min(processes(str(tmp_path)))
        os.kill(guard, signal.SIGKILL)
        for _ in range(3000):
            if not processes(str(tmp_path)):
                break
            await asyncio.sleep(0.02)
        assert processes(str(tmp_path)) == []
        await server.close()

    run(work)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "either command"),
        ({"command": ["a"], "url": "http://a.test"}, "either command"),
        ({"command": []}, "mcp.command: must not be empty"),
        ({"url": "a.test:80"}, "mcp.url: write a URL such as https://"),
        ({"command": ["a"], "headers": {"a": "b"}}, "headers to a url"),
        ({"url": "http://a.test", "cwd": "."}, "belong to a command"),
        ({"command": ["a"], "env": {"A": "${NET_NOT_SET}"}}, "NET_NOT_SET"),
        ({"command": ["a"], "name": "a b"}, "name"),
        ({"command": ["a"], "port": 1}, "port"),
    ],
)
def test_options_that_will_not_do(options: dict[str, Any], says: str) -> None:
    """In one line, which names the option and says what to write."""
    with pytest.raises(ToolLoadError, match=says) as caught:
        read_options(options)
    assert "pydantic" not in str(caught.value)


def test_what_the_user_has_to_trust() -> None:
    """The whole command line, and where it runs; no secrets. A URL runs nothing here."""
    options = McpOptions(command=("npx", "a b"), cwd=Path("/x"), env={"KEY": "secret"})
    assert options.runs == "npx 'a b' in /x with KEY=…"
    assert McpOptions(url="https://a.test/mcp").runs is None


def test_a_command_runs_in_the_folder_of_its_task(tmp_path: Path) -> None:
    """Or where it says, from there. What is wrong is named with its field."""
    assert read_options({"command": ["a"]}, tmp_path).cwd == tmp_path
    assert read_options({"command": ["a"], "cwd": "sub"}, tmp_path).cwd == tmp_path / "sub"
    assert read_options({"url": "http://a.test"}, tmp_path).cwd is None
    with pytest.raises(ToolLoadError, match=r"^mcp\.timeout: input should be greater than 0$"):
        read_options({"command": ["a"], "timeout": 0})
    with pytest.raises(ToolLoadError, match=r"^mcp\.env\.A: the environment variable NET_NOT_SET"):
        read_options({"command": ["a"], "env": {"A": "${NET_NOT_SET}"}})
