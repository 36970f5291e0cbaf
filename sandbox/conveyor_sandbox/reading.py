"""Frames of a guest as reports. A guest is not believed to send what it should."""

from __future__ import annotations

import math
from typing import Any

from conveyor_sandbox.reports import (
    Called,
    Checked,
    Checkpoint,
    Dropped,
    Ended,
    Failure,
    Finished,
    Outcome,
    Output,
    Report,
    Restarted,
    RolledBack,
    Skipped,
    Started,
    Status,
    Stream,
    UnitKey,
)

Frame = dict[str, Any]


class Reader:
    """Turns frames into reports; `offset` is added to the guest's times (seconds)."""

    def __init__(self) -> None:
        self.offset = 0.0
        self._started: dict[UnitKey, float] = {}

    def read(self, frame: Frame) -> Report:
        """The report in a frame.

        Raises:
            ValueError: no guest of ours says that.
        """
        at = self.time(frame)
        if frame.get("ev") == "ended":
            return Ended(_number(frame, "call"), _outcome(frame), at)
        return _of_the_state(frame, at) or self._of_a_unit(frame, at)

    def _of_a_unit(self, frame: Frame, at: float) -> Report:
        unit = UnitKey(_number(frame, "call"), _number(frame, "index"))
        match frame.get("ev"):
            case "started":
                self._started[unit] = at
                return Started(unit, at)
            case "output":
                return Output(unit, Stream(_text(frame, "stream")), _text(frame, "text"), at)
            case "call":
                number, waits = _number(frame, "id"), frame.get("waits") is True
                name, arguments = _text(frame, "tool"), _text(frame, "arguments")
                return Called(number, unit, name, arguments, waits, at)
            case "skipped":
                return Skipped(unit, at)
            case "finished":
                return Finished(unit, _outcome(frame), self._started.pop(unit, at), at)
        raise ValueError(f"no such event: {frame.get('ev')!r:.80}")

    def time(self, frame: Frame) -> float:
        """When it happened, by the host's clock. Raises ValueError."""
        return _float(frame, "t") + self.offset


def _of_the_state(frame: Frame, at: float) -> Report | None:
    match frame.get("ev"):
        case "checkpoint":
            why_not = _text(frame, "why_not")
            return Checkpoint(_float(frame, "seconds"), _number(frame, "resident"), why_not, at)
        case "rolled_back":
            not_undone = _texts(frame, "not_undone")
            return RolledBack(_number(frame, "call"), _texts(frame, "lost"), at, not_undone)
        case "checked":
            return Checked(_number(frame, "call"), _text(frame, "problem"), at)
        case "dropped":
            return Dropped(_number(frame, "id"), at)
        case "restarted":
            return Restarted(_text(frame, "reason"), _texts(frame, "lost"), at)
    return None


def _outcome(frame: Frame) -> Outcome:
    error = frame.get("error")
    result = frame.get("result")
    return Outcome(
        status=Status(_text(frame, "status")),
        failure=None if error is None else _failure(error),
        result=None if result is None else _text(frame, "result"),
        exited=frame.get("exited") is True,
    )


def _failure(error: object) -> Failure:
    if not isinstance(error, dict):
        raise ValueError(f"no error: {error!r:.80}")  # noqa: TRY004 - as promised
    names = ("kind", "type", "message", "traceback")
    return Failure(*(_text(error, name) for name in names))


def _number(frame: Frame, name: str) -> int:
    value = frame.get(name)
    if type(value) is not int:
        raise ValueError(f"{name} is no number: {value!r:.80}")
    return value


def _float(frame: Frame, name: str) -> float:
    value = frame.get(name)
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError(f"{name} is no number: {value!r:.80}")
    return value


def _texts(frame: Frame, name: str) -> tuple[str, ...]:
    values = frame.get(name)
    if not isinstance(values, list):
        raise ValueError(f"{name} is no list: {values!r:.80}")  # noqa: TRY004 - as promised
    return tuple(_text({name: value}, name) for value in values)


def _text(frame: Frame, name: str) -> str:
    """A text that can be encoded: half a surrogate pair in it becomes its escape."""
    value = frame.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text: {value!r:.80}")  # noqa: TRY004 - as promised
    return value.encode("utf-8", "backslashreplace").decode()
