"""Every end of a run, twenty times in a row: the right status, a whole journal, nothing left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command, adopt_orphans, docker, finish, read_until
from tests.cli.engine_proxy import proxied
from tests.cli.machine import Machine, own_image
from tests.cli.test_ends import BUSY, STUBBORN

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

ROUNDS = 20
GREEDY = "```python\nheld = []\nwhile True:\n    held.append(bytearray(b'x') * (32 << 20))\n```"
KINDS = ["local", pytest.param("docker", marks=pytest.mark.docker)]


@pytest.fixture(scope="module")
def image(request: pytest.FixtureRequest) -> Iterator[str]:
    if not any(it.get_closest_marker("docker") for it in request.session.items):
        yield "conveyor-sandbox"  # no engine answers: only local sandboxes are asked for
        return
    with own_image() as name:
        yield name


@dataclass
class Bench:
    """The command, its sandbox, and the machine around it."""

    conveyor: Command
    machine: Machine
    kind: str
    image: str
    rounds: int = 0

    def start(self, *responses: str, **environment: str) -> subprocess.Popen[Any]:
        script = self.conveyor.script(*responses)
        return self.conveyor.start(
            "run", "-p", "hi", "--script", script, "--plain", "--json", "--sandbox", self.kind,
            "-c", f"sandbox.image={self.image}",
            "-c", "sandbox.memory=256m", "-c", "sandbox.workspace_size=64m", **environment,
        )  # fmt: skip

    def begin(self, response: str, **environment: str) -> subprocess.Popen[Any]:
        """A run whose code runs."""
        process = self.start(response, "Done.", **environment)
        read_until(process, "│ begun")
        if self.kind == "docker":
            assert len(self.machine.look()) == 1, "the control: it sees what is there"
        return process

    def check(self, process: subprocess.Popen[Any], code: int, status: str) -> None:
        """How it ended, what its journal says, and that nothing is left."""
        done = finish(process)
        assert (done.code, done.json["status"]) == (code, status), done.err
        assert self.journal()[-1]["status"] == status
        assert self.machine.left() == []

    def journal(self) -> list[dict[str, Any]]:
        """The newest one; every line is whole."""
        self.rounds += 1
        journals = self.conveyor.journals()
        assert len(journals) == self.rounds
        return [json.loads(line) for line in journals[-1].read_text().splitlines()]


@pytest.fixture
def bench(tmp_path: Path, image: str, request: pytest.FixtureRequest) -> Iterator[Bench]:
    called = getattr(request.node, "callspec", None)
    kind = called.params["kind"] if called else "docker"
    with adopt_orphans() as orphans:
        conveyor = Command(tmp_path)
        yield Bench(conveyor, Machine(conveyor, image, orphans), kind, image)
        conveyor.end()
        conveyor.forget()


def normal(bench: Bench) -> None:
    bench.check(bench.start("```python\nprint(1)\n```", "Done."), 0, "done")


def error(bench: Bench) -> None:
    bench.check(bench.start("```python\n1 / 0\n```", "Done."), 0, "done")


def no_sandbox(bench: Bench) -> None:
    """An end before anything has begun."""
    process = bench.start("x", DOCKER_HOST="unix:///nowhere")
    bench.check(process, *((3, "failed") if bench.kind == "docker" else (0, "done")))


def interrupt(bench: Bench) -> None:
    process = bench.begin(BUSY)
    process.send_signal(signal.SIGINT)
    bench.check(process, 130, "interrupted")


def interrupt_twice(bench: Bench) -> None:
    process = bench.begin(STUBBORN)
    process.send_signal(signal.SIGINT)
    read_until(process, "stopped")
    process.send_signal(signal.SIGINT)
    bench.check(process, 130, "interrupted")


def terminate(bench: Bench) -> None:
    process = bench.begin(BUSY)
    process.send_signal(signal.SIGTERM)
    bench.check(process, 143, "terminated")


def hang_up(bench: Bench) -> None:
    process = bench.begin(BUSY)
    process.send_signal(signal.SIGHUP)
    bench.check(process, 143, "terminated")


def kill(bench: Bench) -> None:
    """Nobody is there to clean up: within 5 s all is gone by itself."""
    process = bench.begin(BUSY)
    process.kill()
    process.communicate()
    events = bench.journal()
    assert "begun\n" in [event.get("text") for event in events]
    assert events[-1]["event"] != "run_ended"
    assert bench.machine.left() == []


def kill_the_sandbox(bench: Bench) -> None:
    """From outside: the call fails, the model is told, and the run goes on in a fresh one."""
    process = bench.begin(BUSY)
    if bench.kind == "docker":
        docker("kill", bench.machine.look()[0])
    else:
        (jail,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(jail), signal.SIGKILL)
    bench.check(process, 0, "done")


def out_of_memory(bench: Bench) -> None:
    """The call fails, the sandbox lives."""
    bench.check(bench.start(GREEDY, "Done."), 0, "done")


ENDS = [normal, error, no_sandbox, interrupt, interrupt_twice, terminate, hang_up, kill,
        kill_the_sandbox, out_of_memory]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ENDS)
def test_every_end(bench: Bench, end: Callable[[Bench], None], kind: str) -> None:
    """Twenty times."""
    assert bench.kind == kind
    for _ in range(ROUNDS):
        end(bench)


@pytest.mark.docker
def test_the_engine_goes_away(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In mid-run: no sandbox can be had any more, so the run fails; what it had is gone.

    The engine itself is shared and stays: a proxy in front of it goes away. So the container does
    not die with its engine, but because its lifeline is cut.
    """
    for _ in range(ROUNDS):
        with proxied(tmp_path_factory.mktemp("e")) as (proxy, host):
            process = bench.begin(BUSY, DOCKER_HOST=host)
            proxy.cut()
            bench.check(process, 3, "failed")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("kind", KINDS)
def test_the_disk_is_full(bench: Bench, kind: str) -> None:
    """Where journals are written: told once, the run goes on, what was written is whole."""
    assert bench.kind == kind
    state = bench.conveyor.home / ".local/state"
    state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", state], check=True)
    try:
        for _ in range(ROUNDS):
            process = bench.start("```python\n" + "print('x' * 900)\n" * 20 + "```", "Done.")
            done = finish(process)
            assert (done.code, done.json["status"]) == (0, "done")
            assert done.err.count("its journal cannot be written") == 1
            for path in bench.conveyor.journals():
                whole, _, _ = path.read_text().rpartition("\n")
                assert all(json.loads(line) for line in whole.splitlines())
            assert bench.machine.left() == []
    finally:
        subprocess.run(["umount", state], check=True)
