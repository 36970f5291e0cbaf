"""All other processes of the sandbox, as its first process sees and ends them.

Where there is no sandbox, they are those that this process and its children have started: it is
then what orphans among them come to (see `guard.adopt_orphans`).
"""

from __future__ import annotations

import contextlib
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Set

_PAGE = os.sysconf("SC_PAGE_SIZE")


ALONE = os.getpid() == 1
"""Whether all processes there are belong to this one: it is the first of a pid namespace."""


def others() -> List[int]:
    """All that are ours, but this one."""
    found = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    if ALONE:
        return [pid for pid in found if pid != 1]
    parents = {pid: _parent(pid) for pid in found}
    ours = {os.getpid()}
    while True:
        more = {pid for pid, parent in parents.items() if parent in ours and pid not in ours}
        if not more:
            return sorted(ours - {os.getpid()})
        ours |= more


def _parent(pid: int) -> int:
    try:
        with open("/proc/%d/stat" % pid) as file:
            # The command before it may hold spaces and brackets.
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def resident(pid: int) -> int:
    """Bytes of memory that a process holds, its share of libraries included; 0 if it is gone."""
    try:
        with open("/proc/%d/statm" % pid) as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


def is_asleep(pid: int) -> bool:
    """Whether a process waits for something."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"S"
    except (OSError, IndexError):
        return False


def kill_all(spared: Optional[int] = None) -> None:
    """Kill all other processes but the spared one.

    They are stopped first, so that none can start another meanwhile.
    """
    if spared is None and ALONE:
        _signal(-1, signal.SIGKILL)
        return
    _stop_all()
    for pid in others():
        if pid != spared:
            _signal(pid, signal.SIGKILL)
    if spared is not None:
        _signal(spared, signal.SIGCONT)


def _stop_all() -> None:
    if ALONE:
        _signal(-1, signal.SIGSTOP)
        return
    stopped: Set[int] = set()
    while True:
        more = set(others()) - stopped
        if not more:
            return
        for pid in more:
            _signal(pid, signal.SIGSTOP)
        stopped |= more


def end_all(spared: Optional[int] = None) -> None:
    """Kill them and wait until they are gone: they count against the limit on processes."""
    while True:
        rest = [pid for pid in others() if pid != spared]
        if not rest:
            return
        kill_all(spared)
        for pid in rest:
            with contextlib.suppress(ChildProcessError):  # another's child, so far
                os.waitpid(pid, 0)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
