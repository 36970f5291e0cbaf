"""The arguments of a call, cut into what starts it."""

from __future__ import annotations

import itertools

import pytest

from conveyor_tools.arguments import ArgumentSplitter
from conveyor_tools.function import FunctionTool
from conveyor_tools.registry import find_tool


def chopped(text: str, pieces: int) -> list[list[str]]:
    """The text in so many pieces, in every way there is."""
    cuts = itertools.combinations(range(1, len(text)), pieces - 1)
    return [[text[a:b] for a, b in itertools.pairwise((0, *places, len(text)))] for places in cuts]


@pytest.mark.parametrize("pieces", [1, 2, 3])
@pytest.mark.parametrize(
    ("end", "message"),
    [("", None), (" \n", None), (" x ", "nothing may follow"), ("}\n", "nothing may follow")],
)
def test_what_follows_the_arguments(end: str, message: str | None, pieces: int) -> None:
    """White space may, anything else may not, however the text comes."""
    tool = find_tool("calculator")
    assert isinstance(tool, FunctionTool)
    text = '{"expression": "1"}' + end
    for parts in chopped(text, pieces):
        splitter = ArgumentSplitter(tool)
        units = [unit for part in parts for unit in splitter.feed(part)] + splitter.flush()
        assert "".join(unit.text for unit in units) == text
        found = splitter.problem and splitter.problem.message
        assert found is None if message is None else message in (found or ""), parts
