"""Where hostile programs run: a sandbox of each kind, and what they aim at on this machine.

A program is an expression. What becomes of it is one word: `done`, the name of its error number
(`EPERM`), or of its exception. Each has a control: the same action where it is allowed, which must
be `done`, so that no program is stopped by a mistake in it.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from conveyor_sandbox import syscalls
from conveyor_sandbox.docker import DockerSandbox
from conveyor_sandbox.local import LocalSandbox
from conveyor_sandbox.reports import Died
from conveyor_sandbox.sandbox import Limits, SandboxSpec
from tests.sandbox.conftest import Lab, open_lab

MIB = 1024 * 1024
SECRET = "a secret of the host"

PRELUDE = """
import ctypes, errno, fcntl, mmap, os, resource, signal, socket, struct, subprocess, sys
import threading, time
class Stopped(Exception): pass
def claim(truth):
    if not truth: raise Stopped
def attempt(text):
    try:
        eval(text, globals())
    except OSError as problem:
        print(errno.errorcode.get(problem.errno) or type(problem).__name__)
    except BaseException as problem:
        print(type(problem).__name__)
    else:
        print("done")
libc = ctypes.CDLL(None, use_errno=True)
def syscall(name, *arguments):
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(NUMBERS[name]), *wide)
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result
def write(path, text="x"):
    with open(path, "a") as file: file.write(text)
def made(path):
    write(path)
    return path
def status(name):
    return dict(line.split(":", 1) for line in open("/proc/self/status"))[name].strip()
def options(path):
    mounts = [line.split() for line in open("/proc/self/mounts")]
    return [it[3].split(",") for it in mounts if it[1] == path][-1]
def size(path):
    status = os.statvfs(path)
    return status.f_blocks * status.f_frsize or 1 << 60  # none: without a limit
class Child:
    "A process of ours that sleeps."
    def __enter__(self):
        self.pid = os.fork()
        if not self.pid:
            signal.pause()
            os._exit(0)
        return self.pid
    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
def to_child(action):
    with Child() as pid: return action(pid)
def in_child(action):
    "Whether the action raised nothing in a process of its own, which may not live on."
    pid = os.fork()
    if not pid:
        try: action(); os._exit(0)
        finally: os._exit(1)
    claim(os.waitpid(pid, 0)[1] == 0)
def copy():
    "The frozen copy of this process."
    pids = map(int, filter(str.isdigit, os.listdir("/proc")))
    return next(pid for pid in pids if pid not in (1, os.getpid()))
def ask(family, address, kind=socket.SOCK_STREAM):
    "Say something and be answered."
    with socket.socket(family, kind) as link:
        link.settimeout(1)
        link.connect(address)
        link.send(b"x")
        claim(link.recv(1))
def echo(family, address, kind=socket.SOCK_STREAM):
    "The same, with a listener of our own."
    with socket.socket(family, kind) as listener:
        listener.bind(address)
        address = listener.getsockname()
        if kind == socket.SOCK_STREAM: listener.listen()
        def answer():
            if kind == socket.SOCK_STREAM:
                with listener.accept()[0] as link: link.send(link.recv(1))
            else:
                data, sender = listener.recvfrom(1)
                listener.sendto(data, sender)
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        ask(family, address, kind)
        thread.join()
def own_echo(address="\\0hostile-own"):
    echo(socket.AF_UNIX, address)
