"""The Docker sandbox on a real engine: its walls, its ends, and what it leaves behind: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from conveyor_sandbox.attach import AttachChannel
from conveyor_sandbox.channel import StreamChannel
from conveyor_sandbox.docker import DockerSandbox
from conveyor_sandbox.engine import connect
from conveyor_sandbox.errors import (
    SandboxDied,
    SandboxError,
    SandboxImageError,
    SandboxUnavailable,
)
from conveyor_sandbox.owner import OWNER_LABEL, owner_label
from conveyor_sandbox.reports import Died, Finished, Report, UnitKey
from conveyor_sandbox.rooms import share_out
from conveyor_sandbox.sandbox import Limits, SandboxSpec
from tests.sandbox.conftest import Lab, open_lab

pytestmark = pytest.mark.docker

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


@pytest.fixture(scope="module")
def walls() -> Iterator[Lab]:
    """One sandbox for the tests that only look."""
    with open_lab(DockerSandbox(SandboxSpec(limits=LIMITS))) as lab:
        yield lab


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


# Starts that fail


def fail_to_start(sandbox: DockerSandbox) -> SandboxError:
    async def start() -> None:
        try:
            await sandbox.start(quiet)
        finally:
            await sandbox.stop()

    with pytest.raises(SandboxError) as caught:
        asyncio.run(start())
    assert "\n" not in str(caught.value)
    return caught.value


def make_image(engine: docker.DockerClient, name: str, files: dict[str, str]) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, text in files.items():
            header = tarfile.TarInfo(path)
            header.mode = 0o755
            header.size = len(text)
            tar.addfile(header, io.BytesIO(text.encode()))
    engine.api.import_image_from_data(out.getvalue(), repository=name, tag="latest")


def build_image(engine: docker.DockerClient, name: str, files: dict[str, str]) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, text in files.items():
            header = tarfile.TarInfo(path)
            header.mode = 0o755
            header.size = len(text)
            tar.addfile(header, io.BytesIO(text.encode()))
    out.seek(0)
    engine.images.build(fileobj=out, custom_context=True, tag=name, rm=True, network_mode="none")


def test_image_without_ctypes(engine: docker.DockerClient) -> None:
    """It works, and what is weaker there is said; asked to be strict, there is none."""
    name = "conveyor-test-no-ctypes"
    dockerfile = "FROM conveyor-sandbox\nENV PYTHONPATH=/no\nCOPY ctypes.py /no/ctypes.py\n"
    build_image(engine, name, {"Dockerfile": dockerfile, "ctypes.py": "raise ImportError\n"})
    try:
        with open_lab(DockerSandbox(SandboxSpec(image=name))) as lab:
            assert lab.alive()
            (weakness,) = lab.sandbox.weaknesses
        strict = SandboxSpec(image=name, strict=True)
        with pytest.raises(SandboxUnavailable, match=r"strict.*no ctypes"):
            open_lab(DockerSandbox(strict)).__enter__()
    finally:
        engine.api.remove_image(name)
    assert weakness.endswith("speak for it: its python3 has no ctypes")


def test_a_setuid_program(engine: docker.DockerClient) -> None:
    """Makes nobody root; the control: without no-new-privileges it does."""
    name = "conveyor-test-setuid"
    dockerfile = (
        "FROM conveyor-sandbox\nUSER root\nRUN cp $(command -v cat) /cat && chmod 4755 /cat\n"
    )
    build_image(engine, name, {"Dockerfile": dockerfile})
    try:
        look = ["/cat", "/proc/self/status"]
        plain = engine.containers.run(name, look, user="1000", network_mode="none", remove=True)
        with open_lab(DockerSandbox(SandboxSpec(image=name))) as lab:
            call = lab.call(f"import subprocess; subprocess.run({look})\n")
    finally:
        engine.api.remove_image(name)
    assert "Uid:\t1000\t0\t" in plain.decode()
    assert "Uid:\t1000\t1000\t" in call.stdout


@pytest.mark.usefixtures("nothing_left")
def test_image_without_python(engine: docker.DockerClient) -> None:
    """One line that names the image and what to do."""
    name = "conveyor-test-no-python"
    make_image(engine, name, {"readme": "nothing"})
    try:
        error = fail_to_start(DockerSandbox(SandboxSpec(image=name)))
    finally:
        engine.api.remove_image(name)
    assert isinstance(error, SandboxImageError)
    assert f"image {name} has no usable python3" in str(error)
    assert "conveyor sandbox build" in str(error)


@pytest.mark.usefixtures("nothing_left")
def test_image_with_something_else_as_python(engine: docker.DockerClient) -> None:
    """A `python3` that fails: its own words are told."""
    name = "conveyor-test-bad-python"
    dockerfile = "FROM conveyor-sandbox\nENTRYPOINT []\nENV PATH=/bad\nCOPY python3 /bad/python3\n"
    script = "#!/bin/sh\necho too old >&2\nexit 78\n"
    build_image(engine, name, {"Dockerfile": dockerfile, "python3": script})
    try:
        error = fail_to_start(DockerSandbox(SandboxSpec(image=name)))
    finally:
        engine.api.remove_image(name)
    assert isinstance(error, SandboxImageError)
    assert "(too old)" in str(error)


@pytest.mark.usefixtures("nothing_left")
def test_unknown_image() -> None:
    """An image that nobody has (its registry: a closed port of this machine)."""
    error = fail_to_start(DockerSandbox(SandboxSpec(image="localhost:9/conveyor-none")))
    assert isinstance(error, SandboxImageError)
    assert "localhost:9/conveyor-none" in str(error)


@pytest.mark.usefixtures("nothing_left")
def test_unknown_runtime() -> None:
    """What the engine refuses is told in its words."""
    error = fail_to_start(DockerSandbox(SandboxSpec(runtime="no-such-runtime")))
    assert isinstance(error, SandboxUnavailable)
    assert "no-such-runtime" in str(error)


def test_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine at all: what the system said, and what to do instead."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the SDK's own: its refused socket
        error = fail_to_start(DockerSandbox(SandboxSpec()))
        assert isinstance(error, SandboxUnavailable)
        assert "(No such file or directory)" in str(error)
        assert "--sandbox local" in str(error)
        del error
        gc.collect()


@pytest.mark.usefixtures("nothing_left")
def test_files_that_do_not_fit() -> None:
    """A file larger than the workspace is named."""
    limits = Limits(workspace_size=MIB)
    spec = SandboxSpec(limits=limits, files={"small": b"x", "big.bin": b"x" * 3 * MIB})
    error = fail_to_start(DockerSandbox(spec))
    assert isinstance(error, SandboxUnavailable)
    assert "big.bin" in str(error)
    assert "No space left" in str(error)


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
