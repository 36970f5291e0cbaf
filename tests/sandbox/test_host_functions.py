"""Functions of the host, called by code in both real sandboxes; and code that abuses them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from conveyor_sandbox.docker import DockerSandbox
from conveyor_sandbox.local import LocalSandbox
from conveyor_sandbox.reports import (
    Called,
    Checked,
    Dropped,
    Ended,
    Finished,
    Output,
    Report,
    Started,
    Status,
)
from conveyor_sandbox.sandbox import HostFunction, Limits, SandboxSpec
from tests.sandbox.conftest import KINDS, Call, Lab, open_lab

SEARCH = HostFunction(
    "search", "(query: 'str', limit: 'int' = 10, *, lang: 'str' = ...) -> 'list[str]'", "Find it."
)


class Desk(Lab):
    """A lab that answers calls of `search` as a test says."""

    def __init__(self, *parts: Any) -> None:
        self._seen: list[Report] = []
        super().__init__(*parts)

    def until(self, *kinds: type) -> list[Report]:
        reports = super().until(*kinds)
        self._seen += reports
        return reports

    def finish(self) -> Call:
        """The whole call, whatever of it has been looked at."""
        self.until(Ended)
        call, self._seen = Call(self._seen), []
        return call

    def answer(self, called: Called, result: object) -> None:
        self.do(self._reply(called, json.dumps(result), ok=True))

    def refuse(self, called: Called, why: str) -> None:
        self.do(self._reply(called, why, ok=False))

    async def _reply(self, called: Called, text: str, *, ok: bool) -> None:
        self.guest.reply(called.number, text, ok=ok)

    def called(self) -> Called:
        """The next call of a function."""
        report = self.until(Called)[-1]
        assert isinstance(report, Called), report
        return report

    def echo(self, *units: str) -> Call:
        """A call whose calls of functions are all answered with their own arguments."""
        self.send(*units)
        while isinstance(called := self.until(Called, Ended)[-1], Called):
            self.answer(called, json.loads(called.arguments))
        call, self._seen = Call(self._seen), []
        return call


def open_desk(kind: str, **limits: float) -> Iterator[Desk]:
    made = DockerSandbox if kind == "docker" else LocalSandbox
    spec = SandboxSpec(limits=Limits(**limits), functions=(SEARCH,))
    with open_lab(made(spec), Desk) as lab:
        assert isinstance(lab, Desk)
        yield lab


@pytest.fixture(params=KINDS)
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    yield from open_desk(request.param)


@pytest.fixture(params=KINDS)
def hasty_desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """With a unit timeout of half a second."""
    yield from open_desk(request.param, unit_timeout=0.5)


# What a call is


def test_arguments_and_results_are_plain_data(desk: Desk) -> None:
    """Positional and named arguments arrive by name; defaults that are no data are not sent."""
    call = desk.echo("print(search('a', lang='é\\ud800'))\n", "search(['x', None, 1.5], 2)\n")
    first, second = call.of(Called)
    assert json.loads(first.arguments) == {"query": "a", "limit": 10, "lang": "é\ud800"}
    assert (first.function, first.unit.index, second.unit.index) == ("search", 0, 1)
    assert call.stdout == "{'query': 'a', 'limit': 10, 'lang': 'é\\ud800'}\n"
    assert call.outcome.result == "{'query': ['x', None, 1.5], 'limit': 2}"


def test_it_looks_like_a_function(desk: Desk) -> None:
    """`inspect.signature`, `help` and Python's own errors know its parameters."""
    call = desk.call("import inspect\n", "print(inspect.signature(search))\n", "help(search)\n")
    shown = "(query: str, limit: int = 10, *, lang: str = Ellipsis) -> list[str]"
    assert call.stdout.startswith(f"{shown}\nHelp on function search in module __main__:")
    assert "Find it." in call.stdout
    call = desk.call("search(1, 2, 3)\n")
    assert call.units[0].failure is not None
    assert (
        call.units[0].failure.message
        == "search() takes from 1 to 2 positional arguments but 3 were given"
    )


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        ("object()", "Object of type object is not JSON serializable"),
        ("float('nan')", "Out of range float values are not JSON compliant"),
        ("{1, 2}", "Object of type set is not JSON serializable"),
    ],
)
def test_other_data_is_a_type_error(desk: Desk, argument: str, why: str) -> None:
    """What is not plain data never leaves the sandbox."""
    call = desk.echo(f"search({argument})\n")
    assert call.of(Called) == []
    failure = call.units[0].failure
    assert failure is not None
    assert failure.type == "TypeError"
    assert failure.message.startswith(f"search() takes plain data: {why}")


