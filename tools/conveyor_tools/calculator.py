"""The `calculator` tool: decimal arithmetic, worked out from the expression's syntax tree."""

from __future__ import annotations

import ast
import decimal
from collections.abc import Callable
from decimal import Decimal

from conveyor_tools.errors import ToolError
from conveyor_tools.function import Effects, tool

_LONGEST = 1000
"""Characters of an expression. They also bound its depth, and so the time it takes."""
_DIGITS = 200
"""What is exact up to here stays exact."""
_SHOWN_DIGITS = 30
"""Digits of a result that had to be rounded."""
_LARGEST_POWER = 10_000
_PLAIN = 60
"""A result with more digits before or zeros after the point is written with an exponent."""

_ARITHMETIC = decimal.Context(prec=_DIGITS, Emax=100_000, Emin=-100_000)
_ROUNDED = decimal.Context(prec=_SHOWN_DIGITS, Emax=100_000, Emin=-100_000)


@tool(effects=Effects.PURE, timeout=5)
def calculator(expression: str) -> str:
    """Calculate an expression in exact decimals and return the result as text.

    Knows + - * / // % and ** (or ^), parentheses, pi and e, and the functions abs, ceil, exp,
    factorial, floor, ln, log10, max, min, round, sqrt: calculator("sqrt(2) * (0.1 + 0.2)").
    """
    if len(expression) > _LONGEST:
        raise ToolError(f"the expression has more than {_LONGEST} characters")
    text = expression.strip().replace("^", "**")
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ToolError(f"not an expression: {expression!r:.200}") from None
    with decimal.localcontext(_ARITHMETIC) as context:
        try:
            value = _Calculation(text).value(tree.body)
        except decimal.DivisionByZero:
            raise ToolError("division by zero") from None
        except decimal.Overflow:
            raise ToolError("the result is too large") from None
        except (decimal.InvalidOperation, RecursionError):
            raise ToolError(f"not defined: {expression!r:.200}") from None
        rounded = bool(context.flags[decimal.Inexact])
    if not value.is_finite():
        raise ToolError(f"not defined: {expression!r:.200}")
    return _written(_ROUNDED.plus(value) if rounded else value)


class _Calculation:
    """Works out the tree of one expression, within the current decimal context."""

    def __init__(self, text: str) -> None:
        self._text = text

    def value(self, node: ast.expr) -> Decimal:
        """The value of a node. Raises ToolError for what is no arithmetic."""
        match node:
            case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
                return self._number(node)
            case ast.Name(id=name) if name in _CONSTANTS:
                decimal.getcontext().flags[decimal.Inexact] = True
                return _CONSTANTS[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.value(operand)
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

    def _call(self, name: str, values: list[Decimal]) -> Decimal:
        function, least, most = _FUNCTIONS[name]
        if not least <= len(values) <= most:
            raise ToolError(f"{name} does not take {len(values)} values")
        return function(*values)


def _power(base: Decimal, exponent: Decimal) -> Decimal:
    if abs(exponent) > _LARGEST_POWER:
        raise ToolError(f"an exponent is larger than {_LARGEST_POWER}")
    return base**exponent


def _floor_divide(one: Decimal, other: Decimal) -> Decimal:
    """As Python's integers do it; `Decimal` itself cuts off towards zero."""
    quotient = one // other
    return quotient - 1 if one % other and (one < 0) != (other < 0) else quotient


def _modulo(one: Decimal, other: Decimal) -> Decimal:
    rest = one % other
    return rest + other if rest and (rest < 0) != (other < 0) else rest


def _factorial(value: Decimal) -> Decimal:
    if value != value.to_integral_value() or not 0 <= value <= 1000:  # noqa: PLR2004
        raise ToolError("factorial takes whole numbers from 0 to 1000")
    product = Decimal(1)
    for factor in range(2, int(value) + 1):
        product *= factor
    return product


def _round(value: Decimal, digits: Decimal = Decimal(0)) -> Decimal:
    if digits != digits.to_integral_value() or abs(digits) > _DIGITS:
        raise ToolError(f"round takes at most {_DIGITS} digits")
    return value.quantize(Decimal(1).scaleb(-int(digits)))


def _to_integral(rounding: str) -> Callable[[Decimal], Decimal]:
    return lambda value: value.to_integral_value(rounding=rounding)


_CONSTANTS = {
    "pi": Decimal("3.1415926535897932384626433832795028841971693993751058209749445923"),
    "e": Decimal("2.7182818284590452353602874713526624977572470936999595749669676277"),
}
_OPERATORS: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: lambda one, other: one + other,
    ast.Sub: lambda one, other: one - other,
    ast.Mult: lambda one, other: one * other,
    ast.Div: lambda one, other: one / other,
    ast.FloorDiv: _floor_divide,
    ast.Mod: _modulo,
    ast.Pow: _power,
}
_FUNCTIONS: dict[str, tuple[Callable[..., Decimal], int, int]] = {
    "abs": (abs, 1, 1),
    "ceil": (_to_integral(decimal.ROUND_CEILING), 1, 1),
    "exp": (Decimal.exp, 1, 1),
    "factorial": (_factorial, 1, 1),
    "floor": (_to_integral(decimal.ROUND_FLOOR), 1, 1),
    "ln": (Decimal.ln, 1, 1),
    "log10": (Decimal.log10, 1, 1),
    "max": (max, 1, _LONGEST),
    "min": (min, 1, _LONGEST),
    "round": (_round, 1, 2),
    "sqrt": (Decimal.sqrt, 1, 1),
}
"""Each with the least and the most values it takes."""


def _written(value: Decimal) -> str:
    """Without needless zeros, and without an exponent where it can be read so."""
    if not value:
        return "0"
    value = value.normalize(_ARITHMETIC)
    plain = -_PLAIN <= value.adjusted() <= _DIGITS
    return format(value, "f") if plain else str(value)
