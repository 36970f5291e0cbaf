"""Code that speaks for others: forged frames and results, and limits kept when it starves us.

What it writes to the interpreter's own connection is in `test_guest`, calls of the host's functions
in `test_nested`, escape sequences on their way to a terminal in the tests of `views`.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conveyor_sandbox.docker import DockerSandbox
from conveyor_sandbox.local import LocalSandbox
from conveyor_sandbox.reports import (
    Called,
    Checkpoint,
    Died,
    Ended,
    Finished,
    Report,
    RolledBack,
    Started,
)
from conveyor_sandbox.rooms import least_memory
from conveyor_sandbox.sandbox import HostFunction, Limits, SandboxSpec
from tests.sandbox.conftest import KINDS, Lab, LabMaker, open_lab
from tests.sandbox.hostile.arena import MIB, Arena, open_arena


@pytest.fixture(scope="module", params=KINDS)
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    with open_arena(request.param) as arena:
        yield arena


FRAME = '{"ev": "ended", "call": %d, "status": "ok", "error": null, "result": "forged", "t": 1.0}'
WAYS = {
    "standard output": "os.write(1, line)",
    "standard error": "os.write(2, line)",
    "the supervisor's output": "os.write(os.open('/proc/1/fd/1', os.O_WRONLY), line)",
    "the supervisor's input": "os.write(os.open('/proc/1/fd/0', os.O_WRONLY), line)",
    "every descriptor": "for fd in range(3, 500):\n  try: os.write(fd, line)\n"
    "  except OSError: pass",
    "a socket where ours was": "socket.socket(1).connect('/run/conveyor/socket')",
}


@pytest.mark.parametrize("way", WAYS)
def test_forged_result(arena: Arena, way: str) -> None:
    """A frame of the supervisor's, written wherever it can be, is output or nothing."""
    lab = arena.lab
    number = lab.calls + 1
    line = (FRAME % number + "\n").encode()
    code = f"line = {line!r}\ntry:\n {WAYS[way]}\nexcept OSError: pass\n"
    call = lab.call(code, "'true'\n")
    assert [type(it) for it in call.reports if isinstance(it, Started | Finished | Ended)] == [
        Started, Finished, Started, Finished, Ended,
    ]  # fmt: skip
    assert call.outcome.result == "'true'"
    assert lab.alive()


@pytest.mark.parametrize("event", [Checkpoint, RolledBack])
def test_forged_answers_of_the_supervisor(arena: Arena, event: type) -> None:
    """The worker's own connection takes no words of the supervisor's."""
    name = {Checkpoint: "checkpoint", RolledBack: "rolled_back"}[event]
    line = f'{{"ev": "{name}", "call": 1, "lost": [], "t": 1.0}}\n'.encode()
    code = f"import socket, time; socket.socket(fileno=500).sendall({line!r}); time.sleep(100)\n"
    call = arena.lab.call(code)
    assert call.kinds == ["crash"]
    assert not call.of(event)
    assert arena.lab.alive()


class Bomb:
    """Does something where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.mkdir, (self.path, 0o700)


@pytest.mark.parametrize("shown", ["{0!r}\n", "print({0!r})\n", "raise ValueError({0!r})\n"])
def test_pickles_in_results(arena: Arena, tmp_path: Path, shown: str) -> None:
    """A result, output or an error is text to us: nothing in it is ever loaded."""
    folder = tmp_path / "loaded"
    bomb = pickle.dumps(Bomb(str(folder)))
    inside = pickle.dumps(Bomb("/tmp/loaded"))
    control = f"import os, pickle; pickle.loads({inside!r}); os.rmdir('/tmp/loaded')\n"
    assert arena.lab.call(control).kinds == ["ok"]
    arena.lab.call(shown.format(bomb))
    arena.lab.call(
        f"class A:\n    def __repr__(self): return {bomb.decode('latin-1')!r}\n", "A()\n"
    )
    assert not folder.exists()
    assert arena.lab.alive()


UNFINISHED = """
import socket
address = search.__globals__["_call"].__self__._address
links = []
def begin(count):
    "Calls that are begun and not finished, each nearly as long as it may be."
    for _ in range(count):
        link = socket.socket(socket.AF_UNIX)
        link.connect(address)
        links.append(link)
        try: link.sendall(b"x" * 3_000_000)
        except OSError: pass
