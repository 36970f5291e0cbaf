"""Decimal numbers with units, and arithmetic with them, in the current decimal context."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from conveyor_tools.calculator_units import (
    Powers,
    UnitOfMeasure,
    powers_of,
    unit_of,
    written_powers,
)
from conveyor_tools.errors import ToolError

_LARGEST_POWER = 10_000
_LARGEST_UNIT_POWER = 20
_MOST_UNITS = 20


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of units; without any, a plain number.

    `point`: it is a point on a scale that begins elsewhere than at zero, as 20 °C is.
    """

    number: Decimal
    units: Powers = field(default_factory=dict)
    point: bool = False

    @property
    def dimensions(self) -> Powers:
        """What it measures."""
        parts = ((_known(name).dimensions, power) for name, power in self.units.items())
        return powers_of(*parts)

    @property
    def plain(self) -> Decimal:
        """The number, which has no unit, or one like degrees or percents. Raises ToolError."""
        if self.units and not self.dimensions:
            return self.number * _scale(self.units)
        if self.units:
            raise ToolError(f"{self} has a unit where there can be none")
        return self.number

    def __str__(self) -> str:
        return f"{self.number:.10g} {written_powers(self.units)}".strip()

    def to(self, units: Powers) -> Quantity:
        """The same in other units. Raises ToolError where they measure something else."""
        if self.units == units:
            return self
        wanted = Quantity(Decimal(1), units)
        if self.dimensions != wanted.dimensions:
            is_of = written_powers(self.units) if self.units else "a plain number"
            raise ToolError(f"{is_of} cannot be converted to {written_powers(units)}")
        point = self.point or bool(_zero(units))
        if point and any(name.startswith("delta_") for name in (*self.units, *units)):
            raise ToolError("a temperature and a difference of two are not the same")
        basic = self.number * _scale(self.units) + (_zero(self.units) if point else 0)
        return Quantity((basic - (_zero(units) if point else 0)) / _scale(units), units, point)

    def map(self, change: Callable[[Decimal], Decimal]) -> Quantity:
        """Its number changed; the units stay."""
        return replace(self, number=change(self.number))


def unit(name: str) -> Quantity | None:
    """One of a unit; None if there is none of that name."""
    found = unit_of(name)
    if found is None:
        return None
    return Quantity(Decimal(1), {name: Fraction(1)}, point=bool(found.zero))


def negative(one: Quantity) -> Quantity:
    """-5 °C is a point, too."""
    return one.map(lambda number: -number)


def add(one: Quantity, other: Quantity) -> Quantity:
    """In the units of the first. What is added to a point is a difference."""
    if one.point and other.point:
        raise ToolError("two temperatures cannot be added: write a difference as delta_degC")
    total = one.number + _difference(other).to(_difference_units(one.units)).number
    return replace(one, number=total)


def subtract(one: Quantity, other: Quantity) -> Quantity:
    """Of two points, the difference."""
    if one.point and other.point:
        difference = one.number - other.to(one.units).number
        return Quantity(difference, _difference_units(one.units))
    if other.point:
        raise ToolError("a temperature cannot be taken from a difference")
    return add(one, negative(other))


def multiply(one: Quantity, other: Quantity) -> Quantity:
    """Of a number and a temperature unit, the point on its scale."""
    if one.point or other.point:
        number, point = (one, other) if other.point else (other, one)
        if number.units or point.number != 1:
            raise ToolError("a temperature can only be converted: write differences as delta_degC")
        return replace(point, number=number.number)
    return _simplified(one.number * other.number, powers_of(_once(one), _once(other)))


def divide(one: Quantity, other: Quantity) -> Quantity:
    """Units that measure the same cancel out, where all do."""
    _no_points(one, other)
    units = powers_of(_once(one), (other.units, Fraction(-1)))
    return _simplified(one.number / other.number, units)


def floor_divide(one: Quantity, other: Quantity) -> Quantity:
    """As Python's integers do it; `Decimal` itself cuts off towards zero."""
    _no_points(one, other)
    dividend, divisor = one.number, other.to(one.units).number
    quotient = dividend // divisor
    uneven = dividend % divisor and (dividend < 0) != (divisor < 0)
    return Quantity(quotient - 1 if uneven else quotient)


def modulo(one: Quantity, other: Quantity) -> Quantity:
    """With the sign of the divisor."""
    _no_points(one, other)
    divisor = other.to(one.units).number
    rest = one.number % divisor
    return replace(one, number=rest + divisor if rest and (rest < 0) != (divisor < 0) else rest)


def power(base: Quantity, exponent: Quantity) -> Quantity:
    """Bounded, and of units only to a small power."""
    to = exponent.plain
    if abs(to) > _LARGEST_POWER:
        raise ToolError(f"an exponent is larger than {_LARGEST_POWER}")
    if not base.units:
        return Quantity(base.number**to)
    _no_points(base)
    root = Fraction(to).limit_denominator(_LARGEST_UNIT_POWER)
    return _simplified(base.number**to, powers_of((base.units, root)))


def _once(one: Quantity) -> tuple[Powers, Fraction]:
    return one.units, Fraction(1)


def _simplified(number: Decimal, units: Powers) -> Quantity:
    """A plain number, where several units measure nothing together: a km/m is 1000."""
    if len(units) > _MOST_UNITS:
        raise ToolError(f"more than {_MOST_UNITS} units in one value")
    if any(abs(power) > _LARGEST_UNIT_POWER for power in units.values()):
        raise ToolError(f"an exponent of a unit is larger than {_LARGEST_UNIT_POWER}")
    found = Quantity(number, units)
    return found if found.dimensions or len(units) == 1 else Quantity(found.plain)


def _difference(one: Quantity) -> Quantity:
    return one if one.point else replace(one, units=_difference_units(one.units))


def _difference_units(units: Powers) -> Powers:
    """A difference is counted in degrees, wherever their scale begins."""
    return {f"delta_{name}" if _known(name).zero else name: power for name, power in units.items()}


def _no_points(*quantities: Quantity) -> None:
    if any(one.point for one in quantities):
        raise ToolError("a temperature can only be converted: write differences as delta_degC")


def _scale(units: Powers) -> Decimal:
    """What one of the units is in basic ones."""
    total = Decimal(1)
    for name, exponent in units.items():
        known = _known(name)
        if not known.exact:
            decimal.getcontext().flags[decimal.Inexact] = True
        whole = exponent.denominator == 1
        to = Decimal(exponent.numerator)
        total *= known.scale ** (to if whole else to / exponent.denominator)
    return total


def _zero(units: Powers) -> Decimal:
    return sum((_known(name).zero for name in units), Decimal(0))


def _known(name: str) -> UnitOfMeasure:
    found = unit_of(name)
    assert found is not None, name
    return found
