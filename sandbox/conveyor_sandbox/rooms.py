"""How the memory of a container is shared out, so that filling any part of it ends in a clear way.

In a container, files in memory and the supervisor's mirror of them count towards the same limit as
the processes do, and only processes can be killed to free some. So all that cannot be killed, when
it is full, leaves room for the supervisor and a fresh worker:

    workspace + names of files + /tmp + /dev/shm + mirror + our own ≤ memory

Beyond that, the worker (as large as it likes) is killed first, then its frozen copy (at most half
of the memory, see `Undo`). Not covered: code that moves itself to the back of the kernel's queue
(its own `oom_score_adj`) can have the supervisor killed, and its sandbox ends.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from conveyor_sandbox.sandbox import MIB, Limits

_OURS = 48 * MIB
"""The supervisor, and an empty worker."""
_LEAST, _MOST = 4 * MIB, 64 * MIB


class Rooms(NamedTuple):
    """Sizes in bytes."""

    tmp: int
    shm: int
    undo: int | None


def share_out(limits: Limits) -> Rooms:
    """Of what is left beside the workspace: a quarter for the mirror, an eighth for the others."""
    spare = limits.memory - _taken(limits.workspace_size)
    small = min(max(spare // 8, _LEAST), _MOST)
    undo = None if limits.undo is None else min(limits.undo, max(spare // 4, _LEAST))
    return Rooms(tmp=small, shm=small, undo=undo)


def with_room(limits: Limits) -> Limits:
    """The limits, with a mirror that there is room for."""
    return replace(limits, undo=share_out(limits).undo)


def least_memory(workspace_size: int) -> int:
    """The least limit of memory beside which a workspace can be full."""
    return _taken(workspace_size) + 4 * _LEAST


def _taken(workspace_size: int) -> int:
    # The kernel keeps about 1.3 kB of an empty file, and the supervisor as much to look at it.
    return workspace_size + workspace_size // 4 + _OURS