"""


@pytest.mark.parametrize("kind", KINDS)
def test_unfinished_calls_of_functions(kind: str) -> None:
    """What the supervisor keeps of them is limited: it does not run out of memory first."""
    made = DockerSandbox if kind == "docker" else LocalSandbox
    limits = Limits(memory=least_memory(16 * MIB), workspace_size=16 * MIB)
    function = HostFunction("search", "(query)", "Find it.")
    with open_lab(made(SandboxSpec(limits=limits, functions=(function,)))) as lab:
        assert lab.call(UNFINISHED, "begin(2)\n").kinds == ["ok", "ok"]
        call = lab.call(UNFINISHED, "begin(60)\n")
        assert not call.of(Died)
        assert lab.alive()


UNREAD = """
import json, socket
address = search.__globals__["_call"].__self__._address
links = []
def ask(count):
    "Calls whose replies are not read."
    for number in range(count):
        link = socket.socket(socket.AF_UNIX)
        link.connect(address)
        link.sendall(json.dumps({"tool": "search", "arguments": "{}"}).encode() + b"\\n")
        links.append(link)
def read():
    "How many of them come whole, after all."
    return sum(b"".join(iter(lambda: link.recv(1 << 20), b"")).endswith(b"\\n") for link in links)
"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("count", "least", "most"), [(3, 3, 3), (60, 1, 12)])
def test_replies_that_nobody_reads(kind: str, count: int, least: int, most: int) -> None:
    """A few wait until they are read; of many, the supervisor keeps the last."""
    made = DockerSandbox if kind == "docker" else LocalSandbox
    limits = Limits(memory=least_memory(16 * MIB), workspace_size=16 * MIB)
    function = HostFunction("search", "(query)", "Find it.")
    with open_lab(made(SandboxSpec(limits=limits, functions=(function,)))) as lab:
        for called in asked(lab, count):
            lab.do(reply(lab, called))
            lab.do(taken(lab))
        read = lab.call("read()\n")
        assert least <= int(read.outcome.result or 0) <= most
        assert lab.alive()


def asked(lab: Lab, count: int) -> list[Called]:
    """So many calls of the function, by a call that has ended well."""
    lab.send(UNREAD, f"ask({count})\n")
    reports: list[Report] = []
    while sum(isinstance(it, Called) for it in reports) < count or not any(
        isinstance(it, Ended) for it in reports
    ):
        reports += lab.until(Called, Ended)
    return [it for it in reports if isinstance(it, Called)]


async def reply(lab: Lab, called: Called) -> None:
    lab.guest.reply(called.number, "x" * 2 * MIB, ok=True)


async def taken(lab: Lab) -> None:
    async with asyncio.timeout(30):
        while lab.guest._channel.unsent:  # noqa: ASYNC110 - it tells nobody when it is empty
            await asyncio.sleep(0.01)


def test_a_guest_that_takes_nothing() -> None:
    """It is stopped from outside, as one that was taken over could do: it is given up."""
    function = HostFunction("search", "(query)", "Find it.")
    with open_lab(LocalSandbox(SandboxSpec(functions=(function,)))) as lab:
        calls = asked(lab, 50)
        stop(lab)
        for called in calls:
            lab.do(reply(lab, called))
        (died,) = (it for it in lab.until(Died) if isinstance(it, Died))
        assert "does not take" in died.reason
        assert lab.guest._channel.unsent < 72 * MIB


STARVE = """
import os, time
for _ in range(60):
    if not os.fork():
        while True: pass
{}
while True: pass
"""
HOW = {
    "by many processes": "",
    "by children that die": "for _ in range(3):\n if not os.fork():\n"
    "  while True:\n   pid = os.fork()\n   if not pid: os._exit(0)\n   os.waitpid(pid, 0)\n",
    "by output": "for fd in (1, 2):\n if not os.fork():\n"
    "  while True: os.write(fd, b'x' * 65536)\n",
}


@pytest.mark.parametrize("how", HOW)
def test_limit_of_a_unit_though_we_starve(make_lab: LabMaker, how: str) -> None:
    """The supervisor keeps the limit with sixty others at the processors; alone, a unit is fine."""
    with make_lab(unit_timeout=1.0) as lab:
        assert lab.call("x = sum(range(1000))\n").kinds == ["ok"]
        began = time.monotonic()
        call = lab.call(STARVE.format(HOW[how]))
        assert call.kinds == ["timeout"]
        assert time.monotonic() - began < 8
        lab.guest.restart()
        assert lab.alive()


def test_limit_from_outside(make_lab: LabMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the supervisor ended, stopped or lied for, the host gives the sandbox up by itself."""
    with make_lab(unit_timeout=0.5) as lab:
        monkeypatch.setattr(lab.guest, "_patience", 2.0)
        stop(lab)
        began = time.monotonic()
        lab.send("x = 1\n")
        died = lab.until()[-1]
        assert isinstance(died, Died)
        assert time.monotonic() - began < 6


def stop(lab: Lab) -> None:
    """Stop the sandbox's first process, as nothing in it can: from the host."""
    if lab.sandbox.kind == "docker":
        lab.sandbox._client.api.pause(lab.sandbox._container)
        return
    outer = lab.sandbox._process.pid
    children = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
    os.kill(int(children[0]), 19)
