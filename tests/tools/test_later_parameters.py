"""Parameters whose values come later: what may be declared, and what others see of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conveyor_tools.arguments import ArgumentUnit
from conveyor_tools.function import tool
from conveyor_tools.later import Later
from tests.tools.calling import made, search, units_of


def no_later(query: str, limit: int = 1) -> str:
    """Search."""
    return f"{query}{limit}"


async def no_default(query: str, limit: Later[int]) -> str:
    """Search."""
    return f"{query}{await limit}"


def not_async(query: str, limit: Later[int] = Later(1)) -> str:  # noqa: B008
    """Search."""
    return f"{query}{limit}"


@pytest.mark.parametrize(
    ("declaration", "target", "why"),
    [
        ({"ready_when": {"query"}}, no_later, "'limit' may not be there when it starts"),
        ({"ready_when": {"query"}}, no_default, "'limit' comes later, so it needs a default"),
        ({"ready_when": {"query"}}, not_async, "make it async"),
        ({"ready_when": {"town"}}, no_later, "it has no parameter 'town'"),
        ({"early": {"town"}}, no_later, "it has no parameter 'town'"),
        ({}, not_async, "declares no ready_when"),
        ({"ready_when": {"query", "limit"}}, not_async, "'limit' is in ready_when"),
        ({"effects": "external", "ready_when": {"query"}}, no_later, "only pure tools start early"),
        ({"effects": "external", "retries": 1}, no_later, "pure or idempotent"),
        ({"timeout": 0}, no_later, "timeout and concurrency are more than 0"),
    ],
)
def test_declarations_that_cannot_be_kept_are_refused(
    declaration: dict[str, Any], target: Callable[..., Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        made(tool(**{"effects": "pure", **declaration})(target))


def test_later_values_are_plain_ones_to_who_calls() -> None:
    """In the schema and in the signature that models and code are told."""
    function = made(search)
    assert function.signature.shown == (
        "(query: str, limit: int = 10, kind: Literal['all', 'new'] = 'all') -> str"
    )
    assert function.schema["properties"]["limit"] == {
        "type": "integer", "minimum": 1, "default": 10,
    }  # fmt: skip
    assert isinstance(units_of(function, '{"query": "a"}')[0], ArgumentUnit)
