"""What a tool is: a way to cut a model's calls into units, and a session that runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.reports import Report, UnitKey
from conveyor_tools.splitters.base import Splitter, Unit


class Session(Protocol):
    """A tool's live part in one conversation: it holds the state that calls touch.

    All methods but `listen` send and return at once; what comes of them is reported.
    """

    def listen(self, listener: Callable[[Report], None]) -> None:
        """From now on, report what happens to the listener."""

    def run(self, key: UnitKey, unit: Unit) -> None:
        """Run a unit after all that was sent before. Not if an earlier one of its call failed."""

    def end(self, call: int) -> None:
        """The call is complete. `Ended` is reported when all of it is over."""

    def cancel(self, call: int) -> None:
        """Stop what runs of the call, and run no more of it."""

    def reply(self, number: int, text: str, *, ok: bool) -> None:
        """Answer code that called a function tool: with the result as JSON, or what is wrong."""

    def check(self, call: int, text: str) -> None:
        """Find out whether a call's whole text is valid. `Checked` is reported."""

    def roll_back(self, call: int) -> None:
        """Take back what the call did, which has ended. Ends with the report `RolledBack`."""

    def commit(self) -> None:
        """What the calls so far did stays: a later `roll_back` does not go behind this."""


class Tool(Protocol):
    """Something a model can call."""

    @property
    def name(self) -> str:
        """What calls of it are called."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Info strings of fenced blocks that are calls of it."""

    @property
    def lane(self) -> str:
        """The state that its units touch; tools with the same state share a lane."""

    @property
    def language(self) -> str:
        """What its calls are written in, by the name that highlighters use."""

    @property
    def argument(self) -> str:
        """The argument that holds a call's text, where calls are JSON."""

    @property
    def description(self) -> str:
        """What it does, for the model, however calls are written."""

    @property
    def instructions(self) -> str:
        """What the model is told about it where calls are fenced blocks."""

    def splitter(self, guest: GuestClient) -> Splitter:
        """A splitter for one call."""

    def open(self, guest: GuestClient) -> Session:
        """A session in the sandbox of the run."""
