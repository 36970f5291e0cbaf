"""The limits of the local sandbox: processes, memory, the workspace, processors."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from conveyor_sandbox import cgroup
from tests.sandbox.local_host import MIB, Host, descendants, holds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the local sandbox needs Linux")


def test_process_limit(host: Host) -> None:
    """Forks end at the limit of processes, well before it ten succeed."""
    code = """
import os, signal
children = []
try:
    while len(children) < 60:
        child = os.fork()
        if not child:
            signal.pause()
        children.append(child)
except BlockingIOError:
    pass
for child in children:
    os.kill(child, signal.SIGKILL)
print(len(children))
"""
    assert 10 <= int(host.out(code, limits={"pids": 20})) < 20


@pytest.mark.parametrize("how", ["bytearray({0})", "__import__('mmap').mmap(-1, 4 * {0})"])
def test_memory_limit(host: Host, how: str) -> None:
    """Twice the limit ends in an error, a quarter of it is fine."""
    limits = {"memory": 256 * MIB}
    assert host.ask(how.format(64 * MIB), limits=limits)["status"] == "ok"
    result = host.ask(how.format(512 * MIB), limits=limits)
    assert result["status"] == "error"
    assert result["kind"] == "memory" or "Cannot allocate memory" in result["message"]


def test_memory_in_small_pieces(host: Host) -> None:
    """A list that grows for ever is stopped, and the sandbox goes on."""
    code = "import os\npieces = []\nwhile True: pieces.append(bytearray(1_000_000))"
    assert host.ask(code, limits={"memory": 256 * MIB})["kind"] == "memory"


TOGETHER = """
import os, time
ended, end = os.pipe()
children = []
for _ in range({}):
    children.append(os.fork())
    if not children[-1]:
        held = bytearray(b"x") * {}
        os.write(end, b"r")
        time.sleep(60)
os.close(end)
def dead():
    return [pid for pid in children if os.waitpid(pid, os.WNOHANG) != (0, 0)]
gone, said = 0, 0
os.set_blocking(ended, False)
while gone + said < len(children):
    for pid in dead():
        gone += 1
        children.remove(pid)
    try:
        said += len(os.read(ended, 100))
    except BlockingIOError:
        time.sleep(0.05)
time.sleep({})
gone += len(dead())
print(gone)
"""


def groups() -> list[Path]:
    """Control groups of sandboxes, of every test that runs now."""
    top = Path("/sys/fs/cgroup")
    return [it for depth in ("", "*/", "*/*/", "*/*/*/") for it in top.glob(f"{depth}conveyor-*")]


def test_memory_of_all_processes(host: Host) -> None:
    """Ten that each hold a quarter of the limit: by a control group, or by being looked at.

    The control: two of them.
    """
    limits = {"memory": 256 * MIB, "workspace_size": 32 * MIB}
    few = host.ask(TOGETHER.format(2, 64 * MIB, 1), limits=limits)
    assert (few["status"], few["stdout"]) == ("ok", "0\n"), few
    many = host.ask(TOGETHER.format(10, 64 * MIB, 5), limits=limits)
    if many["weaker"]:
        assert "no control group" in many["weaker"]
        assert many["kind"] == "memory", many
    else:
        assert many["kind"] == "memory" or int(many["stdout"]) >= 6, many


def test_memory_that_processes_share_is_counted_once(host: Host) -> None:
    """Eight children of an interpreter that holds half of the limit, and change nothing of it."""
    limits = {"memory": 256 * MIB, "workspace_size": 32 * MIB}
    code = "held = bytearray(b'x') * (128 << 20)\n" + TOGETHER.format(8, 1, 3)
    shared = host.ask(code, limits=limits)
    assert (shared["status"], shared["stdout"]) == ("ok", "0\n"), shared


def test_strict(host: Host) -> None:
    """Refused where the memory of all processes together cannot be limited; else as ever."""
    weaker = host.ask("1", strict=False)["weaker"]
    told = host.ask("1", strict=True)
    if weaker:
        assert told["refused"].startswith("SandboxUnavailable: no local sandbox (strict): ")
        assert "control group" in told["refused"]
    else:
        assert told["status"] == "ok"


@pytest.mark.skipif(not cgroup.is_there(), reason="no control group can be had")
@pytest.mark.parametrize("how", ["normally", "host killed", "jail killed"])
def test_its_control_group_goes_with_it(shared: Path, how: str) -> None:
    """However it ends; one that is there is seen."""
    before = set(groups())
    host = Host("root", shared)
    host.ask("print('ready', flush=True)\nimport time\ntime.sleep(60)\n", hold=True)
    (ours,) = (it for it in set(groups()) - before if holds(it, host.process.pid))
    if how == "host killed":
        host.process.kill()
    elif how == "jail killed":
        outer, *_ = sorted(pid for pid, _ in descendants(host.process.pid))
        os.kill(outer, signal.SIGKILL)
        host.process.kill()
    host.close()
    until = time.monotonic() + 60
    while how != "jail killed" and ours.exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    if how == "jail killed":  # nobody is there to remove it: it holds nothing
        while (ours / "cgroup.procs").read_text():
            assert time.monotonic() < until
            time.sleep(0.05)
        ours.rmdir()


def test_workspace_limit(host: Host) -> None:
    """A file, and files together, end at the workspace's size."""
    code = """
def write(name, size):
    try:
        with open(name, "wb") as file:
            file.write(bytes(size))
        return "ok"
    except OSError as error:
        return "full"
mib = 1 << 20
print(write("a", 4 * mib), write("b", 3 * mib), write("c", 3 * mib))
print(write("/tmp/d", 16 * mib))
"""
    assert host.out(code, limits={"workspace_size": 8 * MIB}) == "ok ok full\nfull\n"


def test_number_of_files_is_limited(host: Host) -> None:
    """Empty files cost the kernel memory: they are limited too."""
    code = """
try:
    for number in range(5000):
        open(str(number), "w").close()
except OSError as error:
    print(number, error.strerror)
"""
    number, reason = host.out(code, limits={"workspace_size": MIB}).split(" ", 1)
    assert int(number) > 500
    assert reason == "No space left on device\n"


def test_processors_are_limited(host: Host) -> None:
    """With one cpu it runs on one processor, and cannot choose more."""
    code = """
import os
print(len(os.sched_getaffinity(0)))
try:
    os.sched_setaffinity(0, range(os.cpu_count()))
except PermissionError:
    print("refused")
"""
    assert host.out(code, limits={"cpus": 1.0}) == "1\nrefused\n"
