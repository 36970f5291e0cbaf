"""What a row of the matrix is: a tool with what is on its other side, and what to try on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from conveyor_cli.compose import Parts

Shown = tuple[str, str | None]
"""What a call wrote, and its result."""


class Call(NamedTuple):
    """A call as a model makes it: text tools have one argument, which holds their text."""

    tool: str
    arguments: Mapping[str, Any]


def _nothing() -> None:
    """Nothing to be waited for, or to be looked at."""


@dataclass(frozen=True)
class Try:
    """A call that does not go as usual: what it comes to, and words in what is said of it."""

    call: Call
    says: str
    status: str = "error"
    kind: str | None = "exception"
    """Of the error; None where there is none, and output or result hold the words."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    look: Call | None = None
    """The next call, if the row's own one makes no sense in these settings."""
    after: str = "ok"
    """What becomes of that."""


@dataclass(frozen=True)
class Death:
    """The other side goes away in the middle of the call that hangs."""

    strike: Callable[[Parts], None]
    kind: str
    says: str
    after: str = "ok"
    """What then becomes of `look`."""


@dataclass(frozen=True)
class Side:
    """A tool and its other side, which are there."""

    settings: Mapping[str, Any]
    """Of the task: the tools, and what else differs from the usual."""
    plain: Sequence[Call]
    """Calls that end well, in one run."""
    direct: Callable[[], list[Shown]]
    """The same without model, splitter and engine."""
    hangs: Call
    """A call that does not end by itself."""
    hangs_at: int | None
    """The unit that hangs; None: it does not, and is struck while its arguments are written."""
    look: Call
    """A call that shows what is left of the one that hung."""
    seen: str
    """What is shown, in output or result, where nothing is left of it."""
    garbage: Sequence[Try]
    large: Sequence[Try]
    reached: Callable[[], object] = _nothing
    left: Callable[[], object] = _nothing
    """Looks whether the other side was told of the end. Fails or returns."""
    death: Death | None = None
    """None: there is nothing on the other side that could die."""
    slow: Mapping[str, Any] | None = None
    """Settings in which the call that hangs takes too long; None: none takes time."""
