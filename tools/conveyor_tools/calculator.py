"""The `calculator` tool: decimals with units, worked out from the expression's syntax tree."""

from __future__ import annotations

import ast
import decimal
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from conveyor_tools.calculator_quantity import (
    Quantity,
    add,
    divide,
    floor_divide,
    modulo,
    multiply,
    negative,
    power,
    subtract,
    unit,
)
from conveyor_tools.calculator_syntax import as_python, split_conversion, units_as_python
from conveyor_tools.calculator_units import written_powers
from conveyor_tools.errors import ToolError
from conveyor_tools.function import Effects, tool

_LONGEST = 1000
"""Characters of an expression. They also bound its depth, and so the time it takes."""
_DIGITS = 200
"""What is exact up to here stays exact."""
_SHOWN_DIGITS = 30
"""Digits of a result that had to be rounded."""
_PLAIN = 60
"""A result with more digits before or zeros after the point is written with an exponent."""

_ARITHMETIC = decimal.Context(prec=_DIGITS, Emax=100_000, Emin=-100_000)
_ROUNDED = decimal.Context(prec=_SHOWN_DIGITS, Emax=100_000, Emin=-100_000)


@tool(effects=Effects.PURE, timeout=10, ready_when={"expression"})
def calculator(expression: Annotated[str, Field(max_length=_LONGEST)]) -> str:
    """Calculates an expression in exact decimals, with units if it has any; gives text.

    Knows + - * / // % and ** (or ^), parentheses, pi and e, and the functions abs, ceil, exp,
    factorial, floor, ln, log10, max, min, round, sqrt: calculator("sqrt(2) * (0.1 + 0.2)").
    Units are written after numbers, and may be converted: calculator("3 km + 200 m in miles"),
    calculator("90 km/h to m/s"), calculator("20 degC to degF").
    """
    if len(expression) > _LONGEST:
        raise ToolError(f"the expression has more than {_LONGEST} characters")
    text, wanted = split_conversion(expression.strip())
    text = as_python(text)
    with decimal.localcontext(_ARITHMETIC) as context:
        try:
            value = _value(text, expression)
            if wanted is not None:
                value = value.to(_value(units_as_python(wanted), expression).units)
        except decimal.DivisionByZero:
            raise ToolError("division by zero") from None
        except decimal.Overflow:
            raise ToolError("the result is too large") from None
        except (decimal.InvalidOperation, RecursionError):
            raise ToolError(f"not defined: {expression!r:.200}") from None
        rounded = bool(context.flags[decimal.Inexact])
    if not value.number.is_finite():
        raise ToolError(f"not defined: {expression!r:.200}")
    number = _written(_ROUNDED.plus(value.number) if rounded else value.number)
    return f"{number} {wanted or written_powers(value.units)}" if value.units else number


def _value(text: str, expression: str) -> Quantity:
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ToolError(f"not an expression: {expression!r:.200}") from None
    return _Calculation(text).value(tree.body)


class _Calculation:
    """Works out the tree of one expression, within the current decimal context."""

    def __init__(self, text: str) -> None:
        self._text = text

    def value(self, node: ast.expr) -> Quantity:
        """The value of a node. Raises ToolError for what is no arithmetic."""
        match node:
            case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
                return Quantity(self._number(node))
            case ast.Name(id=name) if (found := _named(name)) is not None:
                return found
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
                value = self.value(operand)
                return negative(value) if isinstance(op, ast.USub) else value
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](self.value(left), self.value(right))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                return self._call(name, [self.value(each) for each in args])
        source = ast.get_source_segment(self._text, node) or "this"
        raise ToolError(f"not arithmetic: {source!r:.100}")

    def _number(self, node: ast.Constant) -> Decimal:
        # From its text: 0.1 as a float is not 0.1.
        text = (ast.get_source_segment(self._text, node) or "").replace("_", "")
        try:
            return +Decimal(text)
        except decimal.InvalidOperation:  # 0x10
            return +Decimal(node.value)  # type: ignore[arg-type] # int or float, as matched

    def _call(self, name: str, values: list[Quantity]) -> Quantity:
        function, least, most = _FUNCTIONS[name]
        if not least <= len(values) <= most:
            raise ToolError(f"{name} does not take {len(values)} values")
        return function(*values)


