"""A folder of the user's as it is copied into a workspace.

`.git` stays outside, and what git ignores does: by the `.gitignore` files of the folder, of those
above it in the same repository, and `.git/info/exclude`. Not covered: ignored files that git has
been told to track all the same, and `core.excludesFile`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conveyor_cli.errors import UsageError
from conveyor_cli.files.harvest import LeftOut
from conveyor_cli.files.ignore import Rules
from conveyor_cli.files.names import is_git
from conveyor_sandbox.sandbox import MIB, Entry

_MOST_FILES = 10_000
_NAMED = 5
"""Of the biggest files, how many an error names."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Project:
    """A copied folder: its entries by path, what was left out with a word, and git's rules."""

    root: Path
    entries: dict[str, Entry]
    left_out: tuple[LeftOut, ...]
    rules: Rules


def read_project(root: Path, room: int) -> Project:
    """Read the folder, which may have so many bytes.

    Raises:
        UsageError: it cannot be read, or is too large.
    """
    root = root.resolve()
    if not root.is_dir():
        raise UsageError(f"workspace.from: {root}: not a folder")
    reader = _Reader(root)
    sizes: dict[str, int] = {}
    for path, status in reader.walk("", _rules_above(root)):
        sizes[path] = status.st_size
        if len(sizes) > _MOST_FILES:
            raise UsageError(
                f"workspace.from: {root} has more than {_MOST_FILES} files: ignore some with a "
                ".gitignore, or name a smaller folder"
            )
    if sum(sizes.values()) > room:
        raise UsageError(_too_large(root, sizes, room))
    entries = {}
    for path in sizes:
        entry = reader.read(path)
        if entry is not None:
            entries[path] = entry
    if sum(len(entry.content) for entry in entries.values()) > room:  # they have grown
        raise UsageError(_too_large(root, sizes, room))
    return Project(root, entries, tuple(reader.left_out), reader.rules)


def _too_large(root: Path, sizes: dict[str, int], room: int) -> str:
    biggest = sorted(sizes, key=lambda path: -sizes[path])[:_NAMED]
    named = ", ".join(f"{path} ({sizes[path] / MIB:.1f} MiB)" for path in biggest)
    return (
        f"workspace.from: {root} has {sum(sizes.values()) / MIB:.1f} MiB, and there is room for "
        f"{room / MIB:.1f} MiB: ignore some with a .gitignore, or raise sandbox.workspace_size; "
        f"the biggest are {named}"
    )


def _rules_above(root: Path) -> Rules:
    """The rules of the repository that the folder lies in, but for its own `.gitignore` files."""
    top = next((it for it in (root, *root.parents) if (it / ".git").exists()), root)
    inner = root.relative_to(top).parts
    rules = Rules("".join(f"{part}/" for part in inner))
    rules = rules.with_file("", top / ".git" / "info" / "exclude")
    for depth in range(len(inner)):
        base = "".join(f"{part}/" for part in inner[:depth])
        rules = rules.with_file(base, top.joinpath(*inner[:depth], ".gitignore"))
    return rules


class _Reader:
    def __init__(self, root: Path) -> None:
        self._root = root
        self.left_out: list[LeftOut] = []
        self.rules = Rules()

    def walk(self, folder: str, rules: Rules) -> Iterator[tuple[str, os.stat_result]]:
        """The files and links that are copied. Links to folders are not entered."""
        folders = [folder]
        self.rules = rules
        while folders:
            folder = folders.pop()
            here = self._root / folder
            base = self.rules.above + folder
            self.rules = self.rules.with_file(base, here / ".gitignore")
            try:
                found = sorted(os.scandir(here), key=lambda it: it.name)
            except OSError as error:
                self._leave_out(folder, error.strerror or str(error))
                continue
            for entry in found:
                path = folder + entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                if is_git(entry.name) or self.rules.ignore(path, folder=is_folder):
                    continue
                if is_folder:
                    folders.append(f"{path}/")
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # it has gone
                if stat.S_ISREG(status.st_mode) or self._stays_inside(path, status):
                    yield path, status

    def _stays_inside(self, path: str, status: os.stat_result) -> bool:
        if not stat.S_ISLNK(status.st_mode):
            self._leave_out(path, "not an ordinary file")
            return False
        link = self._root / path
        target = os.readlink(link)  # noqa: PTH115 - as it is written
        inside = os.path.normpath(link.parent / target)
        if target.startswith("/") or not Path(inside).is_relative_to(self._root):
            self._leave_out(path, f"a link that leads outside, to {target}")
            return False
        return True

    def read(self, path: str) -> Entry | None:
        """One of them; None where it cannot be read, or has gone since."""
        file = self._root / path
        try:
            status = file.lstat()
            if stat.S_ISLNK(status.st_mode):
                return Entry(os.fsencode(os.readlink(file)), link=True)  # noqa: PTH115
            with os.fdopen(os.open(file, _READ), "rb") as opened:
                return Entry(opened.read(), bool(status.st_mode & stat.S_IXUSR))
        except OSError as error:
            self._leave_out(path, error.strerror or str(error))
            return None

    def _leave_out(self, path: str, why: str) -> None:
        self.left_out.append(LeftOut(path or ".", why))
