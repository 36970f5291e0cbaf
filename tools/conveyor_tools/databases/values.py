"""The values of databases, as text and as plain data."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from typing import Any

_SHOWN_BYTES = 16
_LARGEST = 300
"""Digits of a number that is not given as text."""


def as_text(value: Any) -> str | None:
    """A value of a driver that gives Python objects."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case bytes():
            dots = "…" if len(value) > _SHOWN_BYTES else ""
            return f"x'{value[:_SHOWN_BYTES].hex()}{dots}' ({len(value)} bytes)"
        case datetime():
            return value.isoformat(sep=" ")
        case _:
            return str(value)


def as_data(value: Any) -> Any:
    """A value of a driver that gives Python objects, as JSON has it; else as its text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case Decimal():
            return number(str(value))
        case list():
            return [as_data(item) for item in value]
        case dict():
            return {str(key): as_data(item) for key, item in value.items()}
        case _:
            return as_text(value)


def number(text: str) -> int | float | str:
    """A number of decimal digits as JSON has it; where a float would lose some, its text."""
    try:
        exact = Decimal(text)
        if not exact.is_finite() or abs(exact.adjusted()) > _LARGEST:
            return text
        if exact == int(exact):
            return int(exact)
        close = float(exact)
    except (ValueError, ArithmeticError):
        return text
    return close if math.isfinite(close) and Decimal(repr(close)) == exact else text
