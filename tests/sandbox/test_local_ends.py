"""How the local sandbox ends, and what it leaves behind: nothing."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

from tests.sandbox.local_host import LEFTOVER_LIMIT, WHO, Host, descendants

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the local sandbox needs Linux")

FAMILY = """
import os, signal
running, run = os.pipe()
for _ in range(2):
    if not os.fork():
        os.setsid()
        os.fork()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open("/tmp/file", "w").close()
        os.write(run, b"x")
        while True: signal.pause()
count = 0
while count < 4:
    count += len(os.read(running, 4))
{0}
"""


@pytest.fixture(params=WHO)
def busy(request: pytest.FixtureRequest, shared: Path) -> Iterator[Host]:
    """A host whose sandbox runs a family of processes that ignore SIGTERM."""
    host = Host(request.param, shared)
    host.ask(FAMILY.format("print('ready', flush=True)\nwhile True: signal.pause()"), hold=True)
    yield host
    host.process.kill()
    host.close()


def test_on_the_host_it_is_never_root(busy: Host) -> None:
    """All that runs inside belongs to an ordinary user of the host, even when root started it."""
    outer, *inside = sorted(pid for pid, _ in descendants(busy.process.pid))
    assert len(inside) == 7
    assert all(uid_of(pid) != 0 for pid in inside)
    assert uid_of(outer) == uid_of(busy.process.pid)


@pytest.mark.parametrize("how", ["host killed", "guest frozen, host killed", "jail killed"])
def test_nothing_is_left_after_kill_9(busy: Host, how: str) -> None:
    """Whoever is killed, all processes of the sandbox are gone within 5 s, and all else too."""
    before = descendants(busy.process.pid)
    assert (
        len(before) == 8
    )  # outer, supervisor, worker, its frozen copy, two children, two grandchildren
    outer, supervisor, *_ = sorted(pid for pid, _ in before)
    if how.startswith("guest frozen"):
        os.kill(supervisor, signal.SIGSTOP)
    os.kill(outer if how == "jail killed" else busy.process.pid, signal.SIGKILL)
    killed = time.monotonic()
    while any(alive(process) for process in before):
        assert time.monotonic() < killed + LEFTOVER_LIMIT, "processes are left"
        time.sleep(0.01)
    assert list(busy.temp.iterdir()) == []


def test_nothing_is_left_after_stop(host: Host) -> None:
    """When a sandbox was stopped, its processes are gone, and there is no mount or file."""
    mounts = own_mounts()
    assert host.out(FAMILY.format("print('ready')")) == "ready\n"
    assert descendants(host.process.pid) == set()
    assert own_mounts() == mounts
    assert list(host.temp.iterdir()) == []


def own_mounts() -> list[str]:
    """This machine's mounts; an engine's, which come and go on their own, left out."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return [mount for mount in mounts if "docker" not in mount and "netns" not in mount]


def uid_of(pid: int) -> int:
    """The real user of a process, as the host counts users."""
    return int(Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[0])


def alive(process: tuple[int, str]) -> bool:
    try:
        fields = Path(f"/proc/{process[0]}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[19] == process[1] and fields[0] not in "ZX"
