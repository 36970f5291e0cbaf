"""What splitting commands costs: in proportion to the text, however it is chopped."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, SupportsIndex

import pytest

from conveyor_cli.bench.split import shell_texts
from conveyor_tools.splitters.shell import ShellSplitter
from tests.tools.splitters.feeding import pieces

SIZE = 12_000
TEXTS = {
    **shell_texts(SIZE),
    "open quote": "echo '" + "a b\n" * 3000,
    "nested substitutions": "echo " + "$(a " * 3000,
    "nested parentheses": "( " * 6000,
    "brackets": "[" * SIZE,
    "subscript": "a[" * 6000,
    "braces": "${a" * 4000,
    "backslashes": "a\\\n" * 4000,
    "dollars": "$" * SIZE,
    "less-than": "<<" * 6000,
    "delimiter that does not end": "cat <<" + "a" * SIZE,
    "joined lines of a document": "cat <<E\n" + "E\\\n" * 4000,
    "long line of a document": "cat <<E\n" + "x" * SIZE,
    "many documents": "cat" + " <<E" * 2000 + "\n" + "E\n" * 2000,
    "long word": "a" * SIZE,
    "assignments of nothing": "a=()" * 3000,
    "operators": "a &&\n" * 2400,
    "comments": "# it's\n" * 1700,
    "functions": "f() {\n" * 2000,
}


class Watched(str):
    """A text that notes how many of its characters are copied."""

    __slots__ = ()
    copied = 0

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        part = Watched(super().__getitem__(key))
        Watched.copied += len(part)
        return part

    def __radd__(self, other: str) -> str:
        Watched.copied += len(other) + len(self)
        return Watched(str(other) + str(self))


def calls(text: str, chunk: int) -> int:
    """How many functions are called, C functions included, while the text is split."""
    count = 0

    def profile(_frame: FrameType, event: str, _arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    splitter = ShellSplitter()
    sys.setprofile(profile)
    try:
        for piece in pieces(text, chunk):
            splitter.feed(piece)
        splitter.flush()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("chunk", [1, 4, 10**6])
def test_calls_grow_with_the_text(name: str, chunk: int) -> None:
    """Twice the text takes at most about twice the calls."""
    text = TEXTS[name]
    half = calls(text[: len(text) // 2], chunk)
    assert calls(text, chunk) < 2.3 * half + 200


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("chunk", [4, 64, 10**6])
def test_characters_are_copied_a_few_times(name: str, chunk: int) -> None:
    """No more is copied than a few times the text, however long it is."""
    text = TEXTS[name]
    Watched.copied = 0
    splitter = ShellSplitter()
    for piece in pieces(text, chunk):
        splitter.feed(Watched(piece))
    splitter.flush()
    assert 0 < Watched.copied < 8 * len(text)
