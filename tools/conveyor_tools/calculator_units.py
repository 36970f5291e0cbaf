"""The units that the calculator knows: those of `pint`, asked for by name only.

No text of the model's reaches pint's own parser but single names, whose length is bounded.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from conveyor_tools.errors import ToolError

_LONGEST_NAME = 40
_EXACT_DIGITS = 100
"""A factor with more digits than this is no exact decimal."""
_TEMPERATURE = {"[temperature]": Fraction(1)}
_PRECISE = decimal.Context(prec=200, Emax=100_000, Emin=-100_000)

Powers = Mapping[str, Fraction]
"""The exponent of each name: of a unit, or of a dimension."""


@dataclass(frozen=True, slots=True)
class UnitOfMeasure:
    """One unit: `scale` of the basic ones, from `zero` on (other than 0 for °C and °F)."""

    name: str
    scale: Decimal
    zero: Decimal
    dimensions: Powers
    exact: bool = field(default=True)


@lru_cache(maxsize=4096)
def unit_of(name: str) -> UnitOfMeasure | None:
    """The unit of that name, plural or symbol; None if there is none.

    Raises:
        ToolError: it is one of a logarithmic scale.
    """
    if not name.isidentifier() or len(name) > _LONGEST_NAME:
        return None
    with decimal.localcontext(_PRECISE):
        registry = _registry()
        try:
            one = registry.Quantity(Decimal(1), name).to_root_units()
            zero = Decimal(registry.Quantity(Decimal(0), name).to_root_units().magnitude)
        except Exception:  # noqa: BLE001 - pint has many ways to say that it knows no such unit
            return None
        dimensions = {each: Fraction(power) for each, power in one.dimensionality.items()}
        if zero and dimensions != _TEMPERATURE:
            raise ToolError(f"{name} is a unit of a logarithmic scale, which cannot be used here")
        scale = (Decimal(one.magnitude) - zero).normalize()
        exact = max(len(it.normalize().as_tuple().digits) for it in (scale, zero)) <= _EXACT_DIGITS
    return UnitOfMeasure(name, scale, zero, dimensions, exact)


@cache
def _registry() -> Any:
    import pint  # noqa: PLC0415 - it takes most of a second, and few expressions have units

    return pint.UnitRegistry(non_int_type=Decimal, cache_folder=None)


def powers_of(*parts: tuple[Powers, Fraction]) -> dict[str, Fraction]:
    """The product of several, each to a power; what cancels out is gone."""
    total: dict[str, Fraction] = {}
    for powers, exponent in parts:
        for name, power in powers.items():
            total[name] = total.get(name, Fraction(0)) + power * exponent
    return {name: power for name, power in total.items() if power}


def written_powers(powers: Powers) -> str:
    """As one writes it: `kg*m/s**2`, and `s**-1` where nothing stands above."""
    if all(power < 0 for power in powers.values()):
        return "*".join(_power(name, power) for name, power in powers.items())
    above = [_power(name, power) for name, power in powers.items() if power > 0]
    below = [_power(name, -power) for name, power in powers.items() if power < 0]
    return "/".join(["*".join(above), *below])


def _power(name: str, power: Fraction) -> str:
    if power == 1:
        return name
    return f"{name}**{power}" if power.denominator == 1 else f"{name}**({power})"
