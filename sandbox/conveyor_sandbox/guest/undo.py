"""What the supervisor keeps to take calls back: the worker's frozen copy, the files' mirror."""

from __future__ import annotations

import array
import contextlib
import os
import select
import signal
import socket
import time

from .frames import FrameDecoder, encode
from .processes import ALONE, others, resident
from .workspace import Mirror, TooMany, scan, stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Set

    from .frames import Frame
    from .polling import Poller
    from .process import Process

_LONGEST = 4096
"""Bytes of a frame that a copy sends."""
_OUTSIDE = (b"/tmp", b"/dev/shm") if ALONE else ()
"""Where files can be written too, which are looked at but not restored."""
_WAKING = 3.0
"""Seconds that a copy has to answer when it is woken."""


class Copy:
    """A frozen copy of a worker. It says itself what it is, and is believed to harm only itself."""

    def __init__(self, control: socket.socket) -> None:
        control.setblocking(False)  # noqa: FBT003 - its only signature
        self.control = control
        self.pid: Optional[int] = None
        """None: it is not frozen yet."""
        self.threads = 0
        """Threads of the worker that are not in it."""
        self.gone = False
        self._frames = FrameDecoder(_LONGEST)

    def hear(self) -> Optional[Frame]:
        """What it says, if it does."""
        try:
            data = self.control.recv(_LONGEST)
            frames = self._frames.feed(data)
        except BlockingIOError:
            return None
        except (OSError, ValueError):
            data, frames = b"", []
        if not data:
            self.gone = True
        return frames[0] if frames else None

    def note_frozen(self) -> None:
        """It said something, or hung up: it is frozen, or gone."""
        frame = self.hear()
        if frame is not None:
            pid, threads = frame.get("pid"), frame.get("threads")
            if type(pid) is int and type(threads) is int and pid in others():
                self.pid, self.threads = pid, threads
            else:
                self.gone = True

    def wake(self) -> bool:
        """Let it go on as the worker. False: it is no more."""
        with contextlib.suppress(OSError):
            self.control.sendall(encode({"op": "wake"}))
            until = time.monotonic() + _WAKING
            poll = select.poll()
            poll.register(self.control, select.POLLIN)
            while not self.gone and time.monotonic() < until:
                poll.poll(_WAKING * 1000)
                if self.hear() is not None:
                    return True
        return False

    def discard(self) -> None:
        """It is not needed any more."""
        self.control.close()
        if self.pid is not None and not self.gone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def ask_for_copy(process: Process, number: int) -> Optional[Copy]:
    """Ask a worker to leave a copy of itself; None if it cannot be asked."""
    ours, theirs = socket.socketpair()
    with contextlib.closing(theirs):
        frame = encode({"op": "checkpoint", "call": 0, "index": number})
        descriptor = array.array("i", [theirs.fileno()])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor)]
        try:
            process.control.sendmsg([frame], rights)
        except OSError:
            ours.close()
            return None
    return Copy(ours)


