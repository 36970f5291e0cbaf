"""What comes of a call of a function: its result as JSON, or what the model is told instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from conveyor_sandbox.reports import Failure
from conveyor_tools.errors import ArgumentsError, TemporaryError, ToolError

LONGEST_RESULT = 256 * 1024
"""Bytes of a result as JSON."""
_LONGEST_MESSAGE = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call: the result as JSON, or why there is none."""

    result: str | None
    failure: Failure | None = None

    @property
    def shown(self) -> str | None:
        """The result as a model is shown it that called the tool itself: a text is what it says."""
        if self.result is not None and self.result.startswith('"'):
            return str(from_json(self.result))
        return self.result


@dataclass(frozen=True, slots=True)
class Unusable:
    """Stands for a result that cannot be had as data, and says why, as in "it has no rows"."""

    why: str


def encode(value: Any, limit: int = LONGEST_RESULT) -> str:
    """A result as JSON; a text that is too long is cut, visibly.

    Raises:
        ToolError: it is no plain data, or too much of it.
    """
    try:
        text = to_json(value, inf_nan_mode="null")
        if len(text) > limit and isinstance(value, str):
            kept = _cut(value, limit)
            return to_json(f"{kept}… ({len(value) - len(kept)} characters more)").decode()
    except (ValueError, RecursionError) as problem:
        raise ToolError(f"its result is not plain data: {problem}") from problem
    if len(text) > limit:
        size = f"{len(text)} bytes of JSON, at most {limit}"
        raise ToolError(f"its result is too large: {size}")
    return text.decode()


def _cut(value: str, limit: int) -> str:
    """The beginning of a text that is so many bytes as JSON: some characters take more than one."""
    while (size := len(to_json(value))) > limit + len('""'):
        value = value[: len(value) * limit // size]
    return value


def failure_of(problem: BaseException) -> Failure:
    """What the model is told of an exception: no traceback, which is the host's affair."""
    name = type(problem).__name__
    try:
        message = str(problem)
    except Exception:  # noqa: BLE001 - a __str__ of the tool's
        message = "it cannot say why"
    if not isinstance(problem, ToolError):
        message = f"{name}: {message}" if message else name
    if len(message) > _LONGEST_MESSAGE:
        more = len(message) - _LONGEST_MESSAGE
        message = f"{message[:_LONGEST_MESSAGE]}… ({more} characters more)"
    kinds = {ArgumentsError: "arguments", TemporaryError: "connection"}
    found = (kind for of, kind in kinds.items() if isinstance(problem, of))
    return Failure(next(found, "exception"), name, message)
