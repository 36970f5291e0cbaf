"""What a worker may answer, and the outcomes that the supervisor states for it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from .frames import Frame

_LONGEST_TEXT = 80_000
"""Characters of a text. A worker that does as it should cuts off earlier."""
_KINDS = ("exception", "exit", "memory", "syntax", "input", "interrupt")
"""What a worker can know of itself; the rest (`crash`, `timeout`) is for the supervisor to say."""
_ERROR = ("kind", "type", "message", "traceback")


def check(frame: Frame, earliest: float, now: float) -> Frame:
    """A worker's frame, rebuilt from what is as it should be.

    Its time is brought between the two given ones (seconds, the guest's clock).

    Raises:
        ValueError: no worker of ours would say that.
    """
    event, index, at = frame.get("ev"), frame.get("index"), frame.get("t")
    if event not in ("started", "finished", "ended", "checkpointed", "flushed"):
        raise ValueError("no such event")
    if type(at) is not float or at != at or type(frame.get("call")) is not int:  # noqa: PLR0124 - NaN
        raise ValueError("a time or a number is wrong")
    if type(index) is not (type(None) if event == "ended" else int):
        raise ValueError("an index is wrong")
    answer = {"ev": event, "call": frame["call"], "index": index, "t": min(max(at, earliest), now)}
    if event == "checkpointed":
        why_not = frame.get("why_not")
        answer["why_not"] = None if why_not is None else _check_text(why_not)
    elif event not in ("started", "flushed"):
        error = _check_error(frame.get("error"))
        answer.update(status="error" if error else "ok", error=error)
        answer["exited"] = event == "finished" and frame.get("exited") is True
        answer["result"] = None
        if event == "ended" and error is None and frame.get("result") is not None:
            answer["result"] = _check_text(frame["result"])
    return answer


def _check_error(error: Any) -> Optional[Dict[str, str]]:
    if error is None:
        return None
    if not isinstance(error, dict) or error.get("kind") not in _KINDS:
        raise ValueError("no such error")
    return {name: _check_text(error.get(name)) for name in _ERROR}


def _check_text(text: Any) -> str:
    if not isinstance(text, str):
        raise ValueError("not a text")  # noqa: TRY004 - as promised
    return text[:_LONGEST_TEXT]


def failed(status: str, kind: str, name: str, message: str) -> Frame:
    """The outcome of a unit or call that did not end by itself."""
    error = {"kind": kind, "type": name, "message": message, "traceback": ""}
    return {"status": status, "error": error}


def interrupted(reason: str, timeout: float, error: Optional[Frame]) -> Frame:
    """The outcome of a unit that was interrupted, with its traceback where it left one."""
    if reason == "timeout":
        outcome = failed("timeout", "timeout", "TimeoutError", "ran longer than %g s" % timeout)
    else:
        outcome = failed("cancelled", "interrupt", "KeyboardInterrupt", "stopped")
    if error is not None:
        outcome["error"]["traceback"] = error["traceback"]
    return outcome
