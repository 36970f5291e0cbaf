"""What a sandbox is, and its limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from conveyor_sandbox.client import GuestClient

Progress = Callable[[str, float | None], None]
"""Told of long work: what is being done, and the fraction done (0 to 1) where it is known."""

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What code in a sandbox may use. Sizes in bytes, times in seconds.

    The workspace and `/tmp` are memory too: they count towards `memory` (see `rooms`).
    """

    memory: int = 1024 * MIB
    cpus: float = 2.0
    """At most; of a machine with fewer, all of them."""
    pids: int = 128
    unit_timeout: float = 30.0
    workspace_size: int = 256 * MIB
    output: int = MIB // 4
    """What is kept of each of a call's two output streams."""
    undo: int | None = 64 * MIB
    """What is kept of the workspace's files, to take a call back. None: calls cannot be."""


@dataclass(frozen=True, slots=True)
class HostFunction:
    """A function of ours that code in the sandbox can call by its name.

    `signature` is what stands between `def name` and its colon, in Python that needs no names but
    built-in constants; a parameter that is `...` is not sent.
    """

    name: str
    signature: str
    doc: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it is put into the workspace, or a link, whose content is its target."""

    content: bytes
    executable: bool = False
    link: bool = False


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """What sandbox a run asks for.

    `files` maps paths in the workspace to their content; `project` does so too, for a folder that
    was copied, and `files` lie on top of it.
    """

    image: str = "conveyor-sandbox"
    limits: Limits = field(default_factory=Limits)
    files: Mapping[str, bytes] = field(default_factory=dict)
    runtime: str | None = None
    functions: tuple[HostFunction, ...] = ()
    project: Mapping[str, Entry] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
    strict: bool = False
    """Whether a sandbox with a weakness (see `Sandbox.weaknesses`) is refused."""
    """Modules that are imported before the code asks for them, where they are there."""

    def entries(self) -> dict[str, Entry]:
        """All that is put into the workspace, by path."""
        return {**self.project, **{path: Entry(it) for path, it in self.files.items()}}


class Sandbox(Protocol):
    """One isolated place with a guest in it. Serves one run, is never reused."""

    @property
    def kind(self) -> str:
        """`docker` or `local`."""

    @property
    def weaknesses(self) -> tuple[str, ...]:
        """What this one, started, does not enforce, though its kind could elsewhere."""

    async def start(self, progress: Progress) -> GuestClient:
        """Make the place and start the guest. Raises SandboxError, leaving nothing behind."""

    async def stop(self) -> None:
        """End everything in it and remove it. May be called more than once, at any time."""
