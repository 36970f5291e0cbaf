"""The worker's process, as the supervisor starts and feeds it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
import traceback
from importlib import import_module

from .answers import failed
from .checkpoint import OOM_SCORE_AWAKE, set_oom_score
from .frames import LONGEST, FrameDecoder
from .worker import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, NoReturn, Optional, Sequence

    from .frames import Frame
    from .guard import Guard
    from .nested import Nested

_CONTROL = 500
"""The worker's control descriptor: out of the way of code that counts on low numbers."""
_BROKEN = 121
"""The worker's exit code when the code has broken what the worker itself needs."""
_OOM_COUNTERS = (
    "/sys/fs/cgroup/memory.events",
    "/sys/fs/cgroup/memory/memory.oom_control",
    "/etc/conveyor/memory.events",  # in the local sandbox
)


class Process:
    """A worker: its pid, and the socket over which it is told what to do."""

    def __init__(self, pid: int, control: socket.socket) -> None:
        control.setblocking(False)  # noqa: FBT003 - its only signature
        self.pid = pid
        self.control = control
        self._oom_kills = count_oom_kills()
        self._frames = FrameDecoder(LONGEST)
        self._unsent = b""

    @property
    def unsent(self) -> bool:
        """Whether the socket was full: call `flush` when there is room."""
        return bool(self._unsent)

    def send(self, line: bytes) -> None:
        """Send a frame as it came, without waiting: the worker may not be reading."""
        self._unsent += line + b"\n"
        self.flush()

    def flush(self) -> None:
        """Send what there is room for."""
        try:
            self._unsent = self._unsent[self.control.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = b""  # its death is on its way to us

    def receive(self) -> Optional[List[Frame]]:
        """What it said since; None when it said its last word.

        Raises:
            ValueError: it does not speak in frames.
        """
        try:
            data = self.control.recv(65536)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self._frames.feed(data) if data else None

    def interrupt(self) -> None:
        """What Ctrl-C does: SIGINT to it and the children that it has not set apart."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGINT)

    def cause_of_death(self, status: int) -> Frame:
        """The outcome of the unit that ended it with this wait status."""
        if os.WIFEXITED(status):
            code = os.WEXITSTATUS(status)
            if code == _BROKEN:
                return failed("error", "crash", "RuntimeError", "the code broke the interpreter")
            return failed("error", "exit", "SystemExit", "the interpreter ended, code %d" % code)
        number = os.WTERMSIG(status)
        if number == signal.SIGKILL and count_oom_kills() != self._oom_kills:
            return failed("error", "memory", "MemoryError", "killed: out of memory")
        try:
            name = signal.Signals(number).name
        except ValueError:  # a real-time signal
            name = "signal %d" % number
        return failed("error", "crash", name, "the interpreter was killed by %s" % name)


def start(nested: Nested, guard: Guard, out: int, err: int, preload: Sequence[str] = ()) -> Process:
    """A new worker, with an empty interpreter that writes to these pipes' ends, which it takes.

    Before anything else it imports the modules to `preload`, as far as they can be imported.

    Raises:
        OSError: no further process can be had.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if not pid:
        _become_worker(theirs, nested, guard, out, err, preload)
    for end in (theirs.detach(), out, err):
        os.close(end)
    return Process(pid, ours)


def _become_worker(
    control: socket.socket,
    nested: Nested,
    guard: Guard,
    out: int,
    err: int,
    preload: Sequence[str],
) -> NoReturn:
    """The child's side of the fork."""
    code = _BROKEN
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (out, 1), (err, 2), (control.fileno(), _CONTROL)):
            os.dup2(source, target, inheritable=target != _CONTROL)
        os.closerange(3, _CONTROL)
        guard.confine()
        set_oom_score(OOM_SCORE_AWAKE)
        _import_quietly(preload)  # before the workspace is on the path: it is the code's
        _prepare_interpreter()
        Worker(socket.socket(fileno=_CONTROL), nested).serve()
        code = 0
    except BaseException:  # noqa: BLE001 - the code can reach all that the worker is made of
        with contextlib.suppress(BaseException):
            os.write(2, traceback.format_exc().encode("utf-8", "replace"))
    finally:
        os._exit(code)


def _import_quietly(names: Sequence[str]) -> None:
    """Import modules; neither what they say nor what they raise is for anyone."""
    if not names:
        return
    streams = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)
    for name in names:
        with contextlib.suppress(BaseException):
            import_module(name)
    for text in (sys.stdout, sys.stderr):
        text.flush()
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)


def _prepare_interpreter() -> None:
    """Make this look like a fresh interpreter that runs a script in the workspace."""
    sys.argv[:] = [""]
    sys.path.insert(0, os.getcwd())
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "Sent"]
    options: Dict[str, Any] = {"encoding": "utf-8", "line_buffering": True}
    sys.stdout.reconfigure(errors="strict", **options)  # type: ignore[union-attr]
    sys.stderr.reconfigure(errors="backslashreplace", **options)  # type: ignore[union-attr]


def count_oom_kills() -> Optional[int]:
    """Processes of this sandbox that the kernel killed to free memory; None if it does not tell."""
    for path in _OOM_COUNTERS:
        with contextlib.suppress(OSError), open(path) as file:
            found = re.search(r"^oom_kill (\d+)$", file.read(), re.MULTILINE)
            if found:
                return int(found.group(1))
    return None