def test_a_failed_call_raises_tool_error(desk: Desk) -> None:
    """It can be caught; where it is not, the traceback ends in the code that called."""
    desk.send("try:\n    search('a')\nexcept ToolError as e:\n    print(e)\n", "search('b')\n")
    desk.refuse(desk.called(), "no index")
    desk.refuse(desk.called(), "no index either")
    call = desk.finish()
    assert call.stdout == "no index\n"
    failure = call.units[-1].failure
    assert failure is not None
    assert failure.traceback == (
        "Traceback (most recent call last):\n"
        '  File "<call 1>", line 5, in <module>\n'
        "    search('b')\n"
        "ToolError: no index either\n"
    )


def test_names_may_be_shadowed_and_deleted(desk: Desk) -> None:
    """The functions are ordinary names of the code."""
    assert desk.call("search = len\n", "search('abc')\n").outcome.result == "3"
    call = desk.call("del search, ToolError\n", "search('a')\n")
    assert call.units[-1].failure is not None
    assert call.units[-1].failure.type == "NameError"


def test_a_new_interpreter_has_them_too(desk: Desk) -> None:
    """A worker that replaces a lost one defines them again."""
    desk.call("import os\n", "os._exit(1)\n")
    assert desk.echo("search('a')['query']\n").outcome.result == "'a'"


# Side by side


def test_async_code_awaits(desk: Desk) -> None:
    """In a coroutine it is awaited, in parallel with others, also within a comprehension."""
    desk.send(
        "import asyncio\n",
        "async def main():\n"
        "    print(await search('first'))\n"
        "    return await asyncio.gather(*[search(q) for q in 'ab'], *(search(q) for q in 'cd'))\n",
        "asyncio.run(main())\n",
    )
    desk.answer(desk.called(), 1)
    asked = [desk.called() for _ in range(4)]
    assert all(called.waits for called in asked)
    for called in reversed(asked):
        desk.answer(called, json.loads(called.arguments)["query"].upper())
    call = desk.finish()
    assert (call.stdout, call.outcome.result) == ("1\n", "['A', 'B', 'C', 'D']")


def test_sync_code_in_a_coroutine_gets_the_value(desk: Desk) -> None:
    """A plain function called by a coroutine is sync code: its call blocks."""
    call = desk.echo(
        "import asyncio\n",
        "def ask(q):\n    return search(q)['query']\n",
        "async def main():\n    return ask('a'), (await asyncio.to_thread(search, 'b'))['query']\n",
        "asyncio.run(main())\n",
    )
    assert call.outcome.result == "('a', 'b')"


def test_a_cancelled_task_drops_its_call(desk: Desk) -> None:
    """The host is told that nobody waits any more."""
    desk.send(
        "import asyncio\n",
        "async def main():\n    await asyncio.wait_for(search('a'), 0.2)\n",
        "asyncio.run(main())\n",
    )
    called = desk.called()
    dropped = desk.until(Dropped)[-1]
    assert isinstance(dropped, Dropped)
    assert dropped.number == called.number
    desk.answer(called, 1)  # too late, and nobody's
    assert desk.finish().kinds[-1] == "exception"
    assert desk.alive()


def test_a_child_does_not_keep_its_parents_calls(desk: Desk) -> None:
    """A process forked meanwhile has the connection too; the call ends with its caller."""
    desk.send(
        "import asyncio, os, time\n",
        "async def main():\n"
        "    task = asyncio.create_task(search('a'))\n"
        "    await asyncio.sleep(0.2)\n"
        "    if not os.fork():\n"
        "        time.sleep(30); os._exit(0)\n"
        "    task.cancel()\n",
        "asyncio.run(main())\n",
    )
    began = time.monotonic()
    desk.until(Dropped)
    assert time.monotonic() - began < 10


