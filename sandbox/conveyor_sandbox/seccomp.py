"""The system call filter of the local sandbox.

A list of what is denied, since any program may run in the sandbox: what reaches beyond its own
processes and files, what has a history of kernel flaws and is of no use here, and ways to hold
memory that no limit counts. Not covered: flaws of the system calls that remain.
"""

from __future__ import annotations

import ctypes
import errno
import struct

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

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
_FIRST_ARGUMENT, _SECOND_ARGUMENT = 16, 24  # offsets of their low halves
_SET_FILTER = 1


def program() -> bytes:
    """The filter for this machine, as instructions of classic BPF. Raises Refused."""
    code = [
        _op(_LOAD, 4),
        _op(_EQUAL, _ARCHITECTURES[machine()], 1, 0),
        _op(_RETURN, _KILL),  # 32-bit calls have other numbers
        _op(_LOAD, 0),
    ]
    if machine() == "x86_64":
        code += [_op(_AT_LEAST, _X32, 0, 1), _deny(errno.ENOSYS)]
    for names, error in ((_DENIED, errno.EPERM), (_ABSENT, errno.ENOSYS)):
        for number in filter(None.__ne__, map(number_of, names)):
            assert number is not None
            code += [_op(_EQUAL, number, 0, 1), _deny(error)]
    allow, forbid, unknown = _op(_RETURN, _ALLOW), _deny(errno.EPERM), _deny(errno.EAFNOSUPPORT)
    namespaces = _op(_ANY_BIT, _NEW_NAMESPACES, 0, 1)
    code += _argument("clone", _FIRST_ARGUMENT, [namespaces, forbid, allow])
    code += _argument("ioctl", _SECOND_ARGUMENT, [*_one_of(_INJECT_INPUT), forbid, allow])
    code += _argument("personality", _FIRST_ARGUMENT, [*_one_of(_PERSONALITIES), allow, forbid])
    code += _argument("socket", _FIRST_ARGUMENT, [*_one_of(_FAMILIES), allow, unknown])
    return b"".join([*code, _op(_RETURN, _ALLOW)])


def install() -> None:
    """Filter all further system calls of this process and its children. Raises Refused."""
    instructions = program()
    kept = ctypes.create_string_buffer(instructions, len(instructions))
    header = struct.pack("HxxxxxxQ", len(instructions) // 8, ctypes.addressof(kept))
    call("a seccomp filter", "seccomp", _SET_FILTER, 0, header)


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _deny(error: int) -> bytes:
    return _op(_RETURN, _ERRNO | error)


def _one_of(values: tuple[int, ...]) -> list[bytes]:
    """Go on with the next instruction where the value is one of these, else skip that one."""
    last = len(values) - 1
    return [_op(_EQUAL, value, last - at, int(at == last)) for at, value in enumerate(values)]


def _argument(name: str, offset: int, test: list[bytes]) -> list[bytes]:
    """For one system call: decide by (the low half of) one of its arguments."""
    number = number_of(name)
    assert number is not None
    block = [_op(_LOAD, offset), *test]
    return [_op(_EQUAL, number, 0, len(block)), *block]
