"""A checkpoint of the interpreter: a frozen copy of the worker's process, made by forking it.

The copy is the child, so that live threads and children stay with the worker, which goes on. It
is forked twice over, so that it is no child of the worker: the code's `os.wait()` cannot meet it.
It has a channel of its own to the supervisor: what the worker has not read is not for it to read.

Not in the copy: threads other than the main one, children, timers (`signal.setitimer`), and what
both share: files' contents, the other ends of pipes and sockets, shared memory.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` wraps it in enums, ten times as slow
import sys
import warnings as _warnings
from _thread import _count as count_threads
from contextlib import contextmanager, nullcontext, suppress

# By name: what the model's code may put in the place of names in modules must not be met here.
from os import (
    O_WRONLY,
    SEEK_CUR,
    SEEK_SET,
    _exit,
    chdir,
    close,
    dup2,
    fork,
    fstat,
    getcwd,
    getpid,
    listdir,
    lseek,
    setsid,
    waitpid,
    write,
)
from os import open as open_file
from stat import S_ISREG
from time import monotonic
from warnings import catch_warnings

from .frames import FrameDecoder, encode
from .guard import hide, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any, Dict, Iterator

_PYTHON = tuple(sys.version_info[:2])
_signals = _signal.valid_signals()
_OOM_SCORE_FROZEN, OOM_SCORE_AWAKE = 600, 1000
"""Out of memory, the worker goes first, its copy after it, the supervisor last."""


class NotFrozen(Exception):  # noqa: N818 - reads as what it is
    """There is no copy; the message says why."""


def freeze(control: socket.socket, channel: int) -> bool:
    """Leave a frozen copy of this process, which hears from the supervisor over `channel`.

    Returns False in this process, as soon as the copy exists, and True in the copy, once it has
    been woken. There, `control` is the new channel.

    Raises:
        NotFrozen: the system would not have another process.
    """
    # Forking seeds `random` afresh in the child: that is not for a copy.
    generator, numbers = _random_numbers()
    threads = count_threads()
    try:
        with _no_warning_of_threads():
            child = fork()
    except OSError as problem:
        close(channel)
        raise NotFrozen(problem.strerror or "fork failed") from None
    if child:
        close(channel)
        _, status = waitpid(child, 0)
        if status:
            raise NotFrozen("no second process")
        return False
    try:
        if fork():
            _exit(0)
    except OSError:
        _exit(1)
    try:
        if numbers is not None:
            generator.setstate(numbers)
        _be_frozen(control, channel, threads)
    except BaseException:  # noqa: BLE001 - whatever it is, no copy must go on by itself
        _exit(1)
    return True


def _no_warning_of_threads() -> Any:
    """From 3.12 on, forking a process with threads warns: they stay here, as is meant."""
    if _PYTHON < (3, 12) or len(listdir("/proc/self/task")) == 1:
        return nullcontext()  # changing the filters makes Python forget what it has warned of
    return _silence()


@contextmanager
def _silence() -> Iterator[None]:
    with catch_warnings(module=_warnings):
        _warnings.simplefilter("ignore")
        yield


def _random_numbers() -> Any:
    """The generator of `random` and its state, if it is in use."""
    with suppress(BaseException):
        generator = sys.modules["random"]._inst  # noqa: SLF001 - what its functions are of
        return generator, generator.getstate()
    return None, None


def _be_frozen(control: socket.socket, channel: int, threads: int) -> None:
    """In the copy: wait until the supervisor wakes it, and go on as if no time had passed."""
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signals)
    setsid()  # what is sent to the worker's group is not for the copy
    set_oom_score(_OOM_SCORE_FROZEN)
    dup2(channel, control.fileno(), inheritable=False)
    close(channel)
    folder = _folder()
    offsets = _offsets()
    hide()  # from the worker
    control.sendall(encode({"ev": "frozen", "pid": getpid(), "threads": threads}))
    decoder = FrameDecoder()
    while True:
        data = control.recv(4096)
        if not data:
            _exit(0)  # it is not needed any more
        if decoder.feed(data):
            break
    show()
    for fd, offset in offsets.items():
        with suppress(OSError):
            lseek(fd, offset, SEEK_SET)
    with suppress(OSError):
        chdir(folder)  # it may be another folder of the same name
    set_oom_score(OOM_SCORE_AWAKE)
    while _signal.sigtimedwait(_signals, 0) is not None:
        pass  # they were meant for the time in which it did not run
    _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
    control.sendall(encode({"ev": "awake", "t": monotonic()}))


def _folder() -> str:
    try:
        return getcwd()
    except OSError:  # it was removed
        return "."


def _offsets() -> Dict[int, int]:
    """Where each open file stands: the worker shares that with its copy."""
    offsets = {}
    for name in listdir("/proc/self/fd"):
        with suppress(OSError):
            fd = int(name)
            if S_ISREG(fstat(fd).st_mode):
                offsets[fd] = lseek(fd, 0, SEEK_CUR)
    return offsets


def set_oom_score(score: int) -> None:
    """How soon this process goes when memory is out (0 to 1000), as far as we may say so."""
    with suppress(OSError):
        fd = open_file("/proc/self/oom_score_adj", O_WRONLY)
        try:
            write(fd, b"%d" % score)
        finally:
            close(fd)
