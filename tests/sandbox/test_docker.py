"""The Docker sandbox on a real engine: its walls, and the way in."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from conveyor_sandbox.attach import AttachChannel
from conveyor_sandbox.channel import StreamChannel
from conveyor_sandbox.docker import DockerSandbox
from conveyor_sandbox.rooms import share_out
from conveyor_sandbox.sandbox import Limits, SandboxSpec
from tests.sandbox.conftest import Lab, open_lab
from tests.sandbox.docker_engine import LIMITS, MIB, container_of, folders

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def walls() -> Iterator[Lab]:
    """One sandbox for the tests that only look."""
    with open_lab(DockerSandbox(SandboxSpec(limits=LIMITS))) as lab:
        yield lab


# Walls


def test_flags_as_the_engine_tells_them(walls: Lab, engine: docker.DockerClient) -> None:
    """What the container was made with."""
    found = engine.api.inspect_container(container_of(walls))
    host = found["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["LogConfig"]["Type"] == "none"
    assert host["AutoRemove"] is True
    assert host["Memory"] == host["MemorySwap"] == 256 * MIB
    assert host["MemorySwappiness"] in (0, None)  # control groups of version 2 know none
    assert host["PidsLimit"] == 50
    ulimits = {it["Name"]: (it["Soft"], it["Hard"]) for it in host["Ulimits"]}
    most = LIMITS.workspace_size
    assert ulimits == {"fsize": (most, most), "nofile": (1024, 1024), "core": (0, 0)}
    assert host["NanoCpus"] == 1_000_000_000
    assert host["IpcMode"] == "private"
    assert set(host["Tmpfs"]) == {"/workspace", "/tmp", "/dev/shm"}
    assert all("nr_inodes=" in options for options in host["Tmpfs"].values())
    assert [mount["Destination"] for mount in found["Mounts"]] == ["/run/conveyor"]
    assert [mount["RW"] for mount in found["Mounts"]] == [False]
    assert found["Config"]["User"] == "1000:1000"
    assert found["Config"]["StdinOnce"] is True


def value(lab: Lab, code: str) -> str | None:
    call = lab.call(code)
    assert call.outcome.failure is None, call.outcome.failure
    return call.outcome.result


def refused(lab: Lab, code: str) -> str:
    failure = lab.call(code).outcome.failure
    assert failure is not None
    return f"{failure.type}: {failure.message}"


def test_no_network(walls: Lab) -> None:
    """Only the loopback is there; sending has no way out, and locally it works."""
    assert value(walls, "import socket; [n for _, n in socket.if_nameindex()]\n") == "['lo']"
    code = "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('{}', 9))\n"
    assert "Network is unreachable" in refused(walls, code.format("192.0.2.1"))
    assert value(walls, code.format("127.0.0.1")) == "1"


def test_root_is_read_only(walls: Lab) -> None:
    """Nothing can be written outside the workspace and `/tmp`, where it can."""
    for path in ("/x", "/usr/x", "/etc/passwd"):
        said = refused(walls, f"open({path!r}, 'a')\n")
        assert "Read-only file system" in said or "Permission denied" in said
    for path in ("/workspace/x", "/tmp/x", "/dev/shm/x"):
        assert value(walls, f"open({path!r}, 'w').write('x')\n") == "1"


def test_user_has_no_rights(walls: Lab) -> None:
    """An ordinary user, no capability, none to be gained, a seccomp filter in force."""
    assert value(walls, "import os; os.getresuid() + os.getresgid()\n") == str((1000,) * 6)
    code = "s = dict(l.split(':\\t') for l in open('/proc/self/status').read().splitlines())\n"
    walls.call(code)
    sets = "{s[n] for n in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')}\n"
    assert value(walls, sets) == "{'0000000000000000'}"
    assert value(walls, "s['NoNewPrivs'], s['Seccomp']\n") == "('1', '2')"


def test_sizes_of_writable_places(walls: Lab) -> None:
    """The workspace, `/tmp` and shared memory are full at their sizes."""
    rooms = share_out(LIMITS)
    code = "[os.statvfs(p).f_blocks * os.statvfs(p).f_frsize for p in PLACES]\n"
    assert value(walls, "import os\nPLACES = '/workspace', '/tmp', '/dev/shm'\n" + code) == str(
        [32 * MIB, rooms.tmp, rooms.shm]
    )
    said = refused(walls, "open('/workspace/big', 'wb').write(bytes(40 << 20))\n")
    assert "No space left on device" in said or "File too large" in said
    walls.call("os.remove('/workspace/big')\n")


def test_limit_of_processes(walls: Lab) -> None:
    """No more than `pids`, threads included; some work."""
    code = """
import subprocess
started = []
try:
    while len(started) < 100:
        started.append(subprocess.Popen(["sleep", "9"]))
except BlockingIOError:
    pass
for it in started:
    it.kill()
    it.wait()
20 < len(started) < 50
"""
    assert value(walls, code) == "True"


def test_out_of_memory() -> None:
    """The kernel ends the interpreter, and not the sandbox; the unit is told why."""
    limits = Limits(memory=128 * MIB, workspace_size=16 * MIB)
    with open_lab(DockerSandbox(SandboxSpec(limits=limits))) as lab:
        call = lab.call("x = 1\n", "b = b'x' * (200 << 20)\n", "y = 1\n")
        assert call.kinds == ["ok", "memory", "skipped"]
        assert call.restarted
        assert lab.alive()


def test_environment_of_the_host_is_not_seen(walls: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what we and the image name."""
    monkeypatch.setenv("HOST_SECRET", "secret")
    names = value(walls, "import os; sorted(os.environ)\n")
    assert names is not None
    assert "HOME" in names
    assert "HOST_SECRET" not in names


# The way in


def test_socket_is_used() -> None:
    """On a local engine the guest takes the socket; its folder is gone once it did."""
    with open_lab(DockerSandbox(SandboxSpec())) as lab:
        assert isinstance(lab.guest._channel, StreamChannel)
        assert folders() == []
        assert lab.alive()


def test_standard_streams_do_as_well() -> None:
    """Without a socket, everything goes over the attached streams: large texts, both ways."""
    sandbox = DockerSandbox(SandboxSpec(files={"a": b"x" * 3 * MIB}), offer_socket=False)
    with open_lab(sandbox) as lab:
        assert isinstance(lab.guest._channel, AttachChannel)
        assert lab.alive()
        assert lab.call("x = '" + "é" * MIB + "'\n", "len(x)\n").outcome.result == str(MIB)
        assert len(lab.call("print('é' * 100_000)\n").stdout) == 100_001
        assert lab.call("len(open('a').read())\n").outcome.result == str(3 * MIB)
