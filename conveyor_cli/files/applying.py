"""Which of a run's changes may be applied to the folder that was copied, and if they still can.

The user's folder is not what the run saw if they worked in it meanwhile: then nothing is applied.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from conveyor_cli.files.folder import Folder
from conveyor_cli.files.harvest import Change, LeftOut
from conveyor_cli.files.names import folded, refusal
from conveyor_cli.files.project import Project
from conveyor_cli.files.transaction import NotAppliedError, Transaction
from conveyor_sandbox.sandbox import Entry

_BY_PRODUCTS = (".cache", ".config", ".local", ".ipython")
"""What programs leave in their home folder, which the workspace is."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A path that is not what it was when it was copied: `now` is what is there.

    `why` says what stands there, if that is nothing that could have been copied.
    """

    change: Change
    now: Entry | None
    why: str = ""


def applicable(changes: Iterable[Change], project: Project) -> tuple[list[Change], list[LeftOut]]:
    """The changes that may be made in the project, and those that may not, with the reason."""
    changes = list(changes)
    deleted = {change.path for change in changes if change.after is None}
    taken = {folded(path): path for path in project.entries if path not in deleted}
    wanted, left_out = [], []
    for change in changes:
        why = ""
        if change.before is None:
            why = refusal(change.path) or _by_product(change.path, project)
            other = taken.setdefault(folded(change.path), change.path)
            if not why and other != change.path:
                why = f"its name differs from {other} only in case"
        if why:
            left_out.append(LeftOut(change.path, why))
        else:
            wanted.append(change)
    return wanted, left_out


def _by_product(path: str, project: Project) -> str:
    if project.rules.ignore_any(path):
        return "git ignores it"
    top = path.partition("/")[0]
    if top in _BY_PRODUCTS and not any(it.startswith(f"{top}/") for it in project.entries):
        return "a by-product of a program"
    return "a by-product of Python" if "__pycache__" in path.split("/") else ""


def conflicts(changes: Iterable[Change], root: Path) -> list[Conflict]:
    """Where the folder is not what it was when it was copied, nor what it would become."""
    found = []
    changes = list(changes)
    gone = {change.path for change in changes if change.after is None}
    with Folder(root) as folder:
        for change in changes:
            try:
                now = folder.read(change.path)
            except IsADirectoryError:
                if not any(path.startswith(f"{change.path}/") for path in gone):
                    found.append(Conflict(change, None, "a folder"))
                continue
            except OSError as error:
                found.append(Conflict(change, None, error.strerror or str(error)))
                continue
            if now not in (change.before, change.after):
                found.append(Conflict(change, now))
    return found


def apply(changes: Iterable[Change], root: Path) -> None:
    """Make the changes in the folder, in which there are no conflicts.

    Raises:
        NotAppliedError: something could not be done; all is as it was, or the message says what
            is not.
    """
    try:
        with Folder(root) as folder:
            Transaction(folder).make(list(changes))
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        raise NotAppliedError(f"{where}{error.strerror or error}") from None
