"""Code that a task would run on this machine, and whether the user trusts it.

A task is input from others. A tool in a file or a module is code of this machine with all that its
user may do, so it runs only after the user trusted it once. That is remembered by the content of
the code: other content is asked about again. Not covered: what trusted code itself imports.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import platformdirs
import typer

from conveyor_cli.errors import UsageError
from conveyor_cli.tool_choice import ToolChoice
from conveyor_cli.views.text import one_line
from conveyor_tools.errors import ToolLoadError
from conveyor_tools.loading import Code, Reference, read


class TrustStore:
    """What the user trusts: a line for each, with its digest first."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or platformdirs.user_state_path("conveyor") / "trusted"

    def __contains__(self, code: Code) -> bool:
        try:
            lines = self._path.read_text("utf-8", "replace").splitlines()
        except OSError:
            return False
        return any(line.partition(" ")[0] == code.digest for line in lines)

    def add(self, reference: Reference, code: Code) -> None:
        """Remember it. Raises UsageError where that cannot be written down."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(f"{code.digest} {one_line(str(code.path or reference.source))}\n")
        except OSError as error:
            raise UsageError(f"{self._path}: cannot be written: {error.strerror}") from None


def require_trust(choices: Iterable[ToolChoice], *, given: bool) -> None:
    """See to it that the user trusts the code of a task's tools, none of which has been run.

    `given`: the user has said so on the command line. Otherwise they are asked on a terminal.

    Raises:
        UsageError: they do not, cannot be asked, or the code cannot be found.
    """
    store = TrustStore()
    for choice in choices:
        reference = choice.reference
        if reference is None:
            continue
        try:
            code = read(reference)
        except ToolLoadError as error:
            raise UsageError(choice.complaint(error)) from None
        if code in store:
            continue
        if not given and not _ask(reference, code):
            raise UsageError(
                choice.complaint(
                    f"{reference} would run code of this machine: read it, then trust it with "
                    "--trust"
                )
            )
        store.add(reference, code)


def _ask(reference: Reference, code: Code) -> bool:
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        return False
    what = one_line(str(code.path or reference.source))
    question = f"The task would run {what} on this machine, outside the sandbox. Trust it?"
    return typer.confirm(question, default=False, err=True)
