"""Does the `files` tool's operations, each in a process of its own, as confined as the worker.

So a file that cannot be read in time, or a link that someone changes meanwhile, is no affair of the
supervisor's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from .answers import failed
from .file_operations import Refused, operate
from .frames import decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, NoReturn, Optional

    from .frames import Frame
    from .guard import Guard
    from .polling import Poller

_AT_ONCE = 65536


class Editor:
    """At most one operation. `on_end` is told how it ended."""

    def __init__(self, poller: Poller, guard: Guard, on_end: Callable[[Frame], None]) -> None:
        self._poller = poller
        self._guard = guard
        self._on_end = on_end
        self._root = os.getcwd()
        self._pid: Optional[int] = None
        self._answer = -1
        self._parts: List[bytes] = []
        self._result: Optional[str] = None

    def begin(self, frame: Frame) -> None:
        """Begin with one; nothing else runs."""
        self._result = None
        try:
            self._answer, end = os.pipe()
            self._pid = os.fork()
        except OSError as error:
            self._end(failed("error", "crash", type(error).__name__, str(error)))
            return
        if not self._pid:
            _do(self._root, frame["arguments"], self._guard, end)
        os.close(end)
        self._poller.watch(self._answer, self._hear)

    def interrupt(self) -> None:
        """End it: there is nothing in it to be asked."""
        self.kill()

    def kill(self) -> None:
        """End it."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def _hear(self) -> None:
        data = os.read(self._answer, _AT_ONCE)
        self._parts.append(data)
        if not data:
            self._poller.unwatch(self._answer)

    def ended(self, pid: int) -> bool:
        """A process has ended. Returns whether it was ours."""
        if self._pid is None or pid != self._pid:
            return False
        while self._parts[-1:] != [b""]:
            self._hear()
        said = b"".join(self._parts)
        self.forget()
        try:
            answer = decode(said[:-1])
        except ValueError:
            self._end(failed("error", "crash", "ChildProcessError", "the operation was killed"))
            return True
        if "result" in answer:
            self._result = answer["result"]
            self._end({"status": "ok", "error": None})
        else:
            self._end(failed("error", "exception", "FilesError", answer["refused"]))
        return True

    def _end(self, outcome: Frame) -> None:
        self._on_end({**outcome, "exited": False, "result": None, "t": time.monotonic()})

    @property
    def outcome(self) -> Frame:
        """How the call ends whose operation was the last one."""
        ended = {"exited": False, "result": self._result, "t": time.monotonic()}
        return {"status": "ok", "error": None, **ended}

    def forget(self) -> None:
        """Its process is gone."""
        self._pid = None
        self._parts = []
        if self._answer >= 0:
            self._poller.unwatch(self._answer)
            os.close(self._answer)
            self._answer = -1


def _do(root: str, arguments: Frame, guard: Guard, answer: int) -> NoReturn:
    """The child's side of the fork."""
    try:
        signal.set_wakeup_fd(-1)
        guard.confine()
        try:
            said = {"result": operate(root, arguments)}
        except Refused as refused:
            said = {"refused": str(refused)}
        except OSError as error:
            said = {"refused": "%s: %s" % (arguments.get("path"), error.strerror)}
        with open(answer, "wb") as file:
            file.write(encode(said))
    finally:
        os._exit(0)
