"""How a call ended, given how its units did and what became of its text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from conveyor_sandbox.reports import Failure, Outcome, Status


class Abandoned(Enum):
    """Why a call ends before its text does."""

    UNIT_FAILED = "a unit failed"
    CUT_OFF = "the response was cut off before the call was complete"
    CANCELLED = "stopped by the user"
    LIMIT = "stopped at the run's time limit"


@dataclass(slots=True)
class Circumstances:
    """What befell a call, besides what its session reports."""

    abandoned: Abandoned | None = None
    invalid: Failure | None = None
    """Why its text is not that of a valid call."""
    denied: Failure | None = None
    """The user did not want it made."""
    dropped: bool = False
    """A call before it failed: it does not count, though units of it may have run."""

    @property
    def taken_back(self) -> bool:
        """Whether all of it is, and which unit was the last to run is a matter of chance."""
        return self.abandoned in (Abandoned.CUT_OFF, Abandoned.CANCELLED, Abandoned.LIMIT)

    def judge(self, reported: Outcome, *, ended_early: bool) -> Outcome:
        """The call's own outcome. `ended_early`: one of its units ended it."""
        own = self._own(reported, ended_early=ended_early)
        if own is not None:
            return own
        if reported.failure is not None and reported.failure.kind == "syntax":
            return replace(reported, status=Status.ROLLED_BACK)
        return reported

    def _own(self, reported: Outcome, *, ended_early: bool) -> Outcome | None:
        """The outcome that does not come from its session, if it is such a one."""
        failure = reported.failure
        if failure is not None and failure.kind == "sandbox_died":
            return reported
        if self.abandoned is Abandoned.CUT_OFF:
            failure = Failure("cut_off", "CutOff", self.abandoned.value)
            return Outcome(Status.ROLLED_BACK, failure)
        if self.abandoned is not None and self.taken_back:
            traceback = failure.traceback if failure else ""
            failure = Failure("interrupt", "KeyboardInterrupt", self.abandoned.value, traceback)
            return Outcome(Status.CANCELLED, failure)
        if self.invalid is not None and not ended_early:
            return Outcome(Status.ROLLED_BACK, self.invalid)
        if self.denied is not None and not ended_early:
            return Outcome(Status.ERROR, self.denied)
        return None
