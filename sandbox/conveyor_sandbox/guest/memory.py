"""Looks at the memory of all processes together, where no control group limits it.

Every so often, not always: code that is quick enough holds more than the limit until the next
look. What is counted: private memory of the processes, shared by those that share it, and what lies
in the file systems in memory. Not counted: the frozen copy, which shares its memory with the worker
(it is at most half of the limit); pipes and sockets.
"""

from __future__ import annotations

import os
import time

from .processes import others

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Optional

_EVERY = 0.25
"""Seconds between two looks."""
_PLACES = ("/workspace", "/tmp", "/dev/shm")  # noqa: S108 - the sandbox's own
_PAGE = os.sysconf("SC_PAGE_SIZE")
_KIB = 1024


class MemoryWatch:
    """The limit in bytes; None: something else holds it, and nobody looks."""

    def __init__(self, limit: Optional[int]) -> None:
        self._limit = limit
        self._next = time.monotonic()

    @property
    def look_within(self) -> Optional[float]:
        """Seconds until the next look; None: nobody looks."""
        return None if self._limit is None else max(0.0, self._next - time.monotonic())

    def is_exceeded(self, spared: Optional[int]) -> bool:
        """Look, if it is time to: whether all but the spared process hold too much."""
        if self._limit is None or time.monotonic() < self._next:
            return False
        pids = [pid for pid in others() if pid != spared]
        room = self._limit - sum(map(_used, _PLACES))
        # First what costs next to nothing: it counts what processes share for each of them.
        exceeded = sum(map(_private_at_most, pids)) > room and _sum_is_more(pids, room)
        self._next = time.monotonic() + _EVERY
        return exceeded


def _sum_is_more(pids: Iterable[int], room: int) -> bool:
    return sum(map(_private, pids)) > room


def _private_at_most(pid: int) -> int:
    """Bytes of its own, and those it shares with a process that was forked."""
    try:
        with open("/proc/%d/statm" % pid) as file:
            _, resident, shared = file.read().split()[:3]
        return (int(resident) - int(shared)) * _PAGE
    except (OSError, ValueError):  # it is gone
        return 0


def _private(pid: int) -> int:
    """Bytes of its own, and its share of what it shares; of one that is closed to us, at most."""
    try:
        with open("/proc/%d/smaps_rollup" % pid) as file:
            for line in file:
                if line.startswith("Pss_Anon:"):
                    return int(line.split()[1]) * _KIB
    except (OSError, ValueError):
        pass
    return _private_at_most(pid)


def _used(place: str) -> int:
    """Bytes that lie in a file system in memory; 0 where there is none of ours."""
    try:
        status = os.statvfs(place)
    except OSError:
        return 0
    return (status.f_blocks - status.f_bfree) * status.f_frsize
