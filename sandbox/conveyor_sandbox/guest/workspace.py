"""A mirror of the workspace's files, from which what a call did to them is undone.

It is kept in the supervisor's memory, brought up to date between calls, and changed files are found
by their inode, size and time of change. They are restored in place, so that a file which was open
before is still the same file.

Not covered: content beyond the limit (such files are told apart, and named if the call changed
them), links between names of one file, extended attributes, sockets and other special files.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional

_MOST_FILES = 20_000
_TICK = 20_000_000
"""Nanoseconds within which two changes of a file may bear the same time."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = _WRITE | os.O_CREAT | os.O_EXCL


class TooMany(Exception):  # noqa: N818 - reads as what it is
    """There are more files than are looked at."""


def scan(root: bytes) -> Dict[bytes, os.stat_result]:
    """All that lies below a folder, by path. What vanishes meanwhile or cannot be read is left out.

    What is mounted there is not looked into: in the local sandbox, that may be the Python which
    runs this.

    Raises:
        TooMany: more than are looked at.
    """
    found: Dict[bytes, os.stat_result] = {}
    folders = [root]
    try:
        device = os.stat(root).st_dev
    except OSError:
        return found
    while folders:
        for path, status in _entries(folders.pop()):
            found[path] = status
            if stat.S_ISDIR(status.st_mode) and status.st_dev == device:
                folders.append(path)
        if len(found) > _MOST_FILES:
            raise TooMany
    return found


def _entries(folder: bytes) -> List[tuple]:  # type: ignore[type-arg] # not a type to subscript in 3.8
    entries = []
    try:
        with os.scandir(folder) as listing:
            for entry in listing:
                try:
                    entries.append((entry.path, entry.stat(follow_symlinks=False)))
                except OSError:
                    continue
                if len(entries) > _MOST_FILES:
                    raise TooMany
    except OSError:
        pass
    return entries


def stamp(status: os.stat_result) -> tuple:  # type: ignore[type-arg]
    """What differs when a file was changed or replaced."""
    return (status.st_mode, status.st_ino, status.st_size, status.st_ctime_ns)


class _Kept:
    """One file as it was. `content` is None where it is not kept, and the target of a link."""

    __slots__ = ("content", "status", "unsure")

    def __init__(self, status: os.stat_result, content: Optional[bytes], *, unsure: bool) -> None:
        self.status = status
        self.content = content
        self.unsure = unsure  # a later change may not show


class Mirror:
    """What lies below a folder, contents up to a limit in bytes all together."""

    def __init__(self, root: bytes, limit: int) -> None:
        self._root = root
        self._limit = limit
        self._kept: Optional[Dict[bytes, _Kept]] = {}
        """None: there are too many files."""
        self._mode = 0o755
        """The folder's own."""

    def refresh(self) -> None:
        """Bring it up to date; only what has changed is read."""
        before = self._kept or {}
        now = time.time_ns()
        self._mode = stat.S_IMODE(os.stat(self._root).st_mode)
        self._kept = None
        try:
            found = scan(self._root)
        except TooMany:
            return
        kept = {}
        room = self._limit
        for path in sorted(found, key=lambda path: found[path].st_size):  # rather many small ones
            status = found[path]
            old = before.get(path)
            content = None
            if old is not None and not old.unsure and stamp(old.status) == stamp(status):
                content = old.content
            elif not stat.S_ISREG(status.st_mode) or status.st_size <= room:
                content = _content(path, status)
            if content is not None:
                room -= len(content)
                if room < 0:
                    content = None
            kept[path] = _Kept(status, content, unsure=status.st_ctime_ns > now - _TICK)
        self._kept = kept

    def restore(self) -> List[str]:
        """Make the files what they were. Nothing else may run meanwhile.

        Returns what could not be restored, in words.
        """
        if self._kept is None:
            return ["the workspace's files (there were more than %d)" % _MOST_FILES]
        not_undone: List[str] = []
        with contextlib.suppress(OSError):  # if it stays closed, that is named below
            os.chmod(self._root, self._mode | stat.S_IRWXU)
        problems = [*self._remove_new(), *self._bring_back()]
        with contextlib.suppress(OSError):
            os.chmod(self._root, self._mode)
        for problem in problems:
            if len(not_undone) == 3:  # noqa: PLR2004
                not_undone.append("more files")
                break
            not_undone.append(problem)
        return not_undone

    def _remove_new(self) -> List[str]:
        """Remove what was not there, or was something else."""
        assert self._kept is not None
        problems = []
        folders = [self._root]
        while folders:
            folder = folders.pop()
            try:
                names = os.listdir(folder)
            except OSError as problem:
                problems.append(_problem(folder, problem))
                continue
            for name in names:
                path = os.path.join(folder, name)
                kept = self._kept.get(path)
                try:
                    status = os.lstat(path)
                    if kept is None or not _same_kind(kept.status, status):
                        _remove(path, status)
                    elif stat.S_ISDIR(status.st_mode):
                        if status.st_mode != kept.status.st_mode:
                            os.chmod(path, stat.S_IMODE(kept.status.st_mode))  # it may be closed
                        folders.append(path)
                except OSError as problem:
                    problems.append(_problem(path, problem))
        return problems

    def _bring_back(self) -> List[str]:
        """Bring back what was removed or changed: folders before what is in them."""
        assert self._kept is not None
        problems = []
        for path in sorted(self._kept):
            try:
                problem = _bring_back(path, self._kept[path])
            except OSError as error:
                problem = _problem(path, error)
            if problem:
                problems.append(problem)
        for path in sorted(self._kept, reverse=True):  # what is done in a folder changes its time
            status = self._kept[path].status
            if stat.S_ISDIR(status.st_mode):
                _set_times(path, status)
        return problems


