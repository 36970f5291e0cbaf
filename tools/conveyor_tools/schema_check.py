"""What is asked of one value while it is written, and combinations of that.

`schema_plan.py` begins the checks of a value, `schema_value.py` and `schema_keys.py` have what a
schema's keywords say of it. A check is told of the value's parts in the order in which they are
written, and says what is wrong as soon as no continuation can be right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

_TOLD = 3
"""Reasons that are named where no alternative is left."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """No continuation is right: why, and which character of those at hand shows it."""

    why: str
    index: int = 0


@dataclass(slots=True)
class Budget:
    """How many schemas are still followed for one value: alternatives may have alternatives.

    When it is spent, the value is left to the check of the whole text.
    """

    left: int = 128

    @property
    def is_spent(self) -> bool:
        """Whether more was to be followed."""
        return self.left < 0

    def take(self) -> bool:
        """Whether one more may be followed."""
        self.left -= 1
        return self.left >= 0


class Asked(Protocol):
    """What is asked of a value that is still to come."""

    def begin(self, first: str, budget: Budget) -> Check | Wrong:
        """The value begins, with that character: its check, if it can be right."""


class Check:
    """What is asked of a value that has begun. This one allows all of them."""

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

    def child(self) -> Asked:
        """What is asked of the value that comes now: that of the key, or the next item."""
        return ANYTHING

    def end(self, value: Any) -> Wrong | None:
        """The value is complete. For a number, the character that shows it is the next one."""


class _Anything(Check):
    """Asks nothing, of what is still to come either."""

    def begin(self, _first: str, _budget: Budget) -> Check | Wrong:
        return self


ANYTHING = _Anything()


class Never:
    """Allows no value."""

    def __init__(self, why: str = "must not be there") -> None:
        self._why = why

    def begin(self, _first: str, _budget: Budget) -> Check | Wrong:
        return Wrong(self._why)


class All(Check):
    """All of the parts are asked for."""

    def __init__(self, parts: Sequence[Check]) -> None:
        self._parts = parts

    def _each(self, ask: Callable[[Check], Wrong | None]) -> Wrong | None:
        found = [wrong for part in self._parts if (wrong := ask(part)) is not None]
        return min(found, key=lambda wrong: wrong.index) if found else None

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

    def child(self) -> Asked:
        return AllAsked([part.child() for part in self._parts])

    def end(self, value: Any) -> Wrong | None:
        return self._each(lambda part: part.end(value))


def together(parts: Sequence[Check]) -> Check:
    """All of them, as simply as can be."""
    parts = [part for part in parts if part is not ANYTHING]
    if len(parts) > 1:
        return All(parts)
    return parts[0] if parts else ANYTHING


class AllAsked:
    """All of these are asked of a value that is still to come."""

    def __init__(self, parts: Sequence[Asked]) -> None:
        self._parts = parts

    def begin(self, first: str, budget: Budget) -> Check | Wrong:
        begun = []
        for part in self._parts:
            check = part.begin(first, budget)
            if isinstance(check, Wrong):
                return check
            begun.append(check)
        return together(begun)


class Alternatives(Check):
    """One of the branches is asked for, and no more than that if `only_one`.

    A branch that is wrong about a value inside is wrong about what holds that: `within`.
    """

    def __init__(
        self,
        branches: Sequence[Check | None],
        *,
        only_one: bool = False,
        within: Alternatives | None = None,
    ) -> None:
        self._branches = list(branches)
        self._only_one = only_one
        self._within = within

    def _each(self, ask: Callable[[Check], Wrong | None]) -> Wrong | None:
        """Drop the branches that are wrong. If none is left, the last to go say why."""
        found = []
        for place, branch in enumerate(self._branches):
            if branch is not None and (wrong := ask(branch)) is not None:
                self._drop(place)
                found.append(wrong)
        if not found or any(branch is not None for branch in self._branches):
            return None
        return none_left(found)

    def _drop(self, place: int) -> None:
        self._branches[place] = None
        if self._within is not None:
            self._within._drop(place)  # noqa: SLF001 - it is one of its own kind

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

    def child(self) -> Asked:
        return AnyAsked(
            [None if branch is None else branch.child() for branch in self._branches], within=self
        )

    def end(self, value: Any) -> Wrong | None:
        wrong = self._each(lambda branch: branch.end(value))
        left = len(self._branches) - self._branches.count(None)
        if wrong is None and self._only_one and left > 1:
            return Wrong("fits more than one of the alternatives, of which one is meant")
        return wrong


class AnyAsked:
    """One of the branches is asked of a value that is still to come.

    What is wrong with the `untold` ones is not said, unless they are all that there is.
    """

    def __init__(
        self,
        branches: Sequence[Asked | None],
        *,
        only_one: bool = False,
        within: Alternatives | None = None,
        untold: Sequence[bool] | None = None,
    ) -> None:
        self._branches = branches
        self._only_one = only_one
        self._within = within
        self._untold = untold or [False] * len(branches)

    def begin(self, first: str, budget: Budget) -> Check | Wrong:
        begun: list[Check | None] = []
        found: list[Wrong] = []
        untold: list[Wrong] = []
        for place, branch in enumerate(self._branches):
            check = None if branch is None else branch.begin(first, budget)
            if isinstance(check, Wrong):
                (untold if self._untold[place] else found).append(check)
                if self._within is not None:
                    self._within._drop(place)  # noqa: SLF001
                check = None
            begun.append(check)
        if begun.count(None) == len(begun):
            return none_left(found or untold)
        return Alternatives(begun, only_one=self._only_one, within=self._within)


def none_left(found: Sequence[Wrong]) -> Wrong:
    """Why none of several alternatives is left: those that were so last say it."""
    last = max((wrong.index for wrong in found), default=0)
    whys = dict.fromkeys(wrong.why for wrong in found if wrong.index == last)
    return Wrong(", or ".join([*whys][:_TOLD]) or "cannot be anything", last)
