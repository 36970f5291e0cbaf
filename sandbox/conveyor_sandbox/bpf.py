"""Filters of system calls, put together: instructions of classic BPF.

A jump goes forward, over at most 255 instructions. An argument is looked at by its low half, which
is all that the kernel takes of a number of 32 bits.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Sequence

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in what a filter sees
_X32 = 0x40000000


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def allow() -> bytes:
    """The call is made."""
    return _op(_RETURN, _ALLOW)


def deny(error: int) -> bytes:
    """The call is not made, and this is its error."""
    return _op(_RETURN, _ERRNO | error)


def begin(processor: str) -> list[bytes]:
    """What a filter begins with: calls by the numbers of another architecture are fatal."""
    code = [
        _op(_LOAD, _ARCHITECTURE),
        _op(_EQUAL, _ARCHITECTURES[processor], 1, 0),
        _op(_RETURN, _KILL),
        _op(_LOAD, _NUMBER),
    ]
    if processor == "x86_64":
        code += [_op(_AT_LEAST, _X32, 0, 1), deny(errno.ENOSYS)]
    return code


def deny_all(numbers: Iterable[int], error: int) -> list[bytes]:
    """Deny the system calls of these numbers."""
    return [code for number in numbers for code in (_op(_EQUAL, number, 0, 1), deny(error))]


def decide(number: int, tests: Sequence[bytes]) -> list[bytes]:
    """For this system call, these instructions decide; they end in `allow` or `deny`."""
    return [_op(_EQUAL, number, 0, len(tests)), *tests]


def argument(index: int) -> bytes:
    """Look at this argument from here on, counted from 0."""
    return _op(_LOAD, _ARGUMENTS + 8 * index)


def one_of(values: Sequence[int]) -> list[bytes]:
    """Go on with the next instruction where the value is one of these, else skip that one."""
    last = len(values) - 1
    return [_op(_EQUAL, value, last - at, int(at == last)) for at, value in enumerate(values)]


def any_bit_of(mask: int) -> bytes:
    """Go on with the next instruction where one of these bits is set, else skip that one."""
    return _op(_ANY_BIT, mask, 0, 1)
