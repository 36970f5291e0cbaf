"""The engine, and what is there of a sandbox."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest

from conveyor_sandbox.engine import connect
from conveyor_sandbox.owner import OWNER_LABEL, owner_label
from conveyor_sandbox.sandbox import Limits

if TYPE_CHECKING:
    from tests.sandbox.conftest import Lab

MIB = 1024 * 1024
LEFTOVER_LIMIT = 5.0
LIMITS = Limits(memory=256 * MIB, pids=50, workspace_size=32 * MIB, cpus=1.0)


def quiet(_text: str, _fraction: float | None) -> None:
    pass


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    client = connect()
    yield client
    client.close()


def containers(engine: docker.DockerClient, pid: int | None = None) -> list[str]:
    """Ours, or those of another process."""
    label = owner_label() if pid is None else f":{pid}:"
    found = engine.api.containers(all=True, filters={"label": OWNER_LABEL})
    return [it["Id"] for it in found if label in it["Labels"][OWNER_LABEL]]


def container_of(lab: Lab) -> str:
    return lab.sandbox._container


def folders(pid: int | None = None) -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"conveyor-{pid or os.getpid()}-*"))


def sockets() -> list[str]:
    """Sockets that this process has open."""
    links = []
    for fd in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(fd.readlink()))
        except FileNotFoundError:
            continue
    return sorted(link for link in links if link.startswith("socket:"))


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """After the test: no container, no folder, no socket of ours that was not there before."""

    def all_there_is() -> tuple[list[str], list[Path], list[str]]:
        with contextlib.closing(connect()) as client:
            ours = containers(client)
        return ours, folders(), sockets()

    before = all_there_is()
    yield
    gc.collect()
    assert all_there_is() == before


def drive(*arguments: str) -> subprocess.Popen[str]:
    """A process with a sandbox, at the place where it says `ready`."""
    driver = Path(__file__).with_name("docker_driver.py")
    process = subprocess.Popen(
        [sys.executable, str(driver), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()
