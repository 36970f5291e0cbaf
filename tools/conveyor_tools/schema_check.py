"""What a schema says of one value while it is written: combinations of alternatives.

`schema_value.py` has what its other keywords say. A check is told of the value's parts in the order
in which they are written, and says what is wrong as soon as no continuation can be right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_MOST = 256
"""Alternatives that are followed at once. With more, only the whole value is checked, elsewhere."""
_TOLD = 3
"""Reasons that are named where no alternative is left."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """No continuation is right: why, and which character of those at hand shows it."""

    why: str
    index: int = 0


class Check:
    """What is asked of one value. This one allows all of them."""

    size = 1
    """How many checks it is made of."""

    def begin(self, first: str) -> Wrong | None:
        """The value begins, with that character."""

    def text(self, text: str) -> Wrong | None:
        """It is a string, which goes on with these characters."""

    def number(self, text: str) -> Wrong | None:
        """It is a number, of which this is what is there so far."""

    def key_text(self, text: str) -> Wrong | None:
        """It is an object; a key begins (no text) or goes on."""

    def key(self, key: str) -> Wrong | None:
        """The key is complete."""

    def comma(self) -> Wrong | None:
        """Another key or item follows."""

    def child(self) -> Check:
        """The check of the value that begins now: that of the key, or the next item."""
        return Check()

    def settle(self, child: Check) -> None:
        """That value is complete."""

    def end(self, value: Any) -> Wrong | None:
        """The value is complete. For a number, the character that shows it is the next one."""


class All(Check):
    """All of the parts are asked for."""

    def __init__(self, parts: Sequence[Check]) -> None:
        self._parts = parts
        self.size = sum(part.size for part in parts)

    def _each(self, ask: Callable[[Check], Wrong | None]) -> Wrong | None:
        found = [wrong for part in self._parts if (wrong := ask(part)) is not None]
        return min(found, key=lambda wrong: wrong.index) if found else None

    def begin(self, first: str) -> Wrong | None:
        wrong = self._each(lambda part: part.begin(first))
        self.size = sum(part.size for part in self._parts)
        return wrong

    def text(self, text: str) -> Wrong | None:
        return self._each(lambda part: part.text(text))

    def number(self, text: str) -> Wrong | None:
        return self._each(lambda part: part.number(text))

    def key_text(self, text: str) -> Wrong | None:
        return self._each(lambda part: part.key_text(text))

    def key(self, key: str) -> Wrong | None:
        return self._each(lambda part: part.key(key))

    def comma(self) -> Wrong | None:
        return self._each(lambda part: part.comma())

    def child(self) -> Check:
        return _limited(All([part.child() for part in self._parts]))

    def settle(self, child: Check) -> None:
        if isinstance(child, All):
            for part, of_part in zip(self._parts, child._parts, strict=True):  # noqa: SLF001
                part.settle(of_part)

    def end(self, value: Any) -> Wrong | None:
        return self._each(lambda part: part.end(value))


class Alternatives(Check):
    """One of the branches is asked for, and no more than that if `only_one`."""

    def __init__(self, branches: Sequence[Check | None], *, only_one: bool = False) -> None:
        self._branches = list(branches)
        self._only_one = only_one
        self._count()

    def _count(self) -> None:
        self.size = sum(branch.size for branch in self._branches if branch is not None)

    def _each(self, ask: Callable[[Check], Wrong | None]) -> Wrong | None:
        """Drop the branches that are wrong. If none is left, the last to go says why."""
        found = []
        for place, branch in enumerate(self._branches):
            if branch is not None and (wrong := ask(branch)) is not None:
                self._branches[place] = None
                found.append(wrong)
        if found:
            self._count()
        if not found or any(branch is not None for branch in self._branches):
            return None
        last = max(wrong.index for wrong in found)
        whys = dict.fromkeys(wrong.why for wrong in found if wrong.index == last)
        return Wrong(", or ".join(list(whys)[:_TOLD]), last)

    def begin(self, first: str) -> Wrong | None:
        wrong = self._each(lambda branch: branch.begin(first))
        self._count()
        return wrong

    def text(self, text: str) -> Wrong | None:
        return self._each(lambda branch: branch.text(text))

    def number(self, text: str) -> Wrong | None:
        return self._each(lambda branch: branch.number(text))

    def key_text(self, text: str) -> Wrong | None:
        return self._each(lambda branch: branch.key_text(text))

    def key(self, key: str) -> Wrong | None:
        return self._each(lambda branch: branch.key(key))

    def comma(self) -> Wrong | None:
        return self._each(lambda branch: branch.comma())

    def child(self) -> Check:
        branches = [branch and branch.child() for branch in self._branches]
        return _limited(Alternatives(branches))

    def settle(self, child: Check) -> None:
        if isinstance(child, Alternatives):
            for place, of_branch in enumerate(child._branches):  # noqa: SLF001
                branch = self._branches[place]
                if of_branch is None:
                    self._branches[place] = None
                elif branch is not None:
                    branch.settle(of_branch)
            self._count()

    def end(self, value: Any) -> Wrong | None:
        wrong = self._each(lambda branch: branch.end(value))
        if (
            wrong is None
            and self._only_one
            and self._branches.count(None) + 1 < len(self._branches)
        ):
            return Wrong("fits more than one of the alternatives, of which one is meant")
        return wrong


def _limited(check: Check) -> Check:
    return check if check.size <= _MOST else Check()
