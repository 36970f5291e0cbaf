"""A control group for one local sandbox: the limit on the memory of all its processes together.

A group can be made below one that is ours to change: root's, or one that was delegated to an
ordinary user (`systemd-run --user --scope`). Both versions of the kernel's interface are known.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

_TOP = "/sys/fs/cgroup"
_SWAP = {2: ("memory.swap.max", 0), 1: ("memory.memsw.limit_in_bytes", 1)}
"""What limits swap, and how much of the limit it is: version 1 counts memory and swap together."""
_LIMIT = {2: "memory.max", 1: "memory.limit_in_bytes"}
_KILLS = {2: "memory.events", 1: "memory.oom_control"}
KILLS_SEEN_AT = Path("/etc/conveyor/memory.events")
"""Where the code's own supervisor looks for what the kernel killed."""


class Group(NamedTuple):
    """A group that has been made, and the version of its interface."""

    folder: Path
    version: int

    @property
    def kills(self) -> tuple[Path, Path]:
        """The file that counts what the kernel killed, and where it is to be seen."""
        return self.folder / _KILLS[self.version], KILLS_SEEN_AT

    def join(self) -> None:
        """Move this process into it. Raises OSError."""
        (self.folder / "cgroup.procs").write_text("0")

    def remove(self) -> None:
        """When all in it have ended."""
        with contextlib.suppress(OSError):  # an empty one costs nothing
            self.folder.rmdir()


def make(memory: int) -> Group | None:
    """A group whose processes may hold so many bytes together, in memory; None: none can be had."""
    for version in (2, 1):
        parent = _parent(version)
        if parent is None:
            continue
        try:
            group = Group(Path(tempfile.mkdtemp(prefix="conveyor-", dir=parent)), version)
        except OSError:
            continue
        try:
            _limit(group, memory)
        except OSError:
            group.remove()
        else:
            return group
    return None


def is_there() -> bool:
    """Whether one can be had."""
    group = make(1 << 30)
    if group is not None:
        group.remove()
    return group is not None


def _limit(group: Group, memory: int) -> None:
    (group.folder / _LIMIT[group.version]).write_text(str(memory))
    name, share = _SWAP[group.version]
    if (group.folder / name).exists():  # not where the kernel has no swap
        (group.folder / name).write_text(str(share * memory))


def _parent(version: int) -> Path | None:
    """The nearest group above us, or ours, in which we may make one that can limit memory."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if version == 1 and "memory" in controllers.split(","):
            own = Path(_TOP, "memory", path.lstrip("/"))
            return own if _is_ours(own) else None
        if version == 2 and not controllers:  # noqa: PLR2004
            own = Path(_TOP, path.lstrip("/"))
            above = (it for it in (own, *own.parents) if it.is_relative_to(_TOP))
            return next((it for it in above if _is_ours(it) and _hands_on_memory(it)), None)
    return None


def _is_ours(group: Path) -> bool:
    return os.access(group, os.W_OK) and os.access(group / "cgroup.procs", os.W_OK)


def _hands_on_memory(group: Path) -> bool:
    try:
        return "memory" in (group / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
