"""Engines of the tests' own: a `dockerd` with a folder and a network namespace of its own.

They listen on a Unix socket, and where asked on loopback, make no network, and are gone afterwards
with all that they ran. They need root.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

NEEDED = ("dockerd", "containerd", "unshare")
needs_own_engine = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, NEEDED)), reason="only root can run an engine"
)
_CONTAINERD = """
version = 2
root = "{0}/containerd/root"
state = "{0}/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{0}/containerd.sock"
"""
IMAGE = "conveyor-sandbox"
_START_S = 60.0
_STOP_S = 30.0


class OwnEngine:
    """A `dockerd` that nobody else uses, with the sandbox's image."""

    def __init__(self, folder: Path, *options: str, listener: socket.socket | None = None) -> None:
        self.folder = folder
        self.socket = folder / "engine.sock"
        self.host = f"unix://{self.socket}"
        self._options = options
        self._group = folder.name
        self._containerd: subprocess.Popen[bytes] | None = None
        self._daemon: subprocess.Popen[bytes] | None = None
        self._listener = listener

    def open(self) -> None:
        """Begin, with the machine's image of the sandbox."""
        config = self.folder / "containerd.toml"
        config.write_text(_CONTAINERD.format(self.folder))
        self._containerd = self._spawn("containerd", "--config", config)
        self.start()
        self.take_image()

    def _spawn(self, *command: str | Path, keep: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, pass_fds=keep
            )

    def start(self) -> None:
        """Begin the daemon again, with what was there before."""
        (self.folder / "pid").unlink(missing_ok=True)  # of one that was killed
        options, keep, door = self._options, (), ""
        if self._listener is not None:  # handed over as systemd does it
            keep = (self._listener.fileno(),)
            door = f"export LISTEN_PID=$$ LISTEN_FDS=1; exec 3<&{keep[0]};"
            options = ("--host", "fd://", *options)
        # Not in this machine's network: there `--bridge=none` takes away every engine's bridge.
        self._daemon = self._spawn(
            "unshare", "--net",
            "bash", "-c", f'{door} exec dockerd "$@"', "dockerd",
            "--data-root", self.folder / "data", "--exec-root", self.folder / "exec",
            "--containerd", self.folder / "containerd.sock", "--pidfile", self.folder / "pid",
            "--host", self.host, "--cgroup-parent", f"/{self._group}",
            "--exec-opt", "native.cgroupdriver=cgroupfs",
            "--bridge=none", "--iptables=false", "--ip6tables=false", *options, keep=keep,
        )  # fmt: skip
        until = time.monotonic() + _START_S
        while subprocess.run(self.command("version"), capture_output=True, check=False).returncode:
            assert time.monotonic() < until, (self.folder / "log").read_text()[-2000:]
            assert self._daemon.poll() is None, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.1)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the daemon alone, well or by force."""
        daemon, self._daemon = self._daemon, None
        assert daemon is not None
        daemon.send_signal(number)
        daemon.wait(_STOP_S)

    def command(self, *args: str) -> list[str]:
        return ["docker", "--host", self.host, *args]

    def docker(self, *args: str) -> str:
        """What the `docker` command says of it."""
        return subprocess.run(
            self.command(*args), capture_output=True, text=True, check=True, timeout=60
        ).stdout

    def take_image(self, name: str = IMAGE) -> None:
        """Copy an image of the machine's engine."""
        with subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE) as saved:
            subprocess.run(self.command("load", "--quiet"), stdin=saved.stdout, check=True,
                           capture_output=True, timeout=120)  # fmt: skip

    def containers(self) -> list[str]:
        """All there are, whatever their labels say."""
        return self.docker("ps", "--all", "--quiet", "--no-trunc").split()

    def processes(self) -> dict[int, str]:
        """What serves its containers and what runs in them, by number, with its command."""
        own = {it.pid for it in (self._daemon, self._containerd) if it is not None}
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                group = (entry / "cgroup").read_text()
                if f"{self.folder}/" in command or f"/{self._group}/" in group:
                    found[int(entry.name)] = command
        return {pid: command for pid, command in found.items() if pid not in own}

    def mounts(self) -> list[str]:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return [line.split()[4] for line in lines if str(self.folder) in line.split()[4]]

    def close(self) -> None:
        """End everything, unmount and remove it."""
        for server in (self._daemon, self._containerd):
            if server is not None:
                server.kill()
                server.wait()
        while left := self.processes():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        for mount in reversed(self.mounts()):
            subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        top = Path("/sys/fs/cgroup")
        for group in (*top.glob(self._group), *top.glob(f"*/{self._group}")):
            for folder in sorted((group, *group.glob("**/")), reverse=True):
                with contextlib.suppress(OSError):  # listed twice
                    folder.rmdir()


@contextlib.contextmanager
def own_engine(*options: str, listener: socket.socket | None = None) -> Iterator[OwnEngine]:
    """One that runs, with the sandbox's image. It serves the listener too."""
    # Not pytest's folder: the path of a Unix socket may have no more than 107 bytes.
    engine = OwnEngine(
        Path(tempfile.mkdtemp(prefix="engine-", dir="/tmp")), *options, listener=listener
    )
    try:
        engine.open()
        yield engine
    finally:
        engine.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