def _named(name: str) -> Quantity | None:
    """A constant, or one of a unit."""
    if name in _CONSTANTS:
        decimal.getcontext().flags[decimal.Inexact] = True
        return Quantity(_CONSTANTS[name])
    return unit(name)


def _factorial(value: Decimal) -> Decimal:
    if value != value.to_integral_value() or not 0 <= value <= 1000:  # noqa: PLR2004
        raise ToolError("factorial takes whole numbers from 0 to 1000")
    product = Decimal(1)
    for factor in range(2, int(value) + 1):
        product *= factor
    return product


def _round(value: Quantity, digits: Quantity = Quantity(Decimal(0))) -> Quantity:  # noqa: B008
    places = digits.plain
    if places != places.to_integral_value() or abs(places) > _DIGITS:
        raise ToolError(f"round takes at most {_DIGITS} digits")
    return value.map(lambda number: number.quantize(Decimal(1).scaleb(-int(places))))


def _sqrt(value: Quantity) -> Quantity:
    root = power(replace(value, number=Decimal(1)), Quantity(Decimal("0.5")))
    return replace(root, number=value.number.sqrt() * root.number)


def _of_number(function: Callable[[Decimal], Decimal]) -> Callable[[Quantity], Quantity]:
    return lambda value: Quantity(function(value.plain))


def _of_any(function: Callable[[Decimal], Decimal]) -> Callable[[Quantity], Quantity]:
    return lambda value: value.map(function)


def _of_several(choose: Callable[..., Decimal]) -> Callable[..., Quantity]:
    """In the units of the first."""
    return lambda one, *more: one.map(
        lambda number: choose([number, *(it.to(one.units).number for it in more)])
    )


def _to_integral(rounding: str) -> Callable[[Decimal], Decimal]:
    return lambda value: value.to_integral_value(rounding=rounding)


_CONSTANTS = {
    "pi": Decimal("3.1415926535897932384626433832795028841971693993751058209749445923"),
    "e": Decimal("2.7182818284590452353602874713526624977572470936999595749669676277"),
}
_OPERATORS: dict[type[ast.operator], Callable[[Quantity, Quantity], Quantity]] = {
    ast.Add: add,
    ast.Sub: subtract,
    ast.Mult: multiply,
    ast.Div: divide,
    ast.FloorDiv: floor_divide,
    ast.Mod: modulo,
    ast.Pow: power,
}
_FUNCTIONS: dict[str, tuple[Callable[..., Quantity], int, int]] = {
    "abs": (_of_any(abs), 1, 1),
    "ceil": (_of_any(_to_integral(decimal.ROUND_CEILING)), 1, 1),
    "exp": (_of_number(Decimal.exp), 1, 1),
    "factorial": (_of_number(_factorial), 1, 1),
    "floor": (_of_any(_to_integral(decimal.ROUND_FLOOR)), 1, 1),
    "ln": (_of_number(Decimal.ln), 1, 1),
    "log10": (_of_number(Decimal.log10), 1, 1),
    "max": (_of_several(max), 1, _LONGEST),
    "min": (_of_several(min), 1, _LONGEST),
    "round": (_round, 1, 2),
    "sqrt": (_sqrt, 1, 1),
}
"""Each with the least and the most values it takes."""


def _written(value: Decimal) -> str:
    """Without needless zeros, and without an exponent where it can be read so."""
    if not value:
        return "0"
    value = value.normalize(_ARITHMETIC)
    plain = -_PLAIN <= value.adjusted() <= _DIGITS
    return format(value, "f") if plain else str(value)
