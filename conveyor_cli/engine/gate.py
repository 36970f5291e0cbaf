"""A call's way to its session, which may not be open yet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from conveyor_sandbox.reports import UnitKey
from conveyor_tools.splitters.base import Unit
from conveyor_tools.tool import Session


class Gate:
    """Lets through what a call sends; until it opens, that waits here.

    It opens when the calls before have ended well: whether they did decides if this one runs.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting: list[Callable[[], None]] | None = []

    def open(self) -> None:
        """Send what waited; from now on everything goes through at once."""
        waiting, self._waiting = self._waiting or [], None
        for send in waiting:
            send()

    def prepare(self, call: int) -> None:
        """What a session does here can come to nothing: it need not wait."""
        self._session.prepare(call)

    def run(self, key: UnitKey, unit: Unit) -> None:
        self.when_open(partial(self._session.run, key, unit))

    def end(self, call: int) -> None:
        self.when_open(partial(self._session.end, call))

    def cancel(self, call: int) -> None:
        """Stop what runs, or forget what would have run."""
        if self._waiting is None:
            self._session.cancel(call)
        else:
            self._waiting.clear()

    def roll_back(self, call: int) -> None:
        self.when_open(partial(self._session.roll_back, call))

    def commit(self) -> None:
        self.when_open(self._session.commit)

    def when_open(self, send: Callable[[], None]) -> None:
        """Do something in its place among what is sent."""
        if self._waiting is None:
            send()
        else:
            self._waiting.append(send)
