"""Where calls' texts stand in their response."""

from __future__ import annotations

from collections.abc import Callable

from conveyor_cli.dialects.base import Dialect, Opened, Places

Place = Callable[[int], int | None]
"""Where so many characters of a call's text end in the response; None: so many behind its start."""


def place_of(dialect: Dialect, opened: Opened, call: int) -> Place:
    """Tells it of the call that the dialect has just opened, with that number in its response."""
    if not isinstance(dialect, Places):
        return lambda _length: None

    def place(length: int) -> int | None:
        end = dialect.place(length, call)
        return None if end == opened.start + length else end

    return place
