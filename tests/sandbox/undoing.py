"""A call that is taken back."""

from __future__ import annotations

from conveyor_sandbox.reports import RolledBack
from tests.sandbox.conftest import Lab


def undone(lab: Lab, before: str, code: str) -> RolledBack:
    """Runs the first for good and takes the second back."""
    lab.call(before)
    assert lab.checkpoint().why_not == ""
    lab.call(code)
    return lab.roll_back()


def is_whole(back: RolledBack) -> bool:
    """Whether all is as it was."""
    return back.lost == back.not_undone == ()


def shown(lab: Lab, expression: str) -> str | None:
    call = lab.call(expression + "\n")
    assert call.outcome.failure is None, call.outcome.failure
    return call.outcome.result
