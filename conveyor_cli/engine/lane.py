"""A lane: the one way to one state, on which calls follow each other."""

from __future__ import annotations

from conveyor_cli.engine.call import OpenCall
from conveyor_cli.engine.nested import NestedCalls
from conveyor_sandbox.reports import Called, Checked, Died, Dropped, Report, Restarted
from conveyor_tools.tool import Session


class Lane:
    """Routes what a session reports to the call that it is about.

    Output that comes after a call's end (from a thread, a child process) belongs to that call.
    """

    def __init__(self, name: str, session: Session, nested: NestedCalls) -> None:
        self.name = name
        self.session = session
        self.nested = nested
        self.died: str | None = None
        """Why the sandbox under the session is gone, if it is."""
        self._call: OpenCall | None = None
        self._lost: tuple[str, ...] = ()
        session.listen(self._hear)

    def open(self, call: OpenCall) -> None:
        """From now on, reports are about this call."""
        self._call = call
        self.nested.open(call)
        call.lost, self._lost = self._lost, ()
        if self.died is not None:
            call.hear(Died(self.died, 0.0))

    def _hear(self, report: Report) -> None:
        if isinstance(report, Called | Dropped | Checked):
            self.nested.hear(report)
            return
        if isinstance(report, Died):
            self.died = report.reason
            self.nested.close()
        if isinstance(report, Restarted) and (self._call is None or self._call.over):
            self._lost = report.lost  # a thread killed the interpreter: tell the next call
        elif self._call is not None:
            self._call.hear(report)
