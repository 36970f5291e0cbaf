"""Whether a text is valid Python as a whole, asked of a process of its own.

What cannot be undone may not happen in a call that turns out to be invalid further down. The worker
is busy with that call, and a compiler can be made to eat memory, time and its own stack: so a child
compiles, under limits, and how it ends is the answer.
"""

from __future__ import annotations

import os
import signal
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, NoReturn, Optional, Tuple

_SECONDS = 10
"""Of a processor."""
_LONGEST = 500
"""Bytes of what is wrong: a pipe takes them without waiting."""


class Checks:
    """The texts that are looked at now."""

    def __init__(self) -> None:
        self._calls: Dict[int, Tuple[int, int]] = {}
        """By process: the call, and the pipe that its problem comes through."""

    def begin(self, call: int, text: str) -> bool:
        """Begin to look at a call's text. False: there is no process to be had."""
        try:
            read, write = os.pipe()
        except OSError:
            return False
        try:
            pid = os.fork()
        except OSError:
            pid = -1
        if not pid:
            _compile(text, write)
        os.close(write)
        if pid < 0:
            os.close(read)
            return False
        self._calls[pid] = (call, read)
        return True

    def forget(self) -> None:
        """Their processes were killed with all others: nobody waits for an answer."""
        for _, read in self._calls.values():
            os.close(read)
        self._calls.clear()

    def ended(self, pid: int, status: int) -> Optional[Tuple[int, str]]:
        """The call that this dead process looked at, and what is wrong with it ("": nothing).

        None if the process was none of ours.
        """
        call, read = self._calls.pop(pid, (0, -1))
        if read < 0:
            return None
        said = os.read(read, _LONGEST).decode("utf-8", "replace")
        os.close(read)
        return call, "" if status == 0 else said or "it could not be compiled"


def _compile(text: str, problem: int) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        compile(text, "<call>", "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        code = 0
    except Exception as error:  # noqa: BLE001 - whatever it is, the text is not valid
        os.write(problem, ("%s: %s" % (type(error).__name__, error)).encode()[:_LONGEST])
    finally:
        os._exit(code)
