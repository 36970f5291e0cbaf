"""Where a value between tags ends: nothing in it is escaped, and it may hold such tags itself.

`</parameter>` ends a value only where the next parameter, `</function>` or `</tool_call>` follows.
Where it was left out, the next parameter of the tool does, or the end of the call, at the beginning
of a line. None of them does inside a whole call that stands in the value.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

import regex

END_PARAMETER, _END_FUNCTION = "</parameter>", "</function>"

# Bounded, so that what waits to be judged is short; blanks are written as ~.
_END, _INNER_CALL = (
    regex.compile(pattern.replace("~", r"\s{0,64}"))
    for pattern in (
        r"(</parameter>)~(?:<parameter=|</function>|</tool_call>)|</function>~</tool_call>",
        r"<function=[^\s<>]{1,64}>~<parameter=",
    )
)
_LAST = regex.compile(r"\n?(?:</parameter>|</function>\s*$)")
_NOTHING = regex.compile("(?!)")


class Meaning(Enum):
    """What a `<` in a value is."""

    TEXT = auto()
    UNSURE = auto()
    """More has to be seen."""
    TAG = auto()
    """The tag that ends the value, as far as tags can say it."""
    NEXT = auto()
    """What follows the value, whose own tag is missing."""


class EndOfValue:
    """Looks at each `<` of one value, in order. `names` are parameters that may follow it."""

    def __init__(self, names: Iterable[str]) -> None:
        known = "|".join(map(regex.escape, names))
        self._next = regex.compile(rf"<parameter=(?:{known})[>\n]") if known else _NOTHING
        self._depth = 0
        """Calls inside the value that have no end yet."""

    def look(self, text: str, at: int, *, line_start: bool) -> Meaning:
        """What the `<` is that stands there; `line_start`: nothing else stands before it."""
        patterns = (_END, _INNER_CALL, self._next if line_start else _NOTHING)
        found = [pattern.match(text, at, partial=True) for pattern in patterns]
        if any(it is not None and it.partial for it in found):
            return Meaning.UNSURE
        end, inner, following = found
        if not self._depth:
            if end is not None and end[1]:
                return Meaning.TAG
            if line_start and (end is not None or following is not None):
                return Meaning.NEXT
        if inner is not None:
            self._depth += 1
        elif self._depth and text.startswith(_END_FUNCTION, at):
            self._depth -= 1
        return Meaning.TEXT

    def last(self, text: str) -> int:
        """How much of the response's last characters, which were unsure, are tags; 0 for none."""
        found = None if self._depth else _LAST.match(text)
        return found.end() if found is not None else 0
