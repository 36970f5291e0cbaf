"""The end of a run's files: what was saved is told, what was changed is shown and applied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from conveyor_cli.engine.events import RunStatus
from conveyor_cli.files.aftermath import Aftermath
from conveyor_cli.files.applying import Conflict, apply, conflicts
from conveyor_cli.files.diff import diff, printable, size
from conveyor_cli.files.harvest import Change, LeftOut
from conveyor_cli.files.transaction import NotAppliedError
from conveyor_cli.views.text import one_line
from conveyor_sandbox.sandbox import Entry

Ask = Callable[[str], bool] | None
"""Asks the user; None where there is nobody to ask."""

_MOST_TOLD = 30
"""Lines of a list that are shown."""


def tell_files(aftermath: Aftermath, console: Console) -> None:
    """What was saved, and what was not."""
    saved = aftermath.saved.files
    if saved:
        _line(console, f"saved in {aftermath.save_to}:")
    rows = []
    for file in saved:
        name = str(aftermath.save_to) + "/" + file.path
        renamed = "" if file.saved_as == name else f"  as {file.saved_as}"
        rows.append(f"  {file.path}  {size(file.size)}  {file.type}{renamed}")
    _list(console, rows)
    if aftermath.project is not None:
        _list(console, [_left_out("not copied", it) for it in aftermath.project.left_out])
    _list(console, [_left_out("left out", it) for it in aftermath.left_out])


def settle(
    aftermath: Aftermath, status: RunStatus, report: dict[str, Any], console: Console, ask: Ask
) -> str:
    """Show what the run changed in the copied folder, and apply it if that is wanted.

    What came of it is noted in the report. Returns what went wrong, or nothing.
    """
    if aftermath.project is None or not aftermath.changes:
        return ""
    for line in diff(aftermath.changes):
        console.print(line, soft_wrap=True)
    told = report["workspace"]
    why_not, wrong = _apply(aftermath, status, told, console, ask)
    told["applied"], told["why_not"] = not why_not, why_not or None
    count = len(aftermath.changes)
    what = f"{count} change{'s' if count > 1 else ''}"
    where = printable(str(aftermath.project.root))
    if not why_not:
        _line(console, f"{what} applied to {where}")
    elif not wrong:
        _line(console, f"{what} not applied to {where}: {why_not}")
    return f"{what} not applied to {where}: {why_not}" if wrong else ""


def _apply(
    aftermath: Aftermath, status: RunStatus, told: dict[str, Any], console: Console, ask: Ask
) -> tuple[str, bool]:
    """Why it was not applied, empty if it was; and whether that is something wrong."""
    assert aftermath.project is not None
    assert aftermath.workspace is not None
    root = aftermath.project.root
    why_not = _unwanted(aftermath, status, ask)
    if why_not:
        return why_not, False
    try:
        found = conflicts(aftermath.changes, root)
        if found:
            told["conflicts"] = [_conflict(it) for it in found]
            _show_conflicts(found, aftermath, console)
            return "files there were changed meanwhile", True
        if aftermath.workspace.apply == "ask":
            assert ask is not None
            if not ask(f"Apply this to {one_line(printable(str(root)))}?"):
                return "you said no", False
        apply(aftermath.changes, root)
    except (OSError, NotAppliedError) as problem:
        return str(problem), True
    return "", False


def _unwanted(aftermath: Aftermath, status: RunStatus, ask: Ask) -> str:
    assert aftermath.workspace is not None
    how = aftermath.workspace.apply
    if how == "never":
        return "say --apply ask or always"
    if not aftermath.complete:
        return "not all of the workspace could be looked at"
    if status in (RunStatus.INTERRUPTED, RunStatus.TERMINATED):
        return "the run was stopped"
    if how == "always" and status is not RunStatus.DONE:
        return "the run did not come to its end"
    if how == "ask" and ask is None:
        return "there is no terminal to ask on (--apply always does without)"
    return ""


def _show_conflicts(found: list[Conflict], aftermath: Aftermath, console: Console) -> None:
    """Three ways: as it was copied, as it is now, as the run has it."""
    for conflict in found[:_MOST_TOLD]:
        three = _conflict(conflict)
        sides = f"copied: {three['base']}, now: {three['theirs']}, the run's: {three['ours']}"
        _line(console, f"conflict: {three['path']} ({sides})", "bold yellow")
        if not conflict.why:
            _line(console, "what was changed there meanwhile:")
            for line in diff([Change(conflict.change.path, conflict.change.before, conflict.now)]):
                console.print(line, soft_wrap=True)
    if aftermath.save_to is None:
        _line(console, "--save-files DIR would keep the run's files beside yours")


def _conflict(conflict: Conflict) -> dict[str, str]:
    return {
        "path": printable(conflict.change.path),
        "base": _side(conflict.change.before),
        "theirs": conflict.why or _side(conflict.now),
        "ours": _side(conflict.change.after),
    }


def _side(entry: Entry | None) -> str:
    if entry is None:
        return "nothing"
    return f"a link to {printable_bytes(entry)}" if entry.link else size(len(entry.content))


def printable_bytes(entry: Entry) -> str:
    """A link's target."""
    return entry.content.decode("utf-8", "backslashreplace")


def _left_out(what: str, it: LeftOut) -> str:
    return f"{what}: {it.path} ({it.why})"


def _list(console: Console, rows: list[str]) -> None:
    for row in rows[:_MOST_TOLD]:
        _line(console, row)
    if len(rows) > _MOST_TOLD:
        _line(console, f"… and {len(rows) - _MOST_TOLD} more")


def _line(console: Console, text: str, style: str = "") -> None:
    indent = len(text) - len(text.lstrip(" "))
    line = " " * indent + one_line(printable(text))
    console.print(Text(line, style), soft_wrap=True)
