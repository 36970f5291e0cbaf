"""A worker with common libraries imported, made ready beside the one that serves.

Importing them takes up to a second, for which nobody is to wait. So while there is nothing to do, a
second worker imports them, leaves a frozen copy of itself as a checkpoint does, and takes the
first one's place. Where a unit comes before that, the second one ends at once, and the unit runs in
the first one: no later than without all this, and with imports that cost what they cost.
"""

from __future__ import annotations

import contextlib
import os
import signal
from importlib.machinery import PathFinder

from .process import start
from .processes import resident
from .undo import ask_for_copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional

    from .guard import Guard
    from .nested import Nested
    from .polling import Poller
    from .process import Process
    from .undo import Copy

_LEAST_MEMORY = 384 << 20
"""Bytes that a sandbox must have: for a while, the libraries are there beside the worker."""


class Understudy:
    """At most one second worker, from when it is asked for until it is dismissed or ready."""

    def __init__(
        self,
        poller: Poller,
        names: List[str],
        memory: int,
        on_ready: Callable[[Process, Copy], bool],
    ) -> None:
        """`names`: the modules to import; `memory`: what the sandbox has, in bytes.

        `on_ready` says whether it took the two over.
        """
        self._poller = poller
        self._names = names if memory >= _LEAST_MEMORY else []
        self._most = memory // 2
        self._on_ready = on_ready
        self._ends: List[int] = []
        """The worker's standard output and error, which will be its successor's."""
        self._process: Optional[Process] = None
        self._copy: Optional[Copy] = None
        self._answered = False

    def keep(self, ends: List[int]) -> None:
        """There is a new worker, that writes to these pipes' ends, and has run nothing."""
        self.dismiss()
        if self._names:
            self._ends = [os.dup(end) for end in ends]

    def begin(self, nested: Nested, guard: Guard) -> None:
        """There is nothing to do now: start it, unless the worker has run something."""
        if self._process is not None or not self._ends:
            return
        found = [name for name in self._names if _is_there(name)]
        if not found:
            self.dismiss()
            return
        out, err = self._ends
        self._ends = []
        self._process = start(nested, guard, out, err, found)
        # It reads that when all is imported.
        self._copy = ask_for_copy(self._process, 0)
        self._answered = False
        if self._copy is None:
            self.dismiss()
            return
        self._poller.watch(self._process.control.fileno(), self._hear)
        self._poller.watch(self._copy.control.fileno(), self._hear_copy)

    def dismiss(self) -> None:
        """It is too late for it."""
        for end in self._ends:
            os.close(end)
        self._ends = []
        process, self._process = self._process, None
        copy, self._copy = self._copy, None
        if copy is not None:
            self._poller.unwatch(copy.control.fileno())
            copy.discard()
        if process is not None:
            self._poller.unwatch(process.control.fileno())
            process.control.close()
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    def _hear(self) -> None:
        assert self._process is not None
        frames: Any = None
        with contextlib.suppress(ValueError):
            frames = self._process.receive()
        if frames is None or any(frame.get("why_not") for frame in frames):
            self.dismiss()
        elif frames:
            self._answered = True
            self._finish()

    def _hear_copy(self) -> None:
        assert self._copy is not None
        self._copy.note_frozen()
        self._finish()

    def _finish(self) -> None:
        process, copy = self._process, self._copy
        assert process is not None
        assert copy is not None
        if copy.gone or resident(process.pid) > self._most:  # it could not be taken back then
            self.dismiss()
        elif self._answered and copy.pid is not None:
            self._poller.unwatch(process.control.fileno())
            self._poller.unwatch(copy.control.fileno())
            if self._on_ready(process, copy):
                self._process = self._copy = None
            else:
                self.dismiss()


def _is_there(name: str) -> bool:
    """Whether a module can be imported, as far as can be seen without importing anything."""
    with contextlib.suppress(Exception):
        return PathFinder.find_spec(name.partition(".")[0]) is not None
    return False
