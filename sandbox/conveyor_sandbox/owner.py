"""Who owns a container or a folder, and whether that process still lives.

An owner is a process: its host, its pid, and the moment it started, so that a pid that was given
to another process later is not taken for the owner. Without `/proc` (macOS) the moment is empty,
and a reused pid then counts as alive: what it owned is left rather than wrongly removed.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import tempfile
from pathlib import Path

OWNER_LABEL = "conveyor.owner"
"""The label that holds `owner_label()` on every container."""

_FOLDER = re.compile(r"conveyor-(?P<pid>\d+)-(?P<start>\d*)-(?P<place>[0-9a-f]{8})-")


def owner_label() -> str:
    """This process, as `HOST:PID:STARTTIME`."""
    pid = os.getpid()
    return f"{_host()}:{pid}:{_start_time(pid)}"


def is_gone(label: str) -> bool:
    """Whether the owner is known to be gone.

    False for a living owner, for one on another host, and for a label we did not write.
    """
    host, _, process = label.partition(":")
    pid, _, start = process.partition(":")
    return host == _host() and pid.isdecimal() and _process_is_gone(int(pid), start)


def owned_tempdir() -> Path:
    """A new temporary folder, named after this process. The caller removes it."""
    pid = os.getpid()
    prefix = f"conveyor-{pid}-{_start_time(pid)}-{_place()}-"
    return Path(tempfile.mkdtemp(prefix=prefix))


def abandoned_tempdirs() -> list[Path]:
    """Folders of `owned_tempdir` whose owner is gone; none of another user or another host."""
    return [
        folder
        for folder in sorted(Path(tempfile.gettempdir()).glob("conveyor-*"))
        if _is_ours(folder) and _folder_is_abandoned(folder.name)
    ]


def _folder_is_abandoned(name: str) -> bool:
    match = _FOLDER.match(name)
    if match is None or match["place"] != _place():
        return False
    return _process_is_gone(int(match["pid"]), match["start"])


def _is_ours(folder: Path) -> bool:
    """A real folder of our own user: others can put what they like into a shared `/tmp`."""
    try:
        return folder.is_dir() and not folder.is_symlink() and folder.lstat().st_uid == os.geteuid()
    except OSError:
        return False


def _process_is_gone(pid: int, start: str) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass  # it lives, as another user
    now = _start_time(pid)
    # Either may be empty: no /proc, or one that hides other users' processes.
    return bool(start and now) and start != now


def _start_time(pid: int) -> str:
    """Clock ticks from boot to the process's start; "" where it cannot be known.

    A process that ended and was only not yet reaped has none that equals another: "ended".
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    # The second field, the command, may itself hold spaces and brackets.
    fields = stat.rpartition(")")[2].split()
    state, start_time = fields[0], fields[19]
    return "ended" if state in "ZX" else start_time


def _host() -> str:
    return f"{socket.gethostname()}/{_place()}"


def _place() -> str:
    """Eight hex digits for this machine and pid namespace.

    Host names repeat (`localhost`), and containers that share a host's name, its engine or its
    `/tmp` count their processes apart.
    """
    parts = []
    try:
        parts.append(Path("/etc/machine-id").read_text("utf-8"))
    except OSError:
        parts.append("")
    try:
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        parts.append("")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
