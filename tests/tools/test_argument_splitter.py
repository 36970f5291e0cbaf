"""Calls of function tools by the model itself: how their arguments are cut, and refused."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from conveyor_tools.arguments import ArgumentSplitter, Role
from tests.tools.calling import cut, made, page, search


@pytest.mark.parametrize(
    ("target", "text", "expected"),
    [
        (search, '{"query": "a", "limit": 3}', [(Role.CALL, '{"query": "a"'),
                                                (Role.LATER, ', "limit": 3'), (None, "}")]),
        (search, '{"limit": 3, "query": "a"}\n', [(Role.CALL, '{"limit": 3, "query": "a"'),
                                                  (None, "}\n")]),
        (page, '{"url": "example", "body": "x"}', [(Role.EARLY, '{"url": "example"'),
                                                   (Role.CALL, ', "body": "x"}')]),
        (page, '{"method": "GET", "url": "example"} ', [
            (Role.EARLY, '{"method": "GET", "url": "example"'), (Role.CALL, "}"), (None, " ")]),
    ],
)  # fmt: skip
def test_units_are_released_as_soon_as_their_arguments_are_closed(
    target: Callable[..., Any], text: str, expected: list[tuple[Role | None, str]]
) -> None:
    """And not one character later, however the text is chopped; joined, they are the text."""
    function = made(target)
    units, problem, _ = cut(function, [text])
    assert problem is None
    assert [(getattr(unit, "role", None), unit.text) for unit in units] == expected
    assert [unit.blank for unit in units] == [role is None for role, _ in expected]
    for one, other in itertools.combinations(range(len(text) + 1), 2):
        assert cut(function, [text[:one], text[one:other], text[other:]])[0] == units
    splitter = ArgumentSplitter(function)
    for count, char in enumerate(text, 1):
        for unit in splitter.feed(char):
            late = 1 if '"limit": 3' in unit.text and unit.text[-1] == "3" else 0
            assert splitter.released + late == count


@pytest.mark.parametrize(
    ("text", "why", "fed"),
    [
        ('{"q', None, None),
        ('{"x', "no argument is called 'x'…", 3),
        ('{"query": 1', "query: must be a string, not a number", 11),
        ('{"query": "' + "x" * 21, "query: must have at most 20 characters", 32),
        ('{"query": "a", "limit": 0', "limit: must be at least 1", 25),
        ('{"query": "a", "kind": "o', "kind: must be one of 'all', 'new', not 'o'…", 25),
        ('{"limit": 1}', "the argument 'query' is missing", 12),
        ('{"query": "a"} x', "the arguments have ended", 16),
        ("[", "the arguments must be a JSON object", 1),
        ('"{', "the arguments must be a JSON object", 1),
        ('{"query": T', "query: must be a string, not what begins with 'T'", 11),
        ('{"query": n', "query: must be a string, not null", 11),
    ],
)
def test_what_cannot_become_valid_is_refused_at_once(
    text: str, why: str | None, fed: int | None
) -> None:
    """At the character that shows it; a text that only ends too early, at its end."""
    _, problem, at = cut(made(search), text)
    assert at == fed
    assert problem is not None
    assert (why or "the object is not complete") in problem


def test_a_tools_own_check_refuses_too() -> None:
    """When the argument is closed; where code calls, before anything is done."""
    function = made(page)
    _, problem, at = cut(function, '{"url": "else", "method": "GET"}')
    assert (problem, at) == ("no such host: else", len('{"url": "else"'))
    answer = asyncio.run(function.call({"url": "else"}))
    assert answer.failure is not None
    assert answer.failure.message == problem


def test_only_what_has_effects_waits_for_the_end() -> None:
    """As the tool says of the arguments at hand."""
    for text, external in (('{"url": "example"}', False),
                           ('{"url": "example", "method": "PUT"}', True)):  # fmt: skip
        units, _, _ = cut(made(page), [text])
        assert [unit.external for unit in units] == [False, external]
        assert [unit.after for unit in units] == [(), None]


def test_a_text_that_ended_earlier_can_be_cut() -> None:
    """What the dialect takes back was never the call's."""
    splitter = ArgumentSplitter(made(search))
    splitter.feed('{"query": "a"}\n``` x')
    assert splitter.problem is not None
    splitter.truncate(14)
    assert splitter.problem is None
    assert splitter.flush()[0].text == "}"
    inside = ArgumentSplitter(made(search))
    inside.feed('{"query": "``` ')
    assert not inside.may_end()
