"""What a tool is: a way to cut a model's calls into units, and a session that runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from conveyor_sandbox.reports import Report, UnitKey
from conveyor_tools.function import Effects
from conveyor_tools.place import Place
from conveyor_tools.splitters.base import Splitter, Unit


class Session(Protocol):
    """A tool's live part in one conversation: it holds the state that calls touch.

    All methods but `close` send and return at once; what comes of them is reported, each report
    with the number of its call. Where tools share a state, their sessions share it too.
    """

    def listen(self, listener: Callable[[Report], None]) -> None:
        """From now on, report what happens to the listener."""

    def prepare(self, call: int) -> None:
        """A call was opened, and its units will follow: connect, import what it needs.

        Nothing that the model chose may leave the machine. The call may come to nothing.
        """

    def run(self, key: UnitKey, unit: Unit) -> None:
        """Run a unit, once those that it comes `after` have ended well, else skip it.

        Its end is reported as `Finished` or `Skipped`.
        """

    def end(self, call: int) -> None:
        """The call is complete. `Ended` is reported when all of it is over."""

    def cancel(self, call: int) -> None:
        """Stop what runs of the call, and run no more of it. `end` still follows."""

    def roll_back(self, call: int) -> None:
        """Take back what the call did, which has ended. Ends with the report `RolledBack`."""

    def commit(self) -> None:
        """What the calls so far did stays: a later `roll_back` does not go behind this."""

    async def close(self) -> None:
        """The conversation is over: give everything back. Nothing is reported any more."""


@runtime_checkable
class GivesData(Protocol):
    """What a session can have besides, whose output says what is plain data."""

    def want_data(self, call: int) -> None:
        """Code uses what the call gives: report all of it as data, too (`Output.data`).

        Where it is too much, `Unusable` stands in its place.
        """


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
        """The state that its units touch: tools with the same state share a lane."""

    @property
    def language(self) -> str:
        """What its calls are written in, by the name that highlighters use."""

    @property
    def argument(self) -> str | None:
        """The argument that holds a call's text, where calls are JSON.

        None for an argument tool: the text of its calls is the JSON of all its arguments, always.
        """

    @property
    def schema(self) -> dict[str, Any]:
        """Its arguments, as a JSON schema."""

    @property
    def effects(self) -> Effects:
        """What a call of it does. Calls of pure tools wait for nothing that stands before them."""

    @property
    def needs_sandbox(self) -> bool:
        """Whether its sessions need a place with a guest; such tools share one lane."""

    @property
    def description(self) -> str:
        """What it does, for the model, however calls are written."""

    @property
    def instructions(self) -> str:
        """What the model is told about it where calls are fenced blocks."""

    def splitter(self, place: Place) -> Splitter:
        """A splitter for one call."""

    def open(self, place: Place) -> Session:
        """A session for one conversation (or for as long as its sandbox lives)."""


def text_schema(argument: str) -> dict[str, Any]:
    """The schema of a tool whose one argument is its call's text."""
    properties = {argument: {"type": "string"}}
    return {"type": "object", "properties": properties, "required": [argument]}
