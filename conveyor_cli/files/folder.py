"""A folder of the user's, in which names come from a sandbox: nothing is done through a link.

Each part of a path is opened by itself, below the one before, and never followed if it is a link;
so no path leads out, whoever changes the folder meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from conveyor_sandbox.sandbox import Entry

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What a file system says that knows no second name of a file."""
_PART = 1024 * 1024
_LARGEST = 1024 * _PART
"""Bytes of a file that is read to be compared."""


class Folder:
    """An open folder."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises OSError."""
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    @contextlib.contextmanager
    def above(self, path: str, made: list[str] | None = None) -> Iterator[tuple[int, str]]:
        """The folder that holds the path, as a descriptor, and the path's last part.

        With `made`, folders that are missing are made, and their paths added to it. Raises OSError.
        """
        *folders, name = parts = path.split("/")
        if not all(part not in ("", ".", "..") for part in parts):
            raise OSError(errno.EINVAL, "not a path below the folder", path)
        fd = os.dup(self._fd)
        try:
            for depth, part in enumerate(folders, 1):
                if made is not None:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, dir_fd=fd)
                        made.append("/".join(folders[:depth]))
                below = os.open(part, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd, name
        finally:
            os.close(fd)

    def read(self, path: str) -> Entry | None:
        """What is there; None if nothing is.

        Raises:
            IsADirectoryError: it is a folder.
            OSError: it cannot be read, or is no ordinary file.
        """
        try:
            with self.above(path) as (fd, name):
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if stat.S_ISLNK(status.st_mode):
                    return Entry(os.fsencode(os.readlink(name, dir_fd=fd)), link=True)
                if stat.S_ISDIR(status.st_mode):
                    raise IsADirectoryError(errno.EISDIR, "a folder")
                if not stat.S_ISREG(status.st_mode):
                    raise OSError(errno.EINVAL, "not an ordinary file")
                if status.st_size > _LARGEST:
                    raise OSError(errno.EFBIG, "larger than anything that is copied")
                with os.fdopen(os.open(name, _READ, dir_fd=fd), "rb") as file:
                    return Entry(file.read(), bool(status.st_mode & stat.S_IXUSR))
        except (FileNotFoundError, NotADirectoryError):
            return None


def write_new(fd: int, name: str, entry: Entry, like: os.stat_result | None = None) -> None:
    """Write a new file into an open folder, with the mode and owner of another. Raises OSError."""
    file = os.open(name, _NEW, 0o777 if entry.executable else 0o666, dir_fd=fd)
    try:
        rest = memoryview(entry.content)
        while rest:
            rest = rest[os.write(file, rest[:_PART]) :]
        if like is not None:
            mode = stat.S_IMODE(like.st_mode) & 0o777 & ~0o111
            os.fchmod(file, mode | ((mode & 0o444) >> 2 if entry.executable else 0))
            if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                with contextlib.suppress(PermissionError):
                    os.fchown(file, like.st_uid, like.st_gid)
    finally:
        os.close(file)


def place(fd: int, name: str, to_fd: int, to_name: str) -> None:
    """Give a file that is complete its name, if nothing has it. Raises OSError."""
    try:
        os.link(name, to_name, src_dir_fd=fd, dst_dir_fd=to_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with contextlib.suppress(FileNotFoundError):
            os.stat(to_name, dir_fd=to_fd, follow_symlinks=False)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.rename(name, to_name, src_dir_fd=fd, dst_dir_fd=to_fd)
    else:
        os.unlink(name, dir_fd=fd)


def put_aside(fd: int, name: str, to_fd: int, to_name: str) -> None:
    """Keep a file under a second name, or else under another one. Raises OSError."""
    try:
        os.link(name, to_name, src_dir_fd=fd, dst_dir_fd=to_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.rename(name, to_name, src_dir_fd=fd, dst_dir_fd=to_fd)


def passing_name() -> str:
    """A name for what is there for a moment."""
    return f".conveyor-{secrets.token_hex(6)}"
