"""An engine that nobody else uses: it is restarted in mid-run, and looked at as a whole.

Twenty times each: the right status, a whole journal, and on the engine no container at all,
whatever its labels say, no process, no mount.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.cli.command import Command, finish, read_until, records
from tests.cli.test_ends import BUSY
from tests.engines import OwnEngine, needs_own_engine, own_engine

pytestmark = [pytest.mark.full, pytest.mark.docker, needs_own_engine, pytest.mark.timeout(900)]

ROUNDS = 20
_GONE_S = 5.0


class Restart(NamedTuple):
    """How an engine goes away and comes back, and how the run ends then."""

    signal: signal.Signals
    back: bool
    options: tuple[str, ...]
    code: int
    status: str


RESTARTS = {
    "stopped": Restart(signal.SIGTERM, False, (), 3, "failed"),  # noqa: FBT003
    "killed and back": Restart(signal.SIGKILL, True, (), 0, "done"),  # noqa: FBT003
    "restarted below its containers":
        Restart(signal.SIGTERM, True, ("--live-restore",), 0, "done"),  # noqa: FBT003
    "killed below its containers":
        Restart(signal.SIGKILL, True, ("--live-restore",), 0, "done"),  # noqa: FBT003
}  # fmt: skip


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[OwnEngine]:
    called = getattr(request.node, "callspec", None)
    with own_engine(*(RESTARTS[called.params["name"]].options if called else ())) as engine:
        yield engine


def snapshot(engine: OwnEngine) -> dict[str, Any]:
    return {
        "containers": engine.containers(),
        "processes": engine.processes(),
        "mounts": engine.mounts(),
        "volumes": engine.docker("volume", "ls", "--quiet"),
        "networks": engine.docker("network", "ls", "--quiet"),
        "images": engine.docker("images", "--all", "--quiet"),
    }


def settle(engine: OwnEngine, before: dict[str, Any]) -> None:
    """At most 5 s later it is as it was."""
    until = time.monotonic() + _GONE_S
    while (now := snapshot(engine)) != before:
        assert time.monotonic() < until, now
        time.sleep(0.05)


def begin(conveyor: Command, engine: OwnEngine) -> subprocess.Popen[Any]:
    """A run whose code runs. It is seen: the control of all that is not seen later."""
    process = conveyor.start(
        "run", "-p", "hi", "--script", conveyor.script(BUSY, "Done."), "--plain", "--json",
        "--sandbox", "docker", DOCKER_HOST=engine.host,
    )  # fmt: skip
    read_until(process, "│ begun")
    now = snapshot(engine)
    assert (len(now["containers"]), len(now["mounts"])) == (1, 3)
    assert len(now["processes"]) > 2
    return process


@pytest.mark.parametrize("name", RESTARTS)
def test_the_engine_goes_away(conveyor: Command, engine: OwnEngine, name: str) -> None:
    """In mid-run: the call fails, and the run goes on where there is an engine again."""
    restart = RESTARTS[name]
    before = snapshot(engine)
    for _ in range(ROUNDS):
        process = begin(conveyor, engine)
        engine.stop(restart.signal)
        if restart.back:
            engine.start()
        done = finish(process)
        if not restart.back:
            engine.start()
        assert (done.code, done.json["status"]) == (restart.code, restart.status), done.err
        assert [call["error"]["type"] for call in done.json["calls"]] == ["SandboxDied"]
        assert records(conveyor.journals()[-1].read_text())[-1]["status"] == restart.status
        settle(engine, before)


def test_kill_9(conveyor: Command, engine: OwnEngine) -> None:
    """Nobody is there to clean up."""
    before = snapshot(engine)
    for _ in range(ROUNDS):
        process = begin(conveyor, engine)
        process.kill()
        process.communicate()
        assert records(conveyor.journals()[-1].read_text())[-1]["event"] != "run_ended"
        settle(engine, before)


def test_killed_together_with_the_engine(conveyor: Command, engine: OwnEngine) -> None:
    """A power cut, nearly: what the engine finds when it comes back, it removes."""
    before = snapshot(engine)
    for _ in range(3):
        process = begin(conveyor, engine)
        engine.stop(signal.SIGKILL)
        process.kill()
        process.communicate()
        engine.start()
        settle(engine, before)