class Undo:
    """The checkpoint that calls are taken back to, if there is one."""

    def __init__(self, poller: Poller, limits: Dict[str, Any]) -> None:
        """`limits`: `undo` is the most bytes of files to keep, or None for no undo at all."""
        self._poller = poller
        self._enabled = limits["undo"] is not None
        self._most = limits["memory"] // 2
        self._mirror = Mirror(os.getcwdb(), limits["undo"] or 0)
        self._outside: Dict[bytes, Any] = {}
        self._children: Set[int] = set()
        self._copy: Optional[Copy] = None
        self._answered = False
        self._began = 0.0
        self._size = 0
        self._why_not = ""
        """Why there is no copy of the interpreter, if there is none."""
        self._waits: Optional[Callable[[], None]] = None
        self.interpreter_is_clean = False
        """Whether nothing has run since the checkpoint."""
        self._files_are_clean = False

    # Taking a checkpoint

    def begin(
        self,
        process: Process,
        number: int,
        done: Callable[[], None],
        *,
        companions: Set[int],
    ) -> bool:
        """Ask the worker for a copy of itself; `done` is called when it is there, or cannot be.

        `companions` are processes beside it that are replaced where it is. Returns False where
        there is nothing to wait for.
        """
        self._began = time.monotonic()
        self._size = resident(process.pid)
        if not self._enabled:
            self._why_not = "undo is off"
            return False
        if self.interpreter_is_clean and self._copy is not None:
            return False
        # The old copy may take a moment to end.
        ours = {process.pid, self.spared, *companions}
        self.drop_copy("it could not be copied")
        asked = self._ask(process, number)
        if asked:
            self._waits = done
        # Meanwhile, on another processor:
        self._mirror.refresh()
        self._outside = _look_outside()
        self._children = set(others()) - ours
        self._files_are_clean = True
        self.interpreter_is_clean = True
        return asked

    def _ask(self, process: Process, number: int) -> bool:
        if self._size > self._most:
            sizes = (self._size >> 20, self._most >> 20)
            self._why_not = "the interpreter holds %d MiB, the most is %d MiB" % sizes
            return False
        self._copy = ask_for_copy(process, number)
        self._answered = False
        if self._copy is None:
            return False
        self._poller.watch(self._copy.control.fileno(), self._hear_copy)
        return True

    def adopt(self, copy: Copy) -> None:
        """Another worker, which has run nothing, takes the worker's place, with its copy."""
        self.drop_copy(self._why_not)
        self._children.clear()
        if not self._enabled:
            copy.discard()
            return
        self._copy = copy
        self._why_not = ""
        self._poller.watch(copy.control.fileno(), self._hear_copy)

    def worker_answered(self, why_not: Optional[str]) -> None:
        """The worker said that there is a copy, or why not."""
        self._answered = True
        if why_not:
            self.drop_copy("it could not be copied: " + why_not)
        self._finish()

    def give_up(self) -> None:
        """The worker does not answer, or is lost. A copy that is there already stays."""
        self._waits = None
        if self._copy is not None and self._copy.pid is None:
            self.drop_copy("it could not be copied")

    def _hear_copy(self) -> None:
        copy = self._copy
        if copy is None:
            return
        copy.note_frozen()
        if copy.gone:  # so it was killed, by the code or for want of memory
            self.drop_copy("its copy was killed")
        self._finish()

    def _finish(self) -> None:
        done = self._waits
        if done is None or not self._answered:
            return
        if self._copy is None or self._copy.pid is not None:
            self._waits = None
            if self._copy is not None:
                self._why_not = ""
                self._children.discard(self._copy.pid or 0)
            done()

    def report(self) -> Frame:
        """What came of it."""
        now = time.monotonic()
        taken = {"seconds": now - self._began, "resident": self._size, "why_not": self._why_not}
        return {"ev": "checkpoint", **taken, "t": now}

    def drop_copy(self, why: str) -> None:
        """Let go of the copy, if there is one."""
        self._why_not = why
        copy, self._copy = self._copy, None
        if copy is not None:
            self._poller.unwatch(copy.control.fileno())
            copy.discard()

    # Going back to it

    def unit_runs(self) -> None:
        """From now on there is something to take back."""
        self.interpreter_is_clean = self._files_are_clean = False

    @property
    def spared(self) -> Optional[int]:
        """The copy's process, which must not be killed with the worker's."""
        return self._copy.pid if self._copy is not None else None

    def wake(self, lost: List[str]) -> Optional[Copy]:
        """Wake the copy and return it; None if there is none. All other processes are gone.

        What it lacks of what the worker had at the checkpoint is added to `lost`, in words.
        """
        copy, self._copy = self._copy, None
        if copy is None:
            return None
        self._poller.unwatch(copy.control.fileno())
        self._why_not = "the last one was gone back to already"
        if not copy.wake():
            copy.discard()
            self._why_not = "its copy was killed"
            return None
        if copy.threads:
            lost.append("%s of earlier code" % _count(copy.threads, "thread", "threads"))
        self.interpreter_is_clean = True
        return copy

    def children_left(self) -> List[str]:
        """Before all processes are killed: those that earlier calls had left, in words."""
        left = len(self._children.intersection(others()))
        return ["%s of earlier code" % _count(left, "process", "processes")] if left else []

    def restore_files(self) -> List[str]:
        """Restore the workspace; returns what could not be, in words. Nothing else may run."""
        if not self._enabled:
            return ["files that it wrote"]
        if self._files_are_clean:
            return []
        self._files_are_clean = True
        not_undone = self._mirror.restore()
        if _look_outside() != self._outside:
            not_undone.append("files in /tmp and /dev/shm")
        return not_undone

    @property
    def why_not(self) -> str:
        """Why there is no copy to go back to."""
        return self._why_not


def _look_outside() -> Dict[bytes, Any]:
    try:
        return {path: stamp(status) for root in _OUTSIDE for path, status in scan(root).items()}
    except TooMany:
        return {}


def _count(number: int, one: str, many: str) -> str:
    return "%d %s" % (number, one if number == 1 else many)
