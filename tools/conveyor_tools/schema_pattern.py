"""Patterns of schemas that nobody here has read: none takes long, or much memory."""

from __future__ import annotations

import regex

_PATIENCE = 0.05
"""Seconds, roughly, that a pattern may take for one text."""
_MOST_GIVEN_UP = 20
"""Texts that it may take too long for. After that it says nothing of any."""
_LARGEST = 20_000
"""Parts of a pattern with its repeats written out, as the library keeps it."""
_UNSURE = regex.compile(r"\(\?<?[=!]|\\[bB\d]|\(\?P=")
"""Where the start of a match does not say what may follow: looking around, and back."""
_TOKEN = regex.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*+\]|(?P<open>\()|(?P<close>\))|\{(?P<times>\d+)(?:,\d*)?\}|.",
    regex.DOTALL,
)


class Pattern:
    """A pattern of a schema. One that is none here, or too large, says nothing."""

    def __init__(self, pattern: object) -> None:
        self._regex = _compiled(pattern) if isinstance(pattern, str) else None
        self._given_up = 0

    @property
    def tells_early(self) -> bool:
        """Whether the beginning of a text can show that it does not match."""
        return self._regex is not None and not _UNSURE.search(self._regex.pattern)

    def found_in(
        self, text: str, *, partial: bool = False, seconds: float = _PATIENCE
    ) -> bool | None:
        """Whether it is found in a text, or with `partial` may be in one that goes on.

        None: nobody knows, since it would take too long.
        """
        if self._regex is None or self._given_up > _MOST_GIVEN_UP:
            return None
        try:
            return self._regex.search(text, partial=partial, timeout=seconds) is not None
        except TimeoutError:
            self._given_up += 1
            return None


def _compiled(pattern: str) -> regex.Pattern[str] | None:
    """None where it is no pattern here: other engines know other ones."""
    if _size(pattern) > _LARGEST:
        return None
    try:
        return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError):
        return None


def _size(pattern: str) -> int:
    """Its parts, with those that are repeated counted as often: `(ab{3}){2}` has 8."""
    sums, last = [0], 0
    for token in _TOKEN.finditer(pattern):
        if token["open"]:
            sums.append(0)
        elif token["times"]:
            more = last * (max(1, int(token["times"][:9])) - 1)
            sums[-1] += more
            last += more
        else:
            last = sums.pop() if token["close"] and len(sums) > 1 else 1
            sums[-1] += last
    return sum(sums)
