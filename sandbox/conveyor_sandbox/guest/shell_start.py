"""The shell's process, as the supervisor starts it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal

from .checkpoint import OOM_SCORE_AWAKE, set_oom_score
from .shell_lines import REPORT, SCRIPT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, NoReturn, Optional, Tuple

    from .guard import Guard

_FALLBACK = "/bin/sh"
_IGNORED = ("SIGINT", "SIGPIPE", "SIGXFSZ", "SIGCHLD")
"""Signals that are not as usual in the supervisor; a shell would take that over."""


class Started:
    """A shell: its pid, our ends of its script and its reports, and what to remove then."""

    def __init__(self, pid: int, script: int, report: int, folder: Optional[str]) -> None:
        self.pid = pid
        self.script = script
        self.report = report
        self._folder = folder

    def tidy(self) -> None:
        """It has opened its script, whose name need no longer be there."""
        folder, self._folder = self._folder, None
        if folder is not None:
            _remove(folder)


def find_shell() -> str:
    """The path of `bash`; of `sh` where there is none."""
    return shutil.which("bash") or shutil.which("sh") or _FALLBACK


def start(path: str, guard: Guard, out: int, err: int, *, blank: bool) -> Started:
    """A new shell, that writes to these pipes' ends, and reads its script from us.

    `blank`: without an environment, which it will be told.

    Raises:
        OSError: there is none, or no further process can be had.
    """
    if not os.path.exists(path):
        raise FileNotFoundError("%s is not in the image" % path)
    folder = _name_script(os.path.basename(path))
    ends: List[int] = []
    try:
        ends += os.pipe()
        ends += os.pipe()
        pid = os.fork()
    except OSError:
        for end in ends:
            os.close(end)
        if folder is not None:
            _remove(folder)
        raise
    script, script_end, report_end, report = ends
    if not pid:
        environment = {} if blank else {**os.environ, "SHELL": path}
        _become_shell(path, environment, guard, folder, (script, out, err, report))
    for end in (script, report):
        os.close(end)
    for end in (script_end, report_end):
        os.set_blocking(end, False)
    return Started(pid, script_end, report_end, folder)


def _name_script(name: str) -> Optional[str]:
    """A folder with a link to the script of that name, so that `$0` and messages say that name."""
    folder = "/tmp/.conveyor-%s" % os.urandom(8).hex()  # noqa: S108 - nobody can guess it
    try:
        os.mkdir(folder, 0o700)
        os.symlink("/proc/self/fd/%d" % SCRIPT, os.path.join(folder, name))
    except OSError:
        return None  # nothing can be written there
    return folder


def _remove(folder: str) -> None:
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)


def _become_shell(
    path: str,
    environment: Dict[str, str],
    guard: Guard,
    folder: Optional[str],
    ends: Tuple[int, int, int, int],
) -> NoReturn:
    """The child's side of the fork."""
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for name in _IGNORED:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        script, out, err, report = ends
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (out, 1), (err, 2), (script, SCRIPT), (report, REPORT)):
            os.dup2(source, target)
        os.closerange(3, SCRIPT)
        guard.confine()
        set_oom_score(OOM_SCORE_AWAKE)
        name = os.path.basename(path)
        if folder is not None:
            os.chdir(folder)
        text = name if folder is not None else "/dev/fd/%d" % SCRIPT
        os.execve(path, [name, text], environment)  # noqa: S606 - it is one
    except BaseException as problem:  # noqa: BLE001 - it must not go on as the supervisor
        os.write(2, ("the shell could not be started: %s\n" % problem).encode())
    finally:
        os._exit(127)
