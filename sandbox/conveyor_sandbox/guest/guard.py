"""What keeps the model's code away from the supervisor, which runs as the same user beside it.

The supervisor is not dumpable: its memory, descriptors and environment are closed to others of its
user. The worker, and with it all that the code starts, has a filter of system calls: nothing can be
done to process 1 by its number (signals, limits, priorities), nor to all processes at once; other
processes' memory and descriptors are closed; what has a history of kernel flaws is gone.

Not covered: what the code does to its own processes, the worker and its frozen copy among them. And
what needs `ctypes` (there is none in a minimal image) or another processor: `why_not` says so, and
then nothing here is in force.
"""

from __future__ import annotations

import os
import struct
import sys
from errno import EAFNOSUPPORT, ENOSYS, EPERM

from . import bpf

try:
    import ctypes

    # Now: what the model's code does to `ctypes` in its own process must not be met later.
    _libc: Any = ctypes.CDLL(None, use_errno=True)
    _prctl, _syscall = _libc.prctl, _libc.syscall
except ImportError:
    _libc = None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

    Numbers = Tuple[int, int]

# Numbers on x86_64 and on aarch64.

DENIED: Dict[str, Numbers] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "add_key": (248, 217),  # keys belong to the user, not to the sandbox
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
}
"""Not permitted, whatever the arguments."""
ABSENT: Dict[str, Numbers] = {
    "pidfd_send_signal": (424, 424),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}
"""As if the kernel did not have it: programs go on with what there was before."""
BY_PID: Dict[str, Numbers] = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "prlimit64": (302, 261),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
}
"""Their first argument may not be the supervisor, or everyone."""
BY_GROUP: Dict[str, Tuple[int, int, int]] = {
    "setpriority": (141, 140, 2),  # PRIO_USER
    "ioprio_set": (251, 30, 3),  # IOPRIO_WHO_USER
}
"""Their first argument may not be the whole user (the third number), the second not process 1."""
SOCKET: Numbers = (41, 198)
FAMILIES = (1, 2, 10, 16)
"""Families of sockets: Unix, IPv4, IPv6, netlink (which lists interfaces)."""

_US_OR_ALL = (1, 0xFFFFFFFF)
_SET_DUMPABLE, _NO_NEW_PRIVS = 4, 38  # of prctl(2)
_SECCOMP: Numbers = (317, 277)
_SET_FILTER, _IS_AVAILABLE = 1, 2  # of seccomp(2)
_DENIES = 0x00050000


def why_not() -> Optional[str]:
    """Why there is no guard here, in words; None: there is one."""
    if _libc is None:
        return "its python3 has no ctypes"
    machine = os.uname().machine
    if machine not in bpf.ARCHITECTURES or sys.maxsize < 2**32:
        return "no system call filter is known for the processor %s" % machine
    if _call(_SECCOMP, _IS_AVAILABLE, 0, struct.pack("I", _DENIES)):
        return "its kernel filters no system calls"
    return None


def hide() -> None:
    """Close this process to others of its user, where that can be. Children inherit it."""
    if _libc is not None:
        _prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def show() -> None:
    """Be an ordinary process again."""
    if _libc is not None:
        _prctl(_SET_DUMPABLE, 1, 0, 0, 0)


def confine() -> None:
    """Filter all further system calls of this process and its children.

    Raises:
        OSError: the kernel does not.
    """
    _prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)  # else only root may
    instructions = program()
    kept = ctypes.create_string_buffer(instructions, len(instructions))
    header = struct.pack("HxxxxxxQ", len(instructions) // 8, ctypes.addressof(kept))
    error = _call(_SECCOMP, _SET_FILTER, 0, header)
    if error:
        raise OSError(error, os.strerror(error), "the system call filter")


def program() -> bytes:
    """The filter for this machine."""
    code = bpf.begin(os.uname().machine)
    for table, error in ((DENIED, EPERM), (ABSENT, ENOSYS)):
        code += bpf.deny_all(map(_number, table.values()), error)
    yes, no = bpf.allow(), bpf.deny(EPERM)
    target = [bpf.argument(0), *bpf.one_of(_US_OR_ALL), no, yes]
    for numbers in BY_PID.values():
        code += bpf.decide(_number(numbers), target)
    for intel, arm, user in BY_GROUP.values():
        tests = [bpf.argument(0), *bpf.one_of([user]), no, bpf.argument(1), *bpf.one_of([1])]
        code += bpf.decide(_number((intel, arm)), [*tests, no, yes])
    family = [bpf.argument(0), *bpf.one_of(FAMILIES), yes, bpf.deny(EAFNOSUPPORT)]
    code += bpf.decide(_number(SOCKET), family)
    return b"".join([*code, yes])


def _number(numbers: Numbers) -> int:
    return numbers[0 if os.uname().machine == "x86_64" else 1]


def _call(numbers: Numbers, *arguments: Any) -> int:
    """Make a system call; returns the number of its error, 0 if there is none."""
    # As longs: ctypes would pass integers as 32 bits.
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    failed = _syscall(ctypes.c_long(_number(numbers)), *wide) == -1
    return ctypes.get_errno() if failed else 0
