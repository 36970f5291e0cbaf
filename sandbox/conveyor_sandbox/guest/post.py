"""The worker's post, and who holds it: a fresh worker, one with libraries imported, or the copy."""

from __future__ import annotations

import contextlib
import os
import signal

from .nested import Nested
from .process import Process, start
from .processes import end_all
from .understudy import Understudy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Tuple

    from .calls import Calls
    from .frames import Frame
    from .outputs import Outputs
    from .polling import Poller
    from .undo import Copy, Undo


class Post:
    """One process at a time holds it; `hear` is called when it says something."""

    def __init__(
        self,
        opening: Frame,
        poller: Poller,
        outputs: Outputs,
        undo: Undo,
        calls: Calls,
        hear: Callable[[], None],
        is_busy: Callable[[], bool],
    ) -> None:
        """`is_busy`: whether the worker is doing something just now."""
        self._guard = opening["guard"]
        self._poller = poller
        self._outputs = outputs
        self._undo = undo
        self._calls = calls
        self._hear = hear
        self._is_busy = is_busy
        memory = opening["limits"]["memory"]
        self._understudy = Understudy(poller, opening["preload"], memory, self._take_over)
        self.process = self._start_afresh()

    def give(self, frame: Frame) -> None:
        """It runs something: nobody else takes over now."""
        self._understudy.dismiss()
        self.process.send(frame["sent"])
        if self.process.unsent:
            self.await_room()

    def prepare(self) -> None:
        """There is nothing to do: one with libraries imported may get ready."""
        self._understudy.begin(self._nested(), self._guard)

    def await_room(self) -> None:
        """Where the worker's socket is full, be told of room in it."""
        self._poller.await_room(self.process.control.fileno(), wanted=self.process.unsent)

    def stop_hearing(self) -> None:
        """It has nothing more to say."""
        self._poller.unwatch(self.process.control.fileno())

    def replace(self, *, restore_files: bool) -> Tuple[List[str], List[str]]:
        """End it with all it has started; the checkpoint takes over, or an empty interpreter.

        Returns what is lost of what was there at the checkpoint, and what of later changes could
        not be undone, in words.
        """
        undo = self._undo
        self._understudy.dismiss()
        lost = undo.children_left()
        end_all(spared=undo.spared)
        self._outputs.say()
        self.stop_hearing()
        self.process.control.close()
        not_undone = undo.restore_files() if restore_files else []
        copy = undo.wake(lost)
        if copy is not None and copy.pid is not None:
            self.process = self._appoint(Process(copy.pid, copy.control))
        else:
            end_all()
            lost.insert(0, "variables of earlier code (%s)" % undo.why_not)
            self.process = self._start_afresh()
        return lost, not_undone

    def _start_afresh(self) -> Process:
        out, err = self._outputs.open()
        self._understudy.keep([out, err])
        return self._appoint(start(self._nested(), self._guard, out, err))

    def _nested(self) -> Nested:
        return Nested(self._calls.address, self._calls.functions)

    def _take_over(self, process: Process, copy: Copy) -> bool:
        """The worker, which has run nothing, makes room for one that has libraries imported."""
        if self._is_busy():
            return False  # it is being copied
        old = self.process
        self.stop_hearing()
        old.control.close()
        self._undo.adopt(copy)
        self.process = self._appoint(process)
        with contextlib.suppress(ProcessLookupError):
            os.kill(old.pid, signal.SIGKILL)
        return True

    def _appoint(self, process: Process) -> Process:
        self._poller.watch(process.control.fileno(), self._hear)
        return process
