"""What keeps the model's code away from the supervisor, which runs as the same user beside it.

The supervisor is not dumpable: its memory, descriptors and environment are closed to others of its
user. The worker, and with it all that the code starts, has a filter of system calls, made by the
host (see `seccomp` there): nothing can be done to process 1 by its number, nor to all processes at
once, and other processes' memory is closed.

Not covered: what the code does to its own processes, the worker and its frozen copy among them. And
what needs `ctypes` (there is none in a minimal image) or another processor: `why_not` says so, and
then nothing here is in force. Nor is the first half of it under gVisor, whose kernel filters calls
but hides no process from others of its user.
"""

from __future__ import annotations

import base64
import errno
import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

try:
    import ctypes

    # Now: what the model's code does to `ctypes` in its own process must not be met later.
    _libc: Any = ctypes.CDLL(None, use_errno=True)
    _prctl, _syscall = _libc.prctl, _libc.syscall
except (ImportError, OSError):
    _libc = None

_SET_DUMPABLE, _SET_CHILD_SUBREAPER, _NO_NEW_PRIVS = 4, 36, 38  # of prctl(2)
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_FILTER = 1  # of seccomp(2)


class Guard:
    """The worker's filter."""

    def __init__(self, filters: Dict[str, str]) -> None:
        """Of a process that is hidden. `filters`: instructions (base64) by their processor."""
        self._machine = os.uname().machine
        self._filter = base64.b64decode(filters.get(self._machine, ""))
        self._filters = False
        self.why_not = self._find_obstacle()
        """Why it is not whole, in words; None: it is."""

    def _find_obstacle(self) -> Optional[str]:
        if _libc is None:
            return "its python3 has no ctypes"
        if not self._filter or sys.maxsize < 2**32:
            return "no filter of system calls is known for the processor %s" % self._machine
        # No filter at all: a kernel that has filters looks for it at address 0.
        if self._seccomp(_SET_FILTER, None) != errno.EFAULT:
            return "its kernel filters no system calls"
        self._filters = True
        # Of a hidden process, they belong to the system. This one has been hidden.
        if os.stat("/proc/self/fd").st_uid == os.getuid():
            return "its kernel hides no process from others of its user"
        return None

    def confine(self) -> None:
        """From now on this process, hidden so far, is an ordinary one, but for the filter.

        Raises:
            OSError: the kernel installs no filter.
        """
        if self._filters:
            _prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)  # else only root may
            kept = ctypes.create_string_buffer(self._filter, len(self._filter))
            header = struct.pack("HxxxxxxQ", len(self._filter) // 8, ctypes.addressof(kept))
            error = self._seccomp(_SET_FILTER, header)
            if error:
                raise OSError(error, os.strerror(error), "the filter of system calls")
        show()

    def _seccomp(self, operation: int, argument: Optional[bytes]) -> int:
        """Returns the number of its error, 0 if there is none."""
        # As longs: ctypes would pass integers as 32 bits.
        numbers = [ctypes.c_long(it) for it in (_SECCOMP[self._machine], operation, 0)]
        return ctypes.get_errno() if _syscall(*numbers, argument) == -1 else 0


def hide() -> None:
    """Close this process to others of its user, where that can be. Children inherit it."""
    if _libc is not None:
        _prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def adopt_orphans() -> None:
    """Be the parent of descendants whose own has ended. Raises OSError where that cannot be."""
    if _libc is None or _prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("orphans cannot be adopted")


def show() -> None:
    """Be an ordinary process again."""
    if _libc is not None:
        _prctl(_SET_DUMPABLE, 1, 0, 0, 0)
