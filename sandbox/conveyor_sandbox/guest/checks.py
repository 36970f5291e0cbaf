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
    from typing import Dict, NoReturn, Optional

_SECONDS = 10
"""Of a processor."""


class Checks:
    """The texts that are looked at now."""

    def __init__(self) -> None:
        self._calls: Dict[int, int] = {}

    def begin(self, call: int, text: str) -> bool:
        """Begin to look at a call's text. False: there is no process to be had."""
        try:
            pid = os.fork()
        except OSError:
            return False
        if not pid:
            _compile(text)
        self._calls[pid] = call
        return True

    def ended(self, pid: int) -> Optional[int]:
        """The call that this dead process looked at, if it was one of ours."""
        return self._calls.pop(pid, None)


def _compile(text: str) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        compile(text, "<call>", "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        code = 0
    finally:
        os._exit(code)
