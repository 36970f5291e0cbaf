"""What a turn adds to the conversation: the model's message, and what it is told of its calls."""

from __future__ import annotations

from collections.abc import Sequence

from conveyor_cli.backends.base import Message, Role, SaidCall
from conveyor_cli.dialects.base import CallsApart, Dialect
from conveyor_cli.engine.call import OpenCall
from conveyor_cli.engine.opening import RefusedCall
from conveyor_cli.messages import observation
from conveyor_sandbox.reports import Failure, Outcome, Status

Call = OpenCall | RefusedCall

WITHDRAWN = Failure(
    "withdrawn", "Withdrawn", "the model wrote the same argument again: the last one counts"
)
"""Of a call that is taken back, and of which nobody is told."""


def ends_response(call: Call, outcome: Outcome) -> bool:
    """Whether nothing after the call may run."""
    failed = outcome.status is not Status.OK and outcome.failure != WITHDRAWN
    return failed or call.last_unit is not None


def tell(
    turn: int,
    dialect: Dialect,
    answers: Role,
    calls: Sequence[Call],
    outcomes: Sequence[Outcome],
) -> list[Message]:
    """The messages of a turn, whose response counts up to the last of these calls, and no further.

    Where that ended before its text did, or was rejected, the message is cut there.
    """
    last = len(calls) - 1
    length = calls[last].rejected_at
    if (unit := calls[last].last_unit) is not None:
        length = sum(len(it.text) for it in calls[last].units if it.index <= unit)
    said = _said(turn, dialect, length, last)
    messages = [said]
    ids = (call.id for call in said.calls)
    lost: tuple[str, ...] = ()
    for call, outcome in zip(calls, outcomes, strict=False):
        lost += call.lost
        if outcome.failure != WITHDRAWN:
            told = observation(
                outcome,
                call.units,
                call.last_unit,
                call.output,
                language=call.tool.language if isinstance(call, OpenCall) else "",
                crashed=call.crashed,
                lost=lost,
                not_undone=call.not_undone,
                ask=answers is Role.USER,
            )
            messages.append(Message(answers, told, answers=next(ids, None)))
            lost = ()
    return messages


def _said(turn: int, dialect: Dialect, length: int | None, last: int) -> Message:
    """The model's message, up to the first `length` characters of a call."""
    content = dialect.cut(length, last)
    if not isinstance(dialect, CallsApart):
        return Message(Role.ASSISTANT, content)
    calls = (
        SaidCall(f"t{turn:04}c{i:03}", call.name, call.arguments)
        for i, call in enumerate(dialect.calls(length, last))
    )
    return Message(Role.ASSISTANT, content, tuple(calls))
