"""All other processes of the sandbox, as its first process sees and ends them."""

from __future__ import annotations

import contextlib
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

_PAGE = os.sysconf("SC_PAGE_SIZE")


def others() -> List[int]:
    """The processes of this pid namespace but for the first, ours."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]


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
    if spared is None:
        _signal(-1, signal.SIGKILL)
        return
    _signal(-1, signal.SIGSTOP)
    for pid in others():
        if pid != spared:
            _signal(pid, signal.SIGKILL)
    _signal(spared, signal.SIGCONT)


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
