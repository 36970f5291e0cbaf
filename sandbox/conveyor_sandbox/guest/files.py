"""Files of the workspace for the host: put there at the start, listed and read at the end.

Answers are bounded, and nothing here waits: a FIFO is never opened, a growing file is read up to
what was asked for. The code may change files meanwhile, and what stands in them is its own word.
Not covered: what the supervisor's user cannot read is told as unreadable.
"""

from __future__ import annotations

import base64
import os
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Optional

    from .frames import Frame

    Send = Callable[[Frame], None]

_MOST_ENTRIES = 20_000
_BATCH = 200
"""Entries of one frame: their paths and targets have at most 4096 bytes each."""
_CHUNK = 512 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KINDS = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "folder"),
    (stat.S_ISLNK, "link"),
    (stat.S_ISFIFO, "fifo"),
    (stat.S_ISSOCK, "socket"),
)


def serve(root: bytes, frame: Frame, send: Send) -> None:
    """Do what the host asks for at the start (`put`) or the end (`list`, `get`) of a run."""
    if frame["op"] == "list":
        tell(root, frame["budget"], send)
    elif frame["op"] == "get":
        give(root, frame, send)
    elif frame["op"] == "put":
        refused = put(frame)
        if refused is not None:
            send(refused)


def put(frame: Frame) -> Optional[Frame]:
    """Write a file or a link of the task into the workspace; what is said if it cannot be.

    The host has checked the path.
    """
    path = _to_bytes(frame["path"])
    try:
        content = base64.b64decode(frame["data"])
        os.makedirs(os.path.dirname(path) or b".", exist_ok=True)
        if frame["link"]:
            os.symlink(content, path)
            return None
        with open(path, "ab" if frame["append"] else "wb") as file:
            file.write(content)
            if frame["executable"]:
                os.fchmod(file.fileno(), 0o755)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return {"ev": "refused", "path": frame["path"], "why": why, "t": time.monotonic()}
    return None


def tell(root: bytes, budget: int, send: Send) -> None:
    """Send what lies below a folder, in frames of some entries each; the last one says so.

    Regular files bear the SHA-256 of their content, as long as all of them together have no more
    bytes than `budget`. `why` says what ended it early.
    """
    batch: List[Frame] = []
    why = ""
    for count, entry in enumerate(_walk(root)):
        if count == _MOST_ENTRIES:
            why = "there are more than %d files and folders" % _MOST_ENTRIES
            break
        if entry["kind"] == "file" and entry["size"] <= budget:
            budget -= entry["size"]
            entry["digest"] = _digest(os.path.join(root, _to_bytes(entry["path"])), entry["size"])
        batch.append(entry)
        if len(batch) == _BATCH:
            send({"ev": "listing", "entries": batch, "more": True, "why": ""})
            batch = []
    send({"ev": "listing", "entries": batch, "more": False, "why": why})


def give(root: bytes, frame: Frame, send: Send) -> None:
    """Send a part of a file."""
    data = b""
    why = ""
    try:
        fd = os.open(os.path.join(root, _to_bytes(frame["path"])), _READ)
    except OSError as error:
        why = str(error)
    else:
        try:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                data = os.pread(fd, min(frame["size"], _CHUNK), frame["offset"])
            else:
                why = "not a file any more"
        except (OSError, OverflowError) as error:
            why = str(error)
        finally:
            os.close(fd)
    send({"ev": "content", "data": base64.b64encode(data).decode("ascii"), "why": why})


def _walk(root: bytes) -> Iterator[Frame]:
    """What lies below a folder, folders before what is in them. Links are not followed."""
    folders = [b""]
    while folders:
        folder = folders.pop()
        try:
            listing = os.scandir(os.path.join(root, folder))
        except OSError:
            yield _entry(folder, "unreadable", None)
            continue
        with listing:
            for found in listing:
                path = os.path.join(folder, found.name)
                try:
                    status = found.stat(follow_symlinks=False)
                    entry = _entry(path, _kind(status), status)
                    if entry["kind"] == "link":
                        entry["target"] = _to_text(os.readlink(found.path))
                except OSError:
                    continue  # it has gone
                if entry["kind"] == "folder":
                    folders.append(path)
                yield entry


def _kind(status: os.stat_result) -> str:
    for is_kind, name in _KINDS:
        if is_kind(status.st_mode):
            return name
    return "device"


def _entry(path: bytes, kind: str, status: Optional[os.stat_result]) -> Dict[str, Any]:
    return {
        "path": _to_text(path),
        "kind": kind,
        "size": status.st_size if status is not None else 0,
        "executable": status is not None and bool(status.st_mode & 0o100),
        "target": "",
        "digest": "",
    }


def _digest(path: bytes, size: int) -> str:
    """The SHA-256 of a file with this many bytes; empty if it cannot be had."""
    import hashlib  # takes longer than all of ours, and is needed at the end only

    found = hashlib.sha256()
    try:
        fd = os.open(path, _READ)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return ""
        while size > 0:
            part = os.read(fd, min(size, _CHUNK))
            if not part:
                return ""
            found.update(part)
            size -= len(part)
    except OSError:
        return ""
    finally:
        os.close(fd)
    return found.hexdigest()


def _to_bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _to_text(path: bytes) -> str:
    """As text that stands for these bytes, whatever they are."""
    return path.decode("utf-8", "surrogateescape")