def test_threads_and_children_call_side_by_side(desk: Desk) -> None:
    """Each gets its own answer; only what the main thread waits for stops the clock."""
    desk.send(
        "from concurrent.futures import ThreadPoolExecutor\n",
        "with ThreadPoolExecutor(8) as pool:\n    found = list(pool.map(search, range(8)))\n",
        "import os\n",
        "r, w = os.pipe()\n",
        "if not os.fork():\n    os.write(w, search('child').encode()); os._exit(0)\n",
        "found, os.read(r, 99), os.wait()[1]\n",
    )
    asked = [desk.called() for _ in range(8)]
    assert not any(called.waits for called in asked)
    for called in reversed(asked):
        desk.answer(called, json.loads(called.arguments)["query"])
    desk.answer(desk.called(), "hello")
    assert desk.finish().outcome.result == "([0, 1, 2, 3, 4, 5, 6, 7], b'hello', 0)"


def test_more_calls_at_once_than_connections(desk: Desk) -> None:
    """Further calls wait for earlier ones; none is lost."""
    count = 200
    desk.send(
        "import asyncio\n",
        f"async def main():\n    return sum(await asyncio.gather(*map(search, range({count}))))\n",
        "asyncio.run(main())\n",
    )
    for _ in range(count):
        desk.answer(desk.called(), 1)
    assert desk.finish().outcome.result == str(count)


# Time and interruption


def test_the_clock_stands_while_code_waits(hasty_desk: Desk) -> None:
    """Waiting for an answer does not count towards the unit's timeout; the rest does."""
    hasty_desk.send("print(search('a'))\n", "search('b')\nwhile True: pass\n")
    called = hasty_desk.called()
    time.sleep(1.2)
    hasty_desk.answer(called, 1)
    called = hasty_desk.called()
    time.sleep(0.3)
    hasty_desk.answer(called, 1)
    call = hasty_desk.finish()
    assert call.stdout == "1\n"
    assert call.kinds == ["ok", "timeout"]
    assert hasty_desk.alive()


def test_a_thread_that_waits_does_not_stop_the_clock(hasty_desk: Desk) -> None:
    """Else a unit could run for as long as it likes."""
    hasty_desk.send(
        "import threading\n", "threading.Thread(target=search, args=['a']).start()\nwhile 1: pass\n"
    )
    hasty_desk.called()
    assert hasty_desk.finish().kinds == ["ok", "timeout"]


def test_cancelling_drops_the_call(desk: Desk) -> None:
    """A unit that is interrupted while it waits ends at once, and its call with it."""
    number = desk.send("search('a')\n")
    desk.called()
    desk.do(cancel(desk, number))
    call = desk.finish()
    assert call.of(Dropped) or desk.until(Dropped)
    assert call.units[0].status is Status.CANCELLED
    assert desk.alive()


async def cancel(desk: Desk, number: int) -> None:
    desk.guest.cancel(number)


def test_a_worker_that_dies_drops_its_calls(desk: Desk) -> None:
    """So does one that is killed."""
    desk.send(
        "import os, threading, time\n",
        "threading.Thread(target=search, args=['a']).start()\ntime.sleep(0.5)\n"
        "os.kill(os.getpid(), 9)\n",
    )
    desk.called()
    assert desk.finish().of(Dropped) or desk.until(Dropped)
    assert desk.echo("search('b')['query']\n").outcome.result == "'b'"


# Abuse


def test_a_large_argument_is_refused_in_the_sandbox(desk: Desk) -> None:
    """10 MB never leave it."""
    call = desk.echo("search('x' * 10_000_000)\n")
    assert call.of(Called) == []
    assert call.units[0].failure is not None
    assert call.units[0].failure.type == "ToolError"
    assert desk.alive()


FORGE = """\
import json, socket
address = search.__globals__["_call"].__self__._address
def say(data, read=True):
    link = socket.socket(socket.AF_UNIX)
    link.connect(address)
    try:
        link.sendall(data)
        return link.recv(99) if read else link
    except OSError:
        return b''
"""


