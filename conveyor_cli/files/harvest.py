"""What a run changed in its workspace, fetched from the sandbox before that ends."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from conveyor_sandbox.files import FileInfo, FileRefused, Files, Listing
from conveyor_sandbox.sandbox import Entry

_WHAT = {
    "link": "a link",
    "fifo": "a FIFO",
    "socket": "a socket",
    "device": "a device",
    "unreadable": "it cannot be read",
}


@dataclass(frozen=True, slots=True)
class Change:
    """A path whose content is not what was put in. `before` is None where nothing was there.

    `after` is None where the run left no file; it is never a link.
    """

    path: str
    before: Entry | None
    after: Entry | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that is not taken over from the sandbox, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Harvest:
    """All changes, by path; and what else there is, which nobody gets.

    `complete` is false where not all of the workspace was looked at.
    """

    changes: tuple[Change, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    complete: bool = True


async def harvest(files: Files, before: Mapping[str, Entry], room: int) -> Harvest:
    """Fetch what differs from what was put in, at most `room` bytes of it.

    What cannot be seen whole (a link in the place of a folder, one that cannot be read) is left as
    it was: nothing below it counts as deleted.

    Raises:
        SandboxDied: it cannot be asked any more.
    """
    listing = await files.list(2 * room)
    changes = []
    left_out = [LeftOut(".", listing.why)] if listing.why else []
    for path, info in sorted(listing.entries.items()):
        old = before.get(path)
        if info.kind == "folder" or (info.kind == "link" and _same_link(info, old)):
            continue
        try:
            new = await _fetch(files, info, old, room)
        except FileRefused as refusal:
            left_out.append(LeftOut(path or ".", str(refusal)))
            continue
        room -= len(new.content) if old is None or new.content is not old.content else 0
        if new != old:
            changes.append(Change(path, old, new))
    changes += _deletions(listing, before)
    by_path = tuple(sorted(changes, key=lambda it: it.path))
    return Harvest(by_path, tuple(left_out), complete=not listing.why)


def _same_link(info: FileInfo, old: Entry | None) -> bool:
    target = info.target.encode("utf-8", "surrogateescape")
    return old is not None and old.link and old.content == target


async def _fetch(files: Files, info: FileInfo, old: Entry | None, room: int) -> Entry:
    """A file as it is now; one that is as it was is not sent. Raises FileRefused, SandboxDied."""
    if info.kind != "file":
        raise FileRefused(_WHAT[info.kind] + (f" to {info.target}" if info.kind == "link" else ""))
    if (
        old is not None
        and not old.link
        and info.digest
        and hashlib.sha256(old.content).hexdigest() == info.digest
    ):
        return Entry(old.content, info.executable)
    if info.size > room:
        raise FileRefused(f"too large ({info.size} bytes)")
    return Entry(await files.read(info), info.executable)


def _deletions(listing: Listing, before: Mapping[str, Entry]) -> list[Change]:
    if listing.why:
        return []
    barriers = {it.path for it in listing.entries.values() if it.kind != "folder"}
    barriers -= {path for path in barriers if listing.entries[path].kind == "file"}
    if "" in barriers:  # the workspace itself cannot be read
        return []
    gone = []
    for path, old in before.items():
        now = listing.entries.get(path)
        above = {str(it) for it in PurePosixPath(path).parents}
        if (now is None or now.kind == "folder") and not above & barriers:
            gone.append(Change(path, old, None))
    return gone
