"""What of a task needs the user's trust, and whether they gave it.

A task is input from others. A tool in a file or a module is code of this machine with all that its
user may do, so it runs only after the user trusted it once. That is remembered by the content of
the code and its options: others are asked about again. A server's command is remembered by itself,
its folder and environment. Not covered: what trusted code itself imports, and what a command's
files hold.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import platformdirs
import typer

from conveyor_cli.errors import UsageError
from conveyor_cli.tool_choice import SERVER, ToolChoice
from conveyor_cli.views.text import one_line
from conveyor_tools.errors import ToolLoadError
from conveyor_tools.loading import Code, read


@dataclass(frozen=True, slots=True)
class Claim:
    """Something of a task that needs the user's trust."""

    name: str
    """What it is called, in a sentence."""
    what: str
    """What is trusted: one line, to be remembered."""
    question: str
    refusal: str
    """Why the task is not run without it."""
    digest: str
    """Of all that it is trusted for: with other content it is another claim."""


class TrustStore:
    """What the user trusts: a line for each, with its digest first."""

    _this_once: ClassVar[set[str]] = set()
    """Digests of what could not be written down: they hold as long as this program."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or platformdirs.user_state_path("conveyor") / "trusted"

    def __contains__(self, claim: Claim) -> bool:
        if claim.digest in self._this_once:
            return True
        try:
            lines = self._path.read_text("utf-8", "replace").splitlines()
        except OSError:
            return False
        return any(line.partition(" ")[0] == claim.digest for line in lines)

    def add(self, claim: Claim) -> None:
        """Remember it. Where that cannot be written down, it is trusted this once, and told."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Whatever the umask: who can write here is trusted with everything.
            number = os.open(
                self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            with os.fdopen(number, "a", encoding="utf-8", errors="replace") as file:
                file.write(f"{claim.digest} {one_line(claim.what)}\n")
        except OSError as error:
            from conveyor_cli.app import complain  # noqa: PLC0415 - it imports the commands

            self._this_once.add(claim.digest)
            why = f"{self._path} cannot be written: {error.strerror}"
            complain(f"that {claim.name} is trusted is not remembered: {why}")


def claim_of_code(choice: ToolChoice, code: Code) -> Claim:
    """What is to be trusted of a tool in a file or module, which was read already.

    With options it is another claim: in a task of others they may mean harm.
    """
    assert choice.reference is not None
    what, digest = str(code.path or choice.reference.source), code.digest
    if choice.options:
        options = json.dumps(choice.options, sort_keys=True, default=str)
        what = f"{what} with the options {options}"
        place = str((choice.base or Path()).absolute())  # where their paths begin
        digest = hashlib.sha256(json.dumps([digest, place, options]).encode()).hexdigest()
    return _to_run(choice, str(choice.reference), what, digest)


def claim_of(choice: ToolChoice) -> Claim | None:
    """What of a tool would run on this machine; None if that is nothing of the task's.

    Raises:
        ToolLoadError: the tool cannot be had.
    """
    reference = choice.reference
    if reference is not None:
        return claim_of_code(choice, read(reference))
    if choice.name != SERVER:
        return None
    from conveyor_tools.mcp import read_options  # noqa: PLC0415 - only where a task wants it

    options = read_options(choice.options, choice.base)
    if options.runs is None:
        return None
    # All that decides what is run, values of the environment included.
    facts = json.dumps([choice.options, str(options.cwd)], sort_keys=True, default=str)
    digest = hashlib.sha256(facts.encode()).hexdigest()
    return _to_run(choice, options.runs, options.runs, digest)


def _to_run(choice: ToolChoice, name: str, what: str, digest: str) -> Claim:
    why = f"{name} would run code of this machine: read it, then trust it with --trust"
    question = f"The task would run {what} on this machine, outside the sandbox. Trust it?"
    return Claim(name, what, question, choice.complaint(why), digest)


def code_of(choices: Iterable[ToolChoice]) -> Iterator[Claim]:
    """The code that a task's tools would run on this machine, none of which has been run.

    Raises:
        UsageError: it cannot be found.
    """
    for choice in choices:
        try:
            claim = claim_of(choice)
        except ToolLoadError as error:
            raise UsageError(choice.complaint(error)) from None
        if claim is not None:
            yield claim


def require_trust(claims: Iterable[Claim], *, given: bool) -> None:
    """See to it that the user trusts all of these; what they trust is remembered.

    `given`: the user has said so on the command line. Otherwise they are asked on a terminal.

    Raises:
        UsageError: they do not, or cannot be asked.
    """
    store = TrustStore()
    for claim in claims:
        if claim in store:
            continue
        if not given and not _ask(claim):
            raise UsageError(claim.refusal)
        store.add(claim)


def _ask(claim: Claim) -> bool:
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        return False
    return typer.confirm(one_line(claim.question), default=False, err=True)
