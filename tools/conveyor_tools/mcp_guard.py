"""Starts a command, and ends it with all its children when its own standard input closes.

    python -I -S mcp_guard.py GRACE COMMAND…

The command has the same standard streams. Whoever started this need not be alive to end it: that
its end of the pipe is closed, also by `kill -9`, is enough. The command then has GRACE seconds to
end by itself, as the protocol asks. Children that made a session of their own, or whose parents
ended, are found too: this process is made their parent (on Linux; elsewhere they are not).

Standard library only, and little of it: this stands between the user and each start of a server.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

_PDEATHSIG, _SUBREAPER = 1, 36
_TERM_S = 0.5
"""Seconds between asking and killing."""
_KILL_S = 2.0
_STEP_S = 0.02
_NOT_FOUND = 127


def main() -> int:
    """Run the command; the exit code is its own."""
    grace, command = float(sys.argv[1]), sys.argv[2:]
    _control(_SUBREAPER, 1)
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _note)
    child = os.fork()
    if child == 0:
        _become(command)
    os.close(1)  # its end shows that the command has ended
    poll = select.poll()
    poll.register(0, 0)  # a hang-up is told without being asked for, and nothing is read
    poll.register(woken, select.POLLIN)
    deadline: float | None = None
    while (code := _code(child)) is None:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            break
        events = dict(poll.poll(None if left is None else left * 1000))
        if woken in events:
            os.read(woken, 4096)
        if deadline is None and (0 in events or _noted):
            deadline = time.monotonic() + grace
            poll.unregister(0)
    _end_descendants()
    return _code(child) or 0 if code is None else code


_noted: list[int] = []
"""Signals that mean the end."""


def _note(number: int, _: object) -> None:
    if number != signal.SIGCHLD:
        _noted.append(number)


def _become(command: list[str]) -> None:
    """Be the command, which dies with this process's parent if that is killed."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.setpgid(0, 0)
        _control(_PDEATHSIG, signal.SIGKILL)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(_NOT_FOUND)


_exited: dict[int, int] = {}


def _code(child: int) -> int | None:
    """The child's exit code, once it has ended. Orphans that came to us are buried, too."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid == 0:
            break
        code = os.waitstatus_to_exitcode(status)
        _exited[pid] = code if code >= 0 else 128 - code
    return _exited.get(child)


def _end_descendants() -> None:
    for number, seconds in ((signal.SIGTERM, _TERM_S), (signal.SIGKILL, _KILL_S)):
        until = time.monotonic() + seconds
        signalled: set[int] = set()
        while left := _descendants():
            for pid in left - signalled if number == signal.SIGTERM else left:
                try:
                    os.kill(pid, number)
                except OSError:
                    continue
            signalled |= left
            if time.monotonic() >= until:
                break
            time.sleep(_STEP_S)
            _code(0)


def _descendants() -> set[int]:
    """All processes below this one that are not dead already."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
            except (OSError, ValueError):
                continue
            if state not in (b"Z", b"X"):
                children.setdefault(int(parent), []).append(int(name))
    found: set[int] = set()
    new = children.get(os.getpid(), [])
    while new:
        found.update(new)
        new = [pid for parent in new for pid in children.get(parent, ()) if pid not in found]
    return found


def _control(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main())
