"""The calculator: exact where it can be, and bounded whatever it is given."""

from __future__ import annotations

import time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conveyor_tools.calculator import calculator
from conveyor_tools.calculator_units import unit_of
from conveyor_tools.errors import ToolError

REGISTRY: Any = pint.UnitRegistry(non_int_type=Decimal)


@pytest.fixture(scope="module", autouse=True)
def _units_are_loaded() -> None:
    """That takes a second, once in a program."""
    assert unit_of("km") is not None


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
    ("expression", "result"),
    [
        ("3 km + 200 m", "3.2 km"),
        ("3 km + 200 m in miles", "1.98838781515946870277578938996 miles"),
        ("90 km/h to m/s", "25 m/s"),
        ("1 mile -> m", "1609.344 m"),
        ("10 m / 2 s", "5 m/s"),
        ("3 km / 200 m", "15"),
        ("5 kg * 9.81 m/s^2 in N", "49.05 N"),
        ("2 in * 3 in", "6 inch**2"),
        ("12 in in cm", "30.48 cm"),
        ("12 in to cm", "30.48 cm"),
        ("5 min to s", "300 s"),
        ("min(5 min, 200 s)", "3.33333333333333333333333333333 min"),
        ("sqrt(16 m**2) + 1 m", "5 m"),
        ("(3 + 4) km to m", "7000 m"),
        ("7 km // 2 km", "3"),
        ("7 km % 2 km", "1 km"),
        ("round(1234 m, -2)", "1200 m"),
        ("1 kWh to J", "3600000 J"),
        ("8 GB to MB", "8000 MB"),
        ("8 GB", "8 GB"),
        ("180 degrees in radians", "3.14159265358979323846264338328 radians"),
        ("2 pi", "6.28318530717958647692528676656"),
        ("20 degC to degF", "68 degF"),
        ("-40 °C to °F", "-40 degF"),
        ("300 K in °C", "26.85 degC"),
        ("20 degC - 5 degC", "15 delta_degC"),
        ("20 degC + 5 delta_degC", "25 degC"),
        ("1 delta_degF to K", "0.555555555555555555555555555556 K"),
        ("1/3 m", "0.333333333333333333333333333333 m**-1"),
        ("2 m**-2", "2 m**-2"),
    ],
)
def test_results_with_units(expression: str, result: str) -> None:
    """A number and its units are one factor; a conversion comes last; the same every time."""
    assert calculator(expression) == result
    assert calculator(expression) == result


@given(
    st.decimals(-(10**6), 10**6, places=4),
    st.sampled_from(["km", "inch", "mile", "lb", "hour", "degF", "GB", "knot", "acre", "psi"]),
    st.sampled_from(["m", "ft", "g", "s", "K", "bit", "km/h", "m**2", "Pa"]),
)
def test_conversions_are_those_of_pint(number: Decimal, unit: str, target: str) -> None:
    """Of which this takes the factors only, and does the rest itself."""
    try:
        expected = REGISTRY.Quantity(number, unit).to(target).magnitude
    except pint.DimensionalityError:
        with pytest.raises(ToolError, match="cannot be converted"):
            calculator(f"{number:f} {unit} to {target}")
    else:
        result, _, shown = calculator(f"{number:f} {unit} to {target}").partition(" ")
        assert shown == target
        assert abs(Decimal(result) - expected) <= abs(expected) * Decimal("1e-20")


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("1 m + 1 s", "s cannot be converted to m"),
        ("1 m + 1", "a plain number cannot be converted to m"),
        ("2 ** 3 m", "3 m has a unit where there can be none"),
        ("exp(1 s)", "1 s has a unit where there can be none"),
        ("20 degC * 2", "a temperature can only be converted"),
        ("20 degC + 20 degC", "two temperatures cannot be added"),
        ("5 delta_degC to degC", "a temperature and a difference of two are not the same"),
        ("1 km to kg", "km cannot be converted to kg"),
        ("1 km to", "not arithmetic: 'to'"),
        ("1 km to 3", "not an expression"),
        ("1 m ** 21", "an exponent of a unit is larger than 20"),
        ("((1 km**20)**20)", "an exponent of a unit is larger than 20"),
        ("1 USD", "not arithmetic: 'USD'"),
        ("1 km to __class__", "not arithmetic: '__class__'"),
        ("1 km to m.__class__", "not arithmetic: '(1*m).__class__'"),
        ("1 " + "k" * 900, "not arithmetic"),
        ("*".join(f"1 {chr(97 + n)}m" for n in range(26)), "not arithmetic: 'bm'"),
        (" + ".join(f"1 x{n}" for n in range(120)), "not arithmetic: 'x0'"),
        (" ".join(["1"] + ["kilo" * 9 + "m"] * 20), "not arithmetic"),
        ("1 m to " + "m" * 900, "not arithmetic"),
        ("5 dB", "not arithmetic: 'dB'"),
    ],
)
def test_refusals_with_units(expression: str, why: str) -> None:
    """Only names reach pint, and not for long."""
    began = time.monotonic()
    with pytest.raises(ToolError) as refused:
        calculator(expression)
    assert why in str(refused.value)
    assert time.monotonic() - began < 2


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
    for expression in ("+".join(["1 km"] * 140), "*".join(["3.3 inch"] * 20),
                       "+".join(["2.5 acre**0.3"] * 60), "/".join(["(1 lb)"] * 20),
                       "sqrt(" * 90 + "1 psi" + ")" * 90, "+".join(["factorial(1000)"] * 60),
                       "+".join(["2.5**0.3"] * 100),
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
