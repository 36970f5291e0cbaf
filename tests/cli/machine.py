"""What runs leave on the whole machine, found by marks that nothing but this test has.

Containers: those of an image that only this test has, whatever their labels say. Processes: all
below this one, orphans included, and all in cgroups of those containers. Mounts and sockets: those
that name these containers or our temporary folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.cli.command import Command, docker

_GONE_S = 5.0


@contextlib.contextmanager
def own_image() -> Iterator[str]:
    """The sandbox's image, with a layer on top that makes it another one. Removed afterwards."""
    name = f"conveyor-faults-{os.getpid()}"
    container = docker("create", "conveyor-sandbox", "true").strip()
    try:
        docker("commit", "--change", f"LABEL conveyor.test={os.getpid()}", container, name)
    finally:
        docker("rm", container)
    try:
        yield name
    finally:
        docker("rmi", "--force", name)


class Machine:
    """The machine before a run, while it goes on, and after it."""

    def __init__(self, conveyor: Command, image: str, orphans: Callable[[], list[int]]) -> None:
        self._temporary = conveyor.environment["TMPDIR"]
        self._image = image
        self._orphans = orphans
        self._marks: set[str] = {self._temporary}
        self._mounts = set(_mounts())
        self._containers: set[str] = set()

    def look(self) -> list[str]:
        """The containers that are there now. Their marks are remembered."""
        found = docker("ps", "-aq", "--no-trunc", "--filter", f"ancestor={self._image}").split()
        for container in found:
            if container in self._containers:
                continue
            with contextlib.suppress(subprocess.CalledProcessError):  # it has just gone
                told = json.loads(docker("inspect", container))[0]
                self._marks.add(told["GraphDriver"]["Data"]["MergedDir"])
        self._containers.update(found)
        return found

    def left(self) -> list[str]:
        """What is still there, at most 5 s later."""
        until = time.monotonic() + _GONE_S
        while True:
            left = self._left()
            if not left or time.monotonic() > until:
                return left
            time.sleep(0.05)

    def _left(self) -> list[str]:
        marks = self._marks | self._containers
        left = [f"container {it}" for it in self.look()]
        left += [f"process {pid}" for pid in self._orphans()]
        left += [f"process {pid} in a container" for pid in _in_cgroups(self._containers)]
        new = set(_mounts()) - self._mounts
        left += [f"mount {it}" for it in new if any(mark in it for mark in marks)]
        sockets = Path("/proc/net/unix").read_text().splitlines()
        left += [f"socket {it}" for it in sockets if any(mark in it for mark in marks)]
        left += [str(path) for path in Path(self._temporary).iterdir()]
        return left


def _mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()


def _in_cgroups(containers: set[str]) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        with contextlib.suppress(OSError):
            text = path.read_text()
            if any(it in text for it in containers):
                found.append(int(path.parent.name))
    return found
