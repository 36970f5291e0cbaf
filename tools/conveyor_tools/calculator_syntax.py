"""How a calculator's text becomes Python's expressions: `3 km + 200 m in miles`."""

from __future__ import annotations

import keyword
import re

_TOKEN = re.compile(
    r"(?P<number>0[xXbBoO][0-9a-fA-F_]+|(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d]\w*)|(?P<space>\s+)|(?P<arrow>->|→)|(?P<sign>\*\*|//|.)",
    re.DOTALL,
)
_RENAMED = {"in": "inch"}


def split_conversion(text: str) -> tuple[str, str | None]:
    """The expression, and the units that it asks for after `in`, `to` or an arrow."""
    text = text.replace("^", "**").replace("°C", " degC").replace("°F", " degF")
    tokens = [it for it in _TOKEN.finditer(text) if it.lastgroup != "space"]
    for place in range(len(tokens) - 2, 0, -1):
        token = tokens[place]
        asks = token.lastgroup == "arrow" or token[0] in ("in", "to")
        if asks and tokens[place + 1].lastgroup == "name":
            return text[: token.start()].strip(), text[token.end() :].strip()
    return text, None


def as_python(text: str) -> str:
    """Where a number has units, `(number*unit)`: together they are one factor.

    Behind a parenthesis, where it begins is not looked for: there they are just multiplied.
    """
    written: list[str] = []
    tokens = [it for it in _TOKEN.finditer(text) if it.lastgroup != "space"]
    end = place = 0
    while place < len(tokens):
        token = tokens[place]
        after = _units_end(tokens, place)
        if after == place + 1:
            times = "*" if written and written[-1][-1] == ")" and _is_unit(tokens, place) else ""
            written.append(f"{text[end : token.start()]}{times}{token[0]}")
        else:
            units = "*".join(_units(tokens[place + 1 : after]))
            written.append(f"{text[end : token.start()]}({token[0]}*{units})")
        end = tokens[after - 1].end()
        place = after
    return "".join([*written, text[end:]])


def units_as_python(text: str) -> str:
    """Units that stand alone: `m s` is their product."""
    return as_python(f"1 {text}")


def _units_end(tokens: list[re.Match[str]], place: int) -> int:
    """Behind the units, with their powers, that follow a number."""
    place += 1
    if tokens[place - 1].lastgroup != "number":
        return place
    while place < len(tokens) and _is_unit(tokens, place):
        place += 1
        if place + 1 < len(tokens) and tokens[place][0] == "**":
            sign = tokens[place + 1][0] in "+-" and place + 2 < len(tokens)
            if tokens[place + 1 + sign].lastgroup == "number":
                place += 2 + sign
    return place


def _is_unit(tokens: list[re.Match[str]], place: int) -> bool:
    token = tokens[place]
    called = place + 1 < len(tokens) and tokens[place + 1][0] == "("
    known = token[0] in _RENAMED or not keyword.iskeyword(token[0])
    return token.lastgroup == "name" and known and not called


def _units(tokens: list[re.Match[str]]) -> list[str]:
    """Each with its power."""
    units: list[str] = []
    for token in tokens:
        if token.lastgroup == "name":
            units.append(_RENAMED.get(token[0], token[0]))
        else:
            units[-1] += token[0]
    return units