@pytest.mark.parametrize(
    "said",
    [
        "b'not json\\n'",
        "b'[]\\n'",
        'b\'{"tool": 1, "arguments": "{}"}\\n\'',
        'b\'{"tool": "search", "arguments": {}}\\n\'',
        "b'[' * 200_000 + b'\\n'",
        "b'x' * 10_000_000",
        "b'\\xff\\n'",
    ],
)
def test_forged_calls_are_hung_up_on(desk: Desk, said: str) -> None:
    """What no function of ours would say ends its connection, and nothing else."""
    call = desk.call(FORGE, f"say({said})\n")
    assert call.of(Called) == []
    assert call.outcome.result == "b''"
    assert desk.echo("search('b')['query']\n").outcome.result == "'b'"


def test_forged_replies_reach_nobody(desk: Desk) -> None:
    """The code cannot answer its own calls: what it writes after a call is not looked at."""
    ask = b'{"tool": "search", "arguments": "{}", "waits": true}\n'
    desk.send(
        FORGE,
        f"a = say({ask!r}, read=False)\n",
        'a.sendall(b\'{"op": "reply", "id": 2, "ok": true, "text": "0"}\\n\')\n',
        "print(search('real'))\n",
        "print(a.recv(99))\n",
    )
    first, second = desk.called(), desk.called()
    desk.answer(second, "second")
    desk.until(Output)
    desk.answer(first, "first")
    assert desk.finish().stdout == 'second\nb\'{"ok":true,"text":"\\\\"first\\\\""}\\n\'\n'


def test_connections_that_say_nothing_keep_nobody_else_waiting_for_ever(desk: Desk) -> None:
    """They are limited in number, and end with the interpreter."""
    desk.send(FORGE, "held = [say(b'', read=False) for _ in range(200)]\n", "len(held)\n")
    assert desk.finish().outcome.result == "200"
    desk.call("import os\n", "os._exit(0)\n")
    assert desk.echo("search('b')['query']\n").outcome.result == "'b'"


def test_a_large_result_comes_whole(desk: Desk) -> None:
    """Larger than a socket's buffer, read late, and beside other calls."""
    desk.send(
        FORGE,
        'a = say(b\'{"tool": "search", "arguments": "{}"}\\n\', read=False)\n',
        "len(search('a'))\n",
    )
    slow, quick = desk.called(), desk.called()
    desk.answer(slow, "x" * 2_000_000)
    desk.answer(quick, "y" * 2_000_000)
    assert desk.finish().outcome.result == "2000000"
    assert desk.alive()


async def check(desk: Desk, text: str) -> None:
    desk.guest.check(7, text)


def test_a_text_is_checked_as_a_whole(desk: Desk) -> None:
    """Also while a unit runs; a text that breaks the compiler breaks nothing else."""
    desk.send("search('a')\n")
    called = desk.called()
    for text, problem in {
        "x = await y\n": "",
        "x = 1\ndef f(:\n": "SyntaxError: invalid syntax (<call>, line 2)",
        "return 1\n": "SyntaxError: 'return' outside function (<call>, line 1)",
        "x = '\ud800'\n": "UnicodeEncodeError: ",
        "\0": "",
        "(" * 100_000: "",
        "-" * 100_000 + "1": "",
        "x." * 100_000 + "x": "",
    }.items():
        desk.do(check(desk, text))
        checked = desk.until(Checked)[-1]
        assert isinstance(checked, Checked)
        assert checked.call == 7
        assert checked.problem.startswith(problem)
        assert bool(checked.problem) == (text != "x = await y\n")
        assert len(checked.problem) < 600
    desk.answer(called, 1)
    assert desk.finish().outcome.result == "1"
    assert desk.alive()


def test_code_without_functions_is_as_before(lab: Lab) -> None:
    """Nothing is defined, and nothing listens."""
    names = "[n for n in dir() if not n.startswith('__')]\n"
    assert lab.call(names).outcome.result == "[]"


def test_times_are_in_order(desk: Desk) -> None:
    """A call of a function lies between its unit's start and end."""
    call = desk.echo("search('a')\n")
    (started,), (called,), (finished,) = call.of(Started), call.of(Called), call.of(Finished)
    assert started.at <= called.at <= finished.at
