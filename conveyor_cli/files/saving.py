"""Saves what a run produced in a folder of the user's.

Nothing outside the folder is written and nothing in it is overwritten: where a name is taken, the
file gets another, with a number. A file is complete before it has its name. Not saved: links,
special files, and what lies in hidden places (`.cache`, say), which the user might take for their
own settings.
"""

from __future__ import annotations

import contextlib
import mimetypes
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from conveyor_cli.files.folder import Folder, passing_name, place, write_new
from conveyor_cli.files.harvest import Change, LeftOut
from conveyor_cli.files.names import is_hidden, made_safe
from conveyor_sandbox.sandbox import Entry

_NUMBERS = range(2, 1000)


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file of the workspace and where it lies now; `size` in bytes, `type` a MIME type."""

    path: str
    size: int
    type: str
    saved_as: str


@dataclass(frozen=True, slots=True)
class Saved:
    """What was saved, and what was not."""

    files: tuple[SavedFile, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    failed: int = 0
    """Files that should have been saved and could not."""


def save(changes: Iterable[Change], target: Path) -> Saved:
    """Save the files that were added or changed.

    Raises:
        OSError: the folder cannot be had.
    """
    target.mkdir(parents=True, exist_ok=True)
    saved, left_out = [], []
    hidden = failed = 0
    with Folder(target) as folder:
        for change in changes:
            if change.after is None:
                continue
            if is_hidden(change.path):
                hidden += 1
                continue
            try:
                name = _save(folder, change.path, change.after)
            except OSError as error:
                failed += 1
                left_out.append(LeftOut(change.path, f"not saved: {error.strerror or error}"))
                continue
            content = change.after.content
            kind = mime_type(change.path, content)
            saved.append(SavedFile(change.path, len(content), kind, str(target / name)))
    if hidden:
        left_out.append(LeftOut(".*", f"{hidden} in hidden folders or of hidden names"))
    return Saved(tuple(saved), tuple(left_out), failed)


def _save(folder: Folder, path: str, entry: Entry) -> str:
    """Save one file; returns its name in the folder. Raises OSError."""
    wanted = PurePosixPath(made_safe(path))
    passing = passing_name()
    with folder.above(str(wanted), made=[]) as (fd, name):
        try:
            write_new(fd, passing, entry)
            for number in (None, *_NUMBERS):
                stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
                tried = name if number is None else f"{stem}-{number}{suffix}"
                with contextlib.suppress(FileExistsError):
                    place(fd, passing, fd, tried)
                    return str(wanted.with_name(tried))
            raise FileExistsError(f"there are {len(_NUMBERS)} of this name")
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(passing, dir_fd=fd)


def mime_type(path: str, content: bytes) -> str:
    """What kind of file it is, by its name, or by its looks."""
    guessed, _ = mimetypes.guess_type(path)
    return guessed or ("application/octet-stream" if is_binary(content) else "text/plain")


def is_binary(content: bytes) -> bool:
    """Whether it is no text in UTF-8."""
    if b"\0" in content[:8192]:
        return True
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False