"""


class Program(NamedTuple):
    """An expression, how it is stopped (a pattern for the word), and its control."""

    attack: str
    stopped: str
    control: str
    kinds: tuple[str, ...] = ("docker", "local")


Programs = dict[str, Program]


class Targets:
    """What the programs aim at: files and listeners of this test, on this machine's loopback."""

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        self.secret = folder / "secret"
        self.secret.write_text(SECRET)
        stream, packets = socket.SOCK_STREAM, socket.SOCK_DGRAM
        self.listeners = {
            "tcp": self._listen(socket.AF_INET, stream, ("127.0.0.1", 0)),
            "tcp6": self._listen(socket.AF_INET6, stream, ("::1", 0)),
            "udp": self._listen(socket.AF_INET, packets, ("127.0.0.1", 0)),
            "unix": self._listen(socket.AF_UNIX, stream, str(folder / "socket")),
            "abstract": self._listen(socket.AF_UNIX, stream, f"\0hostile-{os.getpid()}"),
        }

    def _listen(self, family: int, kind: int, address: Any) -> socket.socket:
        listener = self._open.enter_context(socket.socket(family, kind))
        listener.bind(address)
        if kind == socket.SOCK_STREAM:
            listener.listen()
        listener.settimeout(0)
        return listener

    def names(self) -> dict[str, Any]:
        """What the programs know of them, by name."""
        addresses = {name.upper(): it.getsockname()[:2] for name, it in self.listeners.items()}
        for name in ("unix", "abstract"):
            address = self.listeners[name].getsockname()
            addresses[name.upper()] = address if isinstance(address, str) else address.decode()
        namespaces = {it.name: str(it.readlink()) for it in Path("/proc/self/ns").iterdir()}
        known = {"SECRET": str(self.secret), "HOST_PID": os.getpid(), "NAMESPACES": namespaces}
        return {**addresses, **known}

    def untouched(self) -> bool:
        """Whether nobody came, and nobody wrote."""
        for listener in self.listeners.values():
            with contextlib.suppress(BlockingIOError):
                if listener.type == socket.SOCK_STREAM:
                    listener.accept()
                else:
                    listener.recvfrom(1)
                return False
        return self.secret.read_text() == SECRET

    def close(self) -> None:
        self._open.close()


class Arena:
    """A sandbox for many programs, replaced when one has ended it."""

    def __init__(
        self, kind: str, targets: Targets, runtime: str | None = None, **limits: float
    ) -> None:
        self.kind = kind
        self._runtime = runtime
        self.targets = targets
        self._limits = Limits(**limits)
        self._lab: Lab | None = None
        self._opened = contextlib.ExitStack()

    @property
    def lab(self) -> Lab:
        if self._lab is None:
            make = DockerSandbox if self.kind == "docker" else LocalSandbox
            files = {"given": b"given"}
            spec = SandboxSpec(limits=self._limits, files=files, runtime=self._runtime)
            self._lab = self._opened.enter_context(open_lab(make(spec)))
            processor = syscalls.machine()
            numbers = {name: syscalls.number_of(name, processor) for name in syscalls._NUMBERS}
            known = {**self.targets.names(), "KIND": self.kind, "NUMBERS": numbers}
            names = "".join(f"{name} = {value!r}\n" for name, value in known.items())
            made = self._lab.call(names + PRELUDE)
            assert made.kinds == ["ok"], made.units
            self._lab.checkpoint()
        return self._lab

    def becomes(self, program: str) -> str:
        """The word for what becomes of an expression, or how its unit failed."""
        call = self.lab.call(f"attempt({program!r})\n")
        if call.kinds == ["ok"]:
            return call.stdout.strip()
        return "died" if call.of(Died) else call.kinds[0]

    def judge(self, program: Program) -> None:
        """The attack is stopped, its control is not, and the sandbox lives on as it was."""
        word = self.becomes(program.control)
        assert word == "done", f"the control failed: {word}"
        word = self.becomes(program.attack)
        assert re.fullmatch(program.stopped, word), f"not stopped: {word}"
        assert self.targets.untouched(), "not stopped: the target was reached"
        assert self.lab.alive(), "not stopped: the sandbox does not answer"
        self.lab.roll_back()
        self.lab.checkpoint()  # the last one was used

    def close(self) -> None:
        self._lab = None
        self._opened.close()


@contextmanager
def open_arena(kind: str, runtime: str | None = None, **limits: float) -> Iterator[Arena]:
    targets = Targets()
    arena = Arena(kind, targets, runtime, **limits)
    try:
        yield arena
    finally:
        arena.close()
        targets.close()
