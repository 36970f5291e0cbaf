"""Changes a folder of the user's: all of it, or nothing.

New contents are written into a folder of their own inside it first, then get their names one by
one, each in one step; what was there before is kept until all is done, and put back if anything
fails. Not covered: a kill in the middle; the originals are then in that folder, whose name begins
with `.conveyor-`.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePosixPath

from conveyor_cli.files.folder import Folder, passing_name, place, put_aside, write_new
from conveyor_cli.files.harvest import Change


class NotAppliedError(Exception):
    """Nothing was applied. The message says why."""


class Transaction:
    """One set of changes."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._name = passing_name()
        self._staged = -1
        self._count = 0
        self._undo: list[Callable[[], None]] = []

    def make(self, changes: Iterable[Change]) -> None:
        """Make them.

        Raises:
            OSError, NotAppliedError: something could not be done; all is as it was, or the message
                says what is not.
        """
        changes = list(changes)
        with self._folder.above(self._name) as (fd, name):
            os.mkdir(name, 0o700, dir_fd=fd)
            self._staged = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
            try:
                self._make(changes)
            except BaseException as error:
                if self._roll_back():
                    where = self._folder.path / self._name
                    raise NotAppliedError(f"{error}; the originals lie in {where}") from None
                self._clear(fd, name)
                raise
            else:
                self._clear(fd, name)
            finally:
                os.close(self._staged)

    def _make(self, changes: list[Change]) -> None:
        staged = [(change, self._stage(change)) for change in changes if change.after is not None]
        for change in changes:
            if change.after is None or (change.before is not None and change.before.link):
                self._remove(change)
        self._remove_folders(change.path for change in changes if change.after is None)
        for change, name in staged:
            self._put(change, name)

    def _stage(self, change: Change) -> str:
        """Write a new content, with the mode of what it replaces; returns its passing name."""
        assert change.after is not None
        like = None
        if change.before is not None and not change.before.link:
            with self._folder.above(change.path) as (fd, name):
                like = os.stat(name, dir_fd=fd, follow_symlinks=False)
        name = self._new_name()
        write_new(self._staged, name, change.after, like)
        return name

    def _new_name(self) -> str:
        self._count += 1
        return str(self._count)

    def _check(self, change: Change) -> None:
        """What is there is still what is to be changed. Raises NotAppliedError."""
        if self._folder.read(change.path) != change.before:
            raise NotAppliedError(f"{change.path} changed just now")

    def _remove(self, change: Change) -> None:
        if change.after is None and self._folder.read(change.path) is None:
            return
        self._check(change)
        kept = self._new_name()
        with self._folder.above(change.path) as (fd, name):
            os.rename(name, kept, src_dir_fd=fd, dst_dir_fd=self._staged)
        self._undo.append(partial(self._bring_back, kept, change.path))

    def _remove_folders(self, deleted: Iterable[str]) -> None:
        """Those that are empty now, as git does."""
        above = {str(it) for path in deleted for it in PurePosixPath(path).parents} - {"."}
        for path in sorted(above, key=lambda it: -it.count("/")):
            with contextlib.suppress(OSError), self._folder.above(path) as (fd, name):
                mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
                os.rmdir(name, dir_fd=fd)
                self._undo.append(partial(self._make_folder, path, stat.S_IMODE(mode)))

    def _put(self, change: Change, staged: str) -> None:
        if self._folder.read(change.path) == change.after:
            return
        made: list[str] = []
        try:
            with self._folder.above(change.path, made) as (fd, name):
                if change.before is None or change.before.link:
                    place(self._staged, staged, fd, name)
                    self._undo.append(partial(self._remove_new, change.path, made[:]))
                    made.clear()
                    return
                self._check(change)
                kept = self._new_name()
                put_aside(fd, name, self._staged, kept)
                self._undo.append(partial(self._bring_back, kept, change.path))
                os.replace(staged, name, src_dir_fd=self._staged, dst_dir_fd=fd)
        finally:
            if made:
                self._undo.append(partial(self._remove_new, None, made))

    # Undo

    def _roll_back(self) -> bool:
        """Undo all that was done. Returns whether something could not be."""
        failed = False
        while self._undo:
            try:
                self._undo.pop()()
            except OSError:
                failed = True
        return failed

    def _bring_back(self, kept: str, path: str) -> None:
        with self._folder.above(path) as (fd, name):
            os.replace(kept, name, src_dir_fd=self._staged, dst_dir_fd=fd)

    def _make_folder(self, path: str, mode: int) -> None:
        with self._folder.above(path) as (fd, name):
            os.mkdir(name, mode, dir_fd=fd)

    def _remove_new(self, path: str | None, folders: list[str]) -> None:
        if path is not None:
            with self._folder.above(path) as (fd, name):
                os.unlink(name, dir_fd=fd)
        for folder in reversed(folders):
            with self._folder.above(folder) as (fd, name):
                os.rmdir(name, dir_fd=fd)

    def _clear(self, fd: int, name: str) -> None:
        """Let go of the old contents, and of new ones that were not needed."""
        for each in os.listdir(self._staged):  # noqa: PTH208 - a descriptor
            os.unlink(each, dir_fd=self._staged)
        os.rmdir(name, dir_fd=fd)
