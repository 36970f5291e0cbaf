"""The system call filter of the local sandbox.

A list of what is denied, since any program may run in the sandbox: what reaches beyond its own
processes and files, what has a history of kernel flaws and is of no use here, and ways to hold
memory that no limit counts. Not covered: flaws of the system calls that remain.
"""

from __future__ import annotations

import ctypes
import errno
import struct

from conveyor_sandbox.guest import bpf
from conveyor_sandbox.syscalls import call, machine, number_of

_DENIED = (  # noqa: SIM905 - to be read by topic
    "mount umount2 pivot_root chroot open_tree open_tree_attr move_mount fsopen fsconfig fsmount "
    "fspick mount_setattr unshare setns "  # namespaces and mounts
    "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd "  # others' memory
    "keyctl add_key request_key "  # keys belong to the user, not to a namespace
    "open_by_handle_at name_to_handle_at fanotify_init quotactl quotactl_fd acct swapon swapoff "
    "bpf perf_event_open userfaultfd kexec_load kexec_file_load init_module finit_module "
    "delete_module create_module reboot syslog lookup_dcookie nfsservctl vhangup iopl ioperm "
    "modify_ldt uselib ustat sysfs _sysctl "
    "settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname "
    "mbind move_pages set_mempolicy set_mempolicy_home_node migrate_pages "
    "sched_setaffinity"  # the processors it may use are its `cpus` limit
).split()

_ABSENT = (  # noqa: SIM905
    "clone3 "  # its flags lie in memory, where a filter cannot look; libc goes on with clone
    "io_uring_setup io_uring_enter io_uring_register "
    "memfd_create memfd_secret shmget msgget semget mq_open"  # memory outside of every limit
).split()

_NEW_NAMESPACES = 0x7E020000
_INJECT_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6
_PERSONALITIES = (0, 0xFFFFFFFF)  # the plain one; a question

_SET_FILTER = 1


def program() -> bytes:
    """The filter for this machine, as instructions of classic BPF. Raises Refused."""
    code = bpf.begin(machine())
    for names, error in ((_DENIED, errno.EPERM), (_ABSENT, errno.ENOSYS)):
        code += bpf.deny_all([it for it in map(number_of, names) if it is not None], error)
    allow, forbid, unknown = bpf.allow(), bpf.deny(errno.EPERM), bpf.deny(errno.EAFNOSUPPORT)
    namespaces = [bpf.argument(0), bpf.any_bit_of(_NEW_NAMESPACES)]
    code += _decide("clone", [*namespaces, forbid, allow])
    code += _decide("ioctl", [bpf.argument(1), *bpf.one_of(_INJECT_INPUT), forbid, allow])
    code += _decide("personality", [bpf.argument(0), *bpf.one_of(_PERSONALITIES), allow, forbid])
    code += _decide("socket", [bpf.argument(0), *bpf.one_of(_FAMILIES), allow, unknown])
    return b"".join([*code, allow])


def install() -> None:
    """Filter all further system calls of this process and its children. Raises Refused."""
    instructions = program()
    kept = ctypes.create_string_buffer(instructions, len(instructions))
    header = struct.pack("HxxxxxxQ", len(instructions) // 8, ctypes.addressof(kept))
    call("a seccomp filter", "seccomp", _SET_FILTER, 0, header)


def _decide(name: str, tests: list[bytes]) -> list[bytes]:
    number = number_of(name)
    assert number is not None
    return bpf.decide(number, tests)