def _content(path: bytes, status: os.stat_result) -> Optional[bytes]:
    """A file's bytes or a link's target; None where there are none or they cannot be had."""
    try:
        if stat.S_ISLNK(status.st_mode):
            return os.readlink(path)
        if not stat.S_ISREG(status.st_mode):
            return None
        fd = os.open(path, _READ)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        parts = []
        room = status.st_size + 1
        while room > 0:
            part = os.read(fd, room)
            if not part:
                break
            parts.append(part)
            room -= len(part)
        return b"".join(parts) if room > 0 else None  # it is growing: what it was is not known
    except OSError:
        return None
    finally:
        os.close(fd)


def _same_kind(one: os.stat_result, other: os.stat_result) -> bool:
    if stat.S_IFMT(one.st_mode) != stat.S_IFMT(other.st_mode):
        return False
    return stat.S_ISREG(one.st_mode) or stat.S_ISDIR(one.st_mode) or one.st_ino == other.st_ino


def _remove(path: bytes, status: os.stat_result) -> None:
    """Remove a file, or a folder with all that is in it, however deep."""
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(path)
        return
    folders = [path]
    while folders:
        folder = folders[-1]
        os.chmod(folder, 0o700)
        deeper = []
        for name in os.listdir(folder):
            inside = os.path.join(folder, name)
            if stat.S_ISDIR(os.lstat(inside).st_mode):
                deeper.append(inside)
            else:
                os.unlink(inside)
        if not deeper:
            os.rmdir(folders.pop())
        folders += deeper


def _bring_back(path: bytes, kept: _Kept) -> str:
    """Make one file what it was; returns what could not be done. Raises OSError."""
    status = kept.status
    now = _status(path)
    if now is not None and stamp(now) == stamp(status) and not kept.unsure:
        return ""
    if stat.S_ISDIR(status.st_mode):
        if now is None:
            os.mkdir(path)
        os.chmod(path, stat.S_IMODE(status.st_mode))
    elif stat.S_ISREG(status.st_mode):
        return _bring_back_file(path, kept, now)
    elif now is None and kept.content is None:
        return "%s (a special file)" % _shown(path)
    elif now is None and kept.content is not None:
        os.symlink(kept.content, path)
    return ""


def _bring_back_file(path: bytes, kept: _Kept, now: Optional[os.stat_result]) -> str:
    if kept.content is not None:
        _write(path, kept.content, created=now is None)
        os.chmod(path, stat.S_IMODE(kept.status.st_mode))
        _set_times(path, kept.status)
    elif now is None or stamp(now) != stamp(kept.status):
        return "%s (too large to be kept)" % _shown(path)
    return ""


def _status(path: bytes) -> Optional[os.stat_result]:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _write(path: bytes, content: bytes, *, created: bool) -> None:
    if created:
        fd = os.open(path, _CREATE, 0o600)
    else:
        os.chmod(path, 0o600)
        fd = os.open(path, _WRITE)
    try:
        os.ftruncate(fd, len(content))
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(fd, rest) :]
    finally:
        os.close(fd)


def _set_times(path: bytes, status: os.stat_result) -> None:
    with contextlib.suppress(OSError):
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def _problem(path: bytes, problem: OSError) -> str:
    return "%s (%s)" % (_shown(path), problem.strerror)


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
