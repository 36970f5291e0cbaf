"""What a JSON number that is not complete may still become."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import regex

_NUMBER = regex.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")


def may_be_atom(text: str) -> bool:
    """Whether the text is, or can become, a number or one of JSON's words (as `json` has them)."""
    if _NUMBER.fullmatch(text, partial=True) is not None:
        return True
    return any(word.startswith(text) for word in _WORDS)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a number has to be. An open bound is not allowed itself."""

    low: float | None
    low_open: bool
    high: float | None
    high_open: bool

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> Bounds:
        """Those of a schema. What is no number there says nothing."""
        low, low_open = _tighter(schema, "minimum", "exclusiveMinimum", 1)
        high, high_open = _tighter(schema, "maximum", "exclusiveMaximum", -1)
        return cls(low, low_open, high, high_open)

    def mirrored(self) -> Bounds:
        """Those of the number without its minus."""
        low, high = (None if it is None else -it for it in (self.high, self.low))
        return Bounds(low, self.high_open, high, self.low_open)

    def above(self, value: float) -> bool:
        """Whether the value is not too small."""
        return self.low is None or value > self.low or (value == self.low and not self.low_open)

    def below(self, value: float) -> bool:
        """Whether the value is not too large."""
        return self.high is None or value < self.high or (value == self.high and not self.high_open)

    def __str__(self) -> str:
        parts = []
        if self.low is not None:
            parts.append(f"{'more than' if self.low_open else 'at least'} {self.low}")
        if self.high is not None:
            parts.append(f"{'less than' if self.high_open else 'at most'} {self.high}")
        return " and ".join(parts)


def may_fit(text: str, bounds: Bounds, *, integer: bool) -> bool:
    """Whether a number that begins with this text can be within the bounds."""
    if text.startswith("-"):
        text, bounds = text[1:], bounds.mirrored()
    if not text or text[0] not in "0123456789":
        return bounds.below(0)
    return _integer_may_fit(text, bounds) if integer else _number_may_fit(text, bounds)


def _integer_may_fit(text: str, bounds: Bounds) -> bool:
    """With more digits, `n` becomes all that lies from n·10ᵏ to (n + 1)·10ᵏ - 1."""
    first = last = int(text)
    if first == 0:  # no digit may follow
        return bounds.above(0) and bounds.below(0)
    while bounds.below(first):
        if bounds.high is None or bounds.above(last):
            return True
        first, last = first * 10, last * 10 + 9
    return False


def _number_may_fit(text: str, bounds: Bounds) -> bool:
    """An exponent can still bring any digits to any size, down to zero, until it has a sign."""
    digits, exponent_begun, exponent = text.lower().partition("e")
    if not exponent_begun:
        return bounds.below(0)
    if not digits.strip("0."):
        return bounds.above(0) and bounds.below(0)
    if not exponent:
        return bounds.below(0)
    value = float(text + "0" if exponent in "+-" else text)
    return bounds.above(value) if exponent.startswith("-") else bounds.below(value)


def is_multiple(value: float, factor: float) -> bool:
    """Whether the value is a multiple, as decimals: 0.3 is one of 0.1."""
    if not factor or (isinstance(value, float) and not math.isfinite(value)):
        return True
    return (_exact(value) / _exact(factor)).denominator == 1


def _exact(value: float) -> Fraction:
    return Fraction(value) if isinstance(value, int) else Fraction(str(value))


def _tighter(
    schema: Mapping[str, Any], closed: str, opened: str, sign: int
) -> tuple[float | None, bool]:
    """The tighter one of two bounds, and whether it is the open one."""
    one, other = (it if _is_number(it) else None for it in (schema.get(closed), schema.get(opened)))
    if other is None or (one is not None and (one - other) * sign > 0):
        return one, False
    return other, True


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)
