"""How the Docker sandbox ends, and what it leaves behind: nothing."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import docker
import pytest

from conveyor_sandbox.docker import DockerSandbox
from conveyor_sandbox.errors import (
    SandboxDied,
)
from conveyor_sandbox.reports import Died, Finished, Report, UnitKey
from conveyor_sandbox.sandbox import Limits, SandboxSpec
from tests.sandbox.conftest import open_lab
from tests.sandbox.docker_engine import (
    LEFTOVER_LIMIT,
    MIB,
    container_of,
    containers,
    drive,
    folders,
    kill,
    quiet,
)

pytestmark = pytest.mark.docker

# Ends


@pytest.mark.usefixtures("nothing_left")
def test_container_killed_from_outside(engine: docker.DockerClient) -> None:
    """In the middle of a unit: `Died`, and a stop that still works."""
    with open_lab(DockerSandbox(SandboxSpec())) as lab:
        lab.send("print('go'); import time; time.sleep(100)\n")
        lab.until_output("go")
        engine.api.kill(container_of(lab))
        died = lab.until()[-1]
        assert isinstance(died, Died)
        assert died.reason == "the sandbox ended unexpectedly"
        lab.guest.cancel(lab.calls)  # too late, and harmless
        lab.guest.run(UnitKey(2, 0), "1\n", 1)


@pytest.mark.usefixtures("nothing_left")
def test_sandbox_that_does_not_answer(engine: docker.DockerClient) -> None:
    """A guest that was stopped is given up some time after the unit's limit."""
    with open_lab(DockerSandbox(SandboxSpec(limits=Limits(unit_timeout=0.5)))) as lab:
        lab.send("print('go')\n", "import time; time.sleep(0.3)\n")
        lab.until_output("go")
        engine.api.pause(container_of(lab))
        died = lab.until()[-1]
        assert isinstance(died, Died)
        assert "did not answer within 10.5 s" in died.reason


@pytest.mark.usefixtures("nothing_left")
def test_stop_twice_and_before_a_start() -> None:
    """The second stop finds nothing to do."""

    async def scenario() -> None:
        sandbox = DockerSandbox(SandboxSpec())
        await sandbox.stop()
        sandbox = DockerSandbox(SandboxSpec())
        await sandbox.start(quiet)
        await sandbox.stop()
        await sandbox.stop()

    asyncio.run(scenario())


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("after", [0.0, 0.02, 0.1, 0.2, 0.25])
def test_stop_during_the_start(after: float) -> None:
    """The start ends with SandboxDied, wherever it is; both leave nothing."""

    async def scenario() -> None:
        sandbox = DockerSandbox(SandboxSpec(files={"a": b"x" * 30 * MIB}))
        starting = asyncio.create_task(sandbox.start(quiet))
        await asyncio.sleep(after)
        await sandbox.stop()
        with pytest.raises(SandboxDied, match="stopped while it started"):
            await starting

    asyncio.run(scenario())


@pytest.mark.usefixtures("nothing_left")
def test_cancelled_start() -> None:
    """Cancelled every 20 ms from its begin on, until it gets through."""

    async def scenario(after: float) -> bool:
        sandbox = DockerSandbox(SandboxSpec(files={"a": b"x" * MIB}))
        starting = asyncio.create_task(sandbox.start(quiet))
        await asyncio.sleep(after)
        starting.cancel()
        try:
            await starting
        except asyncio.CancelledError:
            return False
        await sandbox.stop()
        return True

    cancelled = 0
    while not asyncio.run(scenario(0.02 * cancelled)):
        cancelled += 1
    assert cancelled > 5


def test_killed_host_leaves_nothing(engine: docker.DockerClient) -> None:
    """`kill -9` of the process that owns it: container and folder are gone within 5 s."""
    process = drive()
    assert len(containers(engine, process.pid)) == 1
    kill(process)
    given_up = time.monotonic() + LEFTOVER_LIMIT
    while containers(engine, process.pid) and time.monotonic() < given_up:
        time.sleep(0.05)
    assert containers(engine, process.pid) == []
    assert folders(process.pid) == []


def test_killed_start_is_swept_by_the_next(engine: docker.DockerClient) -> None:
    """What a kill between create and start leaves is removed when another sandbox starts."""
    process = drive("created")
    kill(process)
    assert len(containers(engine, process.pid)) == 1
    assert len(folders(process.pid)) == 1
    with open_lab(DockerSandbox(SandboxSpec())) as lab:
        assert containers(engine, process.pid) == []
        assert folders(process.pid) == []
        assert lab.alive()


# The client


@pytest.mark.usefixtures("nothing_left")
def test_listener_that_raises() -> None:
    """It is told of the end, and the error comes out of `stop`, which removes all the same."""

    async def scenario() -> list[Report]:
        heard: list[Report] = []
        died = asyncio.Event()

        def hear(report: Report) -> None:
            heard.append(report)
            if isinstance(report, Died):
                died.set()
            if isinstance(report, Finished):
                raise KeyError("a bug")

        sandbox = DockerSandbox(SandboxSpec())
        guest = await sandbox.start(quiet)
        guest.listen(hear)
        guest.run(UnitKey(1, 0), "1\n", 1)
        guest.end(1)
        await died.wait()
        with pytest.raises(KeyError, match="a bug"):
            await sandbox.stop()
        return heard

    *_, last = asyncio.run(scenario())
    assert isinstance(last, Died)
    assert "a bug" in last.reason


@pytest.mark.usefixtures("nothing_left")
def test_cancelled_stop_still_removes() -> None:
    """A second Ctrl-C during the clean-up does not leave the container."""

    async def scenario() -> None:
        sandbox = DockerSandbox(SandboxSpec())
        await sandbox.start(quiet)
        stopping = asyncio.create_task(sandbox.stop())
        for _ in range(3):
            await asyncio.sleep(0.01)
            stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping

    asyncio.run(scenario())


def test_a_path_too_long_for_a_socket_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a temporary directory with a long name, frames go over the standard streams."""
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    async def start() -> tuple[int, int, int]:
        sandbox = DockerSandbox(SandboxSpec())
        try:
            return (await sandbox.start(lambda _what, _fraction: None)).python
        finally:
            await sandbox.stop()

    assert asyncio.run(start()) >= (3, 8)
    assert not list(folder.iterdir())
