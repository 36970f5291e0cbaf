"""A lane: the one way to one state, on which calls follow each other."""

from __future__ import annotations

from typing import Protocol

from conveyor_cli.engine.nested import Caller, NestedCalls
from conveyor_sandbox.reports import (
    Called,
    Checked,
    Checkpoint,
    Died,
    Dropped,
    Ended,
    Output,
    Report,
    Restarted,
    RolledBack,
)
from conveyor_tools.place import Place
from conveyor_tools.tool import Session, Tool


class LaneCall(Caller, Protocol):
    """A call on a lane: it hears what is reported of it."""

    lost: tuple[str, ...]
    """What of earlier calls was lost when it began, or with it."""
    over: bool
    """Whether all of it is: nothing that happens now is about it."""

    def hear(self, report: Report) -> None:
        """What the session reports of it, or of what goes on after it."""


class Lane:
    """The sessions of the tools that share a state. Routes what they report to its calls.

    Calls of pure tools may be open side by side. Output that comes after a call's end (from a
    thread, a child process) belongs to the call that was opened last.
    """

    def __init__(self, name: str, place: Place, nested: NestedCalls | None) -> None:
        """`nested`: the calls that code on this lane makes; None where there is none."""
        self.name = name
        self.died: str | None = None
        """Why the sandbox under its sessions is gone, if it is."""
        self._place = place
        self._nested = nested
        self._sessions: dict[str, Session] = {}
        self._open: dict[int, LaneCall] = {}
        self.latest: LaneCall | None = None
        """The call that was opened last."""
        self._lost: tuple[str, ...] = ()

    def session(self, tool: Tool) -> Session:
        """The session of a tool of this lane."""
        if tool.name not in self._sessions:
            session = self._sessions[tool.name] = tool.open(self._place)
            session.listen(self._hear)
        return self._sessions[tool.name]

    def open(self, call: LaneCall) -> None:
        """From now on, reports of this number are about this call."""
        self._open = {number: it for number, it in self._open.items() if not it.over}
        self._open[call.number] = self.latest = call
        if self._nested is not None:
            self._nested.open(call)
        call.lost, self._lost = self._lost, ()
        if self.died is not None:
            call.hear(Died(self.died, 0.0))

    def find(self, number: int) -> LaneCall | None:
        """The open call of that number."""
        return self._open.get(number)

    async def close(self) -> None:
        """End its sessions; nothing is heard of them any more."""
        if self._nested is not None:
            self._nested.close()
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    def _hear(self, report: Report) -> None:
        match report:
            case Called() | Dropped() | Checked():
                if self._nested is not None:
                    self._nested.hear(report)
            case Died(reason):
                self._die(reason, report)
            case Restarted(_, lost) if self.latest is None or self.latest.over:
                self._lost = lost  # a thread killed the interpreter: tell the next call
            case Restarted() | Checkpoint():
                self._tell(self.latest, report)
            case Ended(number) | RolledBack(number):
                self._tell(self._open.get(number), report)
            case _:
                call = self._open.get(report.unit.call)
                late = call is None or call.over
                self._tell(self.latest if late and isinstance(report, Output) else call, report)

    def _die(self, reason: str, report: Died) -> None:
        self.died = reason
        if self._nested is not None:
            self._nested.close()
        for call in tuple(self._open.values()):
            call.hear(report)

    def _tell(self, call: LaneCall | None, report: Report) -> None:
        if call is not None:
            call.hear(report)
