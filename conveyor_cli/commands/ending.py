"""The end of a command whose code changed files: they are told, shown, and applied if wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from conveyor_cli.errors import Exit

if TYPE_CHECKING:
    from conveyor_cli.engine.events import RunStatus
    from conveyor_cli.files.aftermath import Aftermath


def exit_of(status: RunStatus) -> Exit | None:
    """The exit code of a run that was ended; None of one that came to its end."""
    from conveyor_cli.engine.events import RunStatus

    codes = {
        RunStatus.LIMIT: Exit.LIMIT,
        RunStatus.INTERRUPTED: Exit.INTERRUPTED,
        RunStatus.TERMINATED: Exit.TERMINATED,
        RunStatus.FAILED: Exit.FAILED,
    }
    return codes.get(status)


def settle_files(aftermath: Aftermath, status: RunStatus, report: dict[str, Any]) -> list[str]:
    """Tell of the files, and apply changes if wanted. Returns what went wrong.

    What was applied is noted in the report.
    """
    import sys

    from rich.console import Console

    from conveyor_cli.files.settling import settle, tell_files
    from conveyor_cli.views.question import someone_types

    console = Console(stderr=True, highlight=False)
    tell_files(aftermath, console)
    ask = _confirm if someone_types() and sys.stderr.isatty() else None
    wrong = settle(aftermath, status, report, console, ask)
    return [problem for problem in (aftermath.problem, wrong) if problem]


def _confirm(question: str) -> bool:
    """Ask on the terminal; giving up is a no."""
    try:
        return typer.confirm(question, default=False, err=True)
    except typer.Abort:
        return False
