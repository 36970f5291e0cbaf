"""A prompt in a sandbox: what is typed runs there as a model's code would."""

from __future__ import annotations

import asyncio
import codeop
import signal
import sys
import warnings
from collections.abc import AsyncIterator

import typer

from conveyor_cli.errors import Exit
from conveyor_cli.signals import handling
from conveyor_cli.views.text import safe
from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.errors import SandboxDied
from conveyor_sandbox.reports import (
    Died,
    Ended,
    Failure,
    Finished,
    Outcome,
    Output,
    Report,
    Restarted,
    Stream,
    UnitKey,
)
from conveyor_tools.splitters.python import PythonSplitter


class Shell:
    """Runs texts in one guest, each as a call of its own, and shows what comes of it at once."""

    def __init__(self, guest: GuestClient) -> None:
        self._guest = guest
        self._calls = 0
        self._reports: asyncio.Queue[Report] = asyncio.Queue()
        guest.listen(self._reports.put_nowait)

    def is_complete(self, text: str) -> bool:
        """Whether typed lines can run: no further line belongs to them, or an empty one ends them.

        An empty line ends a block, as it does at Python's own prompt, but no bracket or string.
        """
        splitter = PythonSplitter(self._guest.python)
        splitter.feed(text)
        if splitter.released == len(text):
            return True
        return text.endswith("\n\n") and splitter.may_end() and not _wants_more(text)

    async def run(self, pieces: AsyncIterator[str]) -> int:
        """Run a text, statement by statement as it comes. Ctrl-C interrupts it.

        Returns what its process would end with: 0, or its `sys.exit`, or 1.

        Raises:
            SandboxDied: the sandbox is gone.
        """
        self._calls += 1
        call = self._calls
        with handling({signal.SIGINT: lambda: self._guest.cancel(call)}):
            feeding = asyncio.create_task(self._feed(call, pieces))
            try:
                outcome = await self._show(call, feeding)
            finally:
                feeding.cancel()
                await asyncio.wait({feeding})
        if not feeding.cancelled():
            feeding.result()
        self._guest.checkpoint()  # a crash costs the call that it happens in, not those before
        return self._conclude(outcome)

    async def _feed(self, call: int, pieces: AsyncIterator[str]) -> None:
        splitter = PythonSplitter(self._guest.python)
        async for text in pieces:
            for unit in splitter.feed(text):
                self._guest.run(UnitKey(call, unit.index), unit.text, unit.line)
        for unit in splitter.flush():
            if not unit.blank:
                self._guest.run(UnitKey(call, unit.index), unit.text, unit.line)
        self._guest.end(call)

    async def _show(self, call: int, feeding: asyncio.Task[None]) -> Outcome:
        """Its output, until it has ended; how it did. What failed ends it early."""
        failed: Outcome | None = None
        while True:
            match await self._reports.get():
                case Output(_, stream, text):
                    _write(text, err=stream is Stream.STDERR)
                case Finished(_, outcome) if failed is None and outcome.ends_call:
                    failed = outcome
                    if feeding.cancel():  # nobody waits for the rest of the text
                        self._guest.end(call)
                case Ended(number, outcome) if number == call:
                    return failed or outcome
                case Restarted(reason, lost):
                    what = ", ".join(lost)
                    lacking = f"; lost: {what}" if what else ""
                    _write(f"conveyor: the interpreter restarted: {reason}{lacking}\n", err=True)
                case Died(reason):
                    raise SandboxDied(reason)

    def _conclude(self, outcome: Outcome) -> int:
        failure = outcome.failure
        if failure is None:
            if outcome.result is not None:
                _write(f"{outcome.result}\n")
            return Exit.OK
        if failure.kind == "exit":
            return int(failure.message) & 0xFF if failure.message.isdecimal() else Exit.FAILED
        _write(_told(failure), err=True)
        return Exit.FAILED


def _told(failure: Failure) -> str:
    text = failure.traceback or f"{failure.type}: {failure.message}"
    text = text if text.endswith("\n") else f"{text}\n"
    # What Python would print of an interrupt does not say who it came from.
    return f"{text}conveyor: {failure.message}\n" if failure.kind == "timeout" else text


def _wants_more(text: str) -> bool:
    """Whether a bracket or a line with a backslash is open, by the Python that runs here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return codeop.compile_command(text, symbol="exec") is None
        except (SyntaxError, ValueError, OverflowError):
            return False


def _write(text: str, *, err: bool = False) -> None:
    """Harmless to a terminal; unchanged to a file."""
    stream = sys.stderr if err else sys.stdout
    typer.echo(safe(text) if stream.isatty() else text, nl=False, err=err)
