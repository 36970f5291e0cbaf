"""The filters of system calls: one for the whole local sandbox, one for the worker in any sandbox.

Lists of what is denied, since any program may run in a sandbox: what reaches beyond its own
processes and files, what has a history of kernel flaws and is of no use here. In the local sandbox
also ways to hold memory that no limit counts; for the worker also what reaches the supervisor,
which runs beside it as process 1. Not covered: flaws of the system calls that remain.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterable

from conveyor_sandbox import bpf
from conveyor_sandbox.syscalls import call, machine, number_of

DENIED = (  # noqa: SIM905 - to be read by topic
    "mount umount2 pivot_root chroot open_tree open_tree_attr move_mount fsopen fsconfig fsmount "
    "fspick mount_setattr unshare setns "  # namespaces and mounts
    "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd "  # others' memory
    "keyctl add_key request_key "  # keys belong to the user, not to a namespace
    "open_by_handle_at name_to_handle_at fanotify_init quotactl quotactl_fd acct swapon swapoff "
    "bpf perf_event_open userfaultfd kexec_load kexec_file_load init_module finit_module "
    "delete_module create_module reboot syslog lookup_dcookie nfsservctl vhangup iopl ioperm "
    "modify_ldt uselib ustat sysfs _sysctl "
    "settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname "
    "mbind move_pages set_mempolicy set_mempolicy_home_node migrate_pages"
).split()
"""Not permitted, whatever the arguments."""

ABSENT = (  # noqa: SIM905
    "clone3 "  # its flags lie in memory, where a filter cannot look; libc goes on with clone
    "io_uring_setup io_uring_enter io_uring_register "
    "pidfd_send_signal"  # to whom cannot be seen either
).split()
"""As if the kernel did not have them: programs go on with what there was before."""

JAIL_DENIED = ["sched_setaffinity"]
"""In the local sandbox: the processors it may use are its `cpus` limit."""
JAIL_ABSENT = ["memfd_create", "memfd_secret", "shmget", "msgget", "semget", "mq_open"]
"""In the local sandbox: memory outside of every limit."""

BY_PID = (  # noqa: SIM905
    "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open prlimit64 "
    "sched_setparam sched_setscheduler sched_setaffinity sched_setattr"
).split()
"""Of the worker: the first argument may be neither the supervisor nor everyone."""
BY_GROUP = {"setpriority": 2, "ioprio_set": 3}
"""Of the worker: the first argument may not be this (all of the user), the second not process 1."""

_SUPERVISOR, _EVERYONE = 1, 0xFFFFFFFF
_NEW_NAMESPACES = 0x7E020000
_INJECT_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6
_NETLINK = 16  # lists the interfaces; the local sandbox has none to list
_PERSONALITIES = (0, 0xFFFFFFFF)  # the plain one; a question

_SET_FILTER = 1


def program() -> bytes:
    """The local sandbox's filter, as instructions of classic BPF. Raises Refused."""
    code = _common(machine(), [*DENIED, *JAIL_DENIED], [*ABSENT, *JAIL_ABSENT], _FAMILIES)
    return b"".join([*code, bpf.allow()])


def worker_program(processor: str) -> bytes:
    """The worker's filter on a processor of `PROCESSORS`."""
    code = _common(processor, DENIED, ABSENT, (*_FAMILIES, _NETLINK))
    allow, forbid = bpf.allow(), bpf.deny(errno.EPERM)
    target = [bpf.argument(0), *bpf.one_of((_SUPERVISOR, _EVERYONE)), forbid, allow]
    for name in BY_PID:
        code += _decide(processor, name, target)
    for name, whole_user in BY_GROUP.items():
        user = [bpf.argument(0), *bpf.one_of((whole_user,)), forbid]
        one = [bpf.argument(1), *bpf.one_of((_SUPERVISOR,)), forbid]
        code += _decide(processor, name, [*user, *one, allow])
    return b"".join([*code, allow])


def _common(
    processor: str, denied: Iterable[str], absent: Iterable[str], families: tuple[int, ...]
) -> list[bytes]:
    code = bpf.begin(processor)
    for names, error in ((denied, errno.EPERM), (absent, errno.ENOSYS)):
        numbers = (number_of(name, processor) for name in names)
        code += bpf.deny_all((it for it in numbers if it is not None), error)
    allow, forbid, unknown = bpf.allow(), bpf.deny(errno.EPERM), bpf.deny(errno.EAFNOSUPPORT)
    tests = {
        "clone": [bpf.argument(0), bpf.any_bit_of(_NEW_NAMESPACES), forbid, allow],
        "ioctl": [bpf.argument(1), *bpf.one_of(_INJECT_INPUT), forbid, allow],
        "personality": [bpf.argument(0), *bpf.one_of(_PERSONALITIES), allow, forbid],
        "socket": [bpf.argument(0), *bpf.one_of(families), allow, unknown],
    }
    for name, test in tests.items():
        code += _decide(processor, name, test)
    return code


def _decide(processor: str, name: str, test: list[bytes]) -> list[bytes]:
    number = number_of(name, processor)
    assert number is not None
    return bpf.decide(number, test)


def install() -> None:
    """Filter all further system calls of this process and its children. Raises Refused."""
    instructions = program()
    kept = ctypes.create_string_buffer(instructions, len(instructions))
    header = struct.pack("HxxxxxxQ", len(instructions) // 8, ctypes.addressof(kept))
    call("a seccomp filter", "seccomp", _SET_FILTER, 0, header)
