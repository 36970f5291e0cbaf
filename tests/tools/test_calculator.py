"""The calculator: exact where it can be, and bounded whatever it is given."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conveyor_tools.calculator import calculator
from conveyor_tools.errors import ToolError


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("0.1 + 0.2", "0.3"),
        ("1_000.50 * 2", "2001"),
        ("1/3", "0.333333333333333333333333333333"),
        ("2/3*3", "2"),
        ("2^10", "1024"),
        ("2**-2", "0.25"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("7 % -3", "-2"),
        ("2 ** 200", str(2**200)),
        ("factorial(25)", "15511210043330985984000000"),
        ("sqrt(16) + abs(-1)", "5"),
        ("sqrt(2)", "1.41421356237309504880168872421"),
        ("round(2.345, 2)", "2.34"),
        ("round(1234, -2)", "1200"),
        ("floor(-1.5) + ceil(1.2)", "0"),
        ("max(1, 2, 3) - min(4, 5)", "-1"),
        ("2 * pi", "6.28318530717958647692528676656"),
        ("ln(e)", "1"),
        ("log10(1000)", "3"),
        ("1e400", "1E+400"),
        ("0x10", "16"),
        (" 5 ", "5"),
        ("0.0", "0"),
    ],
)
def test_results(expression: str, result: str) -> None:
    assert calculator(expression) == result


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("", "not an expression: ''"),
        ("5 5", "not an expression"),
        ("\0", "not an expression"),
        ("(" * 500, "not an expression"),
        ("-" * 999 + "1", "not "),
        ("1+" * 5000 + "1", "more than 1000 characters"),
        ("9**9**9**9", "an exponent is larger than 10000"),
        ("10**10000*10**10000*" * 40 + "1", "too large"),
        ("exp(1e9)", "too large"),
        ("1/0", "division by zero"),
        ("5 % 0", "not defined"),
        ("sqrt(-1)", "not defined: 'sqrt(-1)'"),
        ("ln(0)", "not defined"),
        ("factorial(1001)", "factorial takes whole numbers from 0 to 1000"),
        ("factorial(1.5)", "factorial takes whole numbers"),
        ("round(1, 1e9)", "round takes at most 200 digits"),
        ("sqrt()", "sqrt does not take 0 values"),
        ("True", "not arithmetic: 'True'"),
        ("'a' * 9", "not arithmetic: \"'a'\""),
        ("1j", "not arithmetic"),
        ("x", "not arithmetic: 'x'"),
        ("[1]", "not arithmetic"),
        ("abs(x=1)", "not arithmetic"),
        ("().__class__", "not arithmetic"),
        ("__import__('os').system('true')", "not arithmetic"),
        ("(lambda: 1)()", "not arithmetic"),
        ("1 if 1 else 2", "not arithmetic"),
    ],
)
def test_refusals(expression: str, why: str) -> None:
    """What is no arithmetic, has no value, or would take too long is refused at once."""
    began = time.monotonic()
    with pytest.raises(ToolError) as refused:
        calculator(expression)
    assert why in str(refused.value)
    assert time.monotonic() - began < 1


def test_the_costliest_expressions_are_quick() -> None:
    """A thousand characters cannot keep it busy."""
    for expression in ("+".join(["factorial(1000)"] * 60), "+".join(["2.5**0.3"] * 100),
                       "+".join(["exp(9.9)"] * 100), "+".join(["ln(1e99)"] * 100)):  # fmt: skip
        began = time.monotonic()
        calculator(expression)
        assert time.monotonic() - began < 2, expression


@given(st.lists(st.decimals(-(10**9), 10**9, places=6), min_size=1, max_size=8), st.data())
def test_sums_and_products_are_exact(numbers: list[object], data: st.DataObject) -> None:
    """As fractions have it, which this does not use."""
    text, expected = f"({numbers[0]})", Fraction(str(numbers[0]))
    for number in numbers[1:]:
        op = data.draw(st.sampled_from("+-*"))
        text = f"({text}{op}({number:f}))"
        other = Fraction(f"{number:f}")
        expected = {"+": expected + other, "-": expected - other, "*": expected * other}[op]
    assert Fraction(calculator(text)) == expected
