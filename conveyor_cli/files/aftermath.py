"""What becomes of a run's files: fetched before the sandbox ends, saved, told of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.events import Emit, FileChanged, FileSaved
from conveyor_cli.files.applying import applicable
from conveyor_cli.files.diff import describe, printable, renames
from conveyor_cli.files.harvest import Change, Harvest, LeftOut, harvest
from conveyor_cli.files.project import Project
from conveyor_cli.files.saving import Saved, save
from conveyor_cli.task import Task
from conveyor_sandbox.errors import SandboxError
from conveyor_sandbox.files import Files
from conveyor_sandbox.sandbox import MIB, Entry


@dataclass(frozen=True, slots=True)
class Brought:
    """What is put into the workspace, which has `size` bytes."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    project: Project | None = None
    size: int = MIB

    def entries(self) -> dict[str, Entry]:
        """All of it, by path: the task's files lie on top of the project's."""
        project = self.project.entries if self.project else {}
        return {**project, **{path: Entry(it) for path, it in self.files.items()}}


class Aftermath:
    """The files of one run of a task, from the end of its last call on."""

    def __init__(
        self, task: Task, brought: Brought, applied: Mapping[str, Entry | None] | None = None
    ) -> None:
        """`applied`: what was applied to the project already, from this same sandbox."""
        self.workspace = task.workspace
        self.project = brought.project
        self.save_to = task.save_files
        self.saved = Saved()
        self.changes: list[Change] = []
        """Those that may be applied to the project."""
        self.left_out: list[LeftOut] = []
        self.problem = ""
        """Why not all could be had or saved."""
        self.complete = False
        self._brought = brought
        self._applied = applied or {}

    async def collect(
        self,
        files: Files | None,
        made: Mapping[str, bytes],
        patience: float,
        emit: Emit,
        clock: RunClock,
    ) -> None:
        """Fetch what differs from what was put in and save it, in at most so many seconds.

        Saved as well: what tools outside the sandbox `made`, by name. There may be no sandbox.
        """
        if self.save_to is None and self.project is None:
            return
        found = Harvest() if files is None else await self._fetch(files, patience)
        self.complete = files is not None and found.complete
        self.left_out += found.left_out
        self._compare(found)
        self._save([*found.changes, *_added(made)])
        now = clock.now()
        for change in self.changes:
            emit(FileChanged(now, printable(change.path), describe(change)))
        for file in self.saved.files:
            emit(FileSaved(now, printable(file.path), file.size, printable(file.saved_as)))

    async def _fetch(self, files: Files, patience: float) -> Harvest:
        """What differs; nothing, with the problem noted, where it cannot be had."""
        try:
            async with asyncio.timeout(patience):
                return await harvest(files, self._before(), self._brought.size)
        except TimeoutError:
            self.problem = f"files could not be fetched within {patience:g} s"
        except SandboxError as error:
            self.problem = f"files could not be fetched: {error}"
        return Harvest(complete=False)

    def _before(self) -> dict[str, Entry]:
        """What the workspace is compared with."""
        merged = {**self._brought.entries(), **self._applied}
        return {path: entry for path, entry in merged.items() if entry is not None}

    def _compare(self, found: Harvest) -> None:
        if self.project is None:
            return
        theirs = [change for change in found.changes if change.path not in self._brought.files]
        self.changes, refused = applicable(theirs, self.project)
        self.left_out += refused

    def _save(self, changes: list[Change]) -> None:
        if self.save_to is None:
            return
        try:
            self.saved = save(changes, self.save_to)
        except OSError as error:
            self.problem = f"--save-files {self.save_to}: {error.strerror or error}"
            return
        self.left_out += self.saved.left_out
        if self.saved.failed:
            self.problem = f"{self.saved.failed} files could not be saved"

    def report(self) -> dict[str, Any]:
        """What `--json` says of it; whether changes were applied is said later."""
        files = [
            {
                "path": printable(file.path),
                "size": file.size,
                "type": file.type,
                "saved_as": printable(file.saved_as),
            }
            for file in self.saved.files
        ]
        report: dict[str, Any] = {"files": files, "left_out": _told(self.left_out)}
        if self.problem:
            report["files_problem"] = self.problem
        if self.project is not None and self.workspace is not None:
            renamed = renames(self.changes)
            report["workspace"] = {
                "from": printable(str(self.project.root)),
                "apply": self.workspace.apply,
                "applied": False,
                "why_not": None,
                "changes": [_change(change, renamed.get(change.path)) for change in self.changes],
                "conflicts": [],
                "not_copied": _told(list(self.project.left_out)),
            }
        return report


def _added(made: Mapping[str, bytes]) -> list[Change]:
    return [Change(name, None, Entry(content)) for name, content in sorted(made.items())]


def _told(left_out: list[LeftOut]) -> list[dict[str, str]]:
    return [{name: printable(text) for name, text in asdict(it).items()} for it in left_out]


def _change(change: Change, renamed_from: str | None) -> dict[str, Any]:
    return {
        "path": printable(change.path),
        "change": describe(change, renamed_from),
        "renamed_from": printable(renamed_from) if renamed_from is not None else None,
        "size": None if change.after is None else len(change.after.content),
    }
