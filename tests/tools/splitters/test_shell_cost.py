"""What splitting commands costs: in proportion to the text, however it is chopped."""

from __future__ import annotations

import pytest

from conveyor_cli.bench.split import shell_texts
from conveyor_tools.splitters.shell import ShellSplitter
from tests.tools.splitters.cost import calls, copied

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


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("chunk", [1, 4, 10**6])
def test_calls_grow_with_the_text(name: str, chunk: int) -> None:
    """Twice the text takes at most about twice the calls."""
    text = TEXTS[name]
    half = calls(ShellSplitter(), text[: len(text) // 2], chunk)
    assert calls(ShellSplitter(), text, chunk) < 2.3 * half + 200


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("chunk", [4, 64, 10**6])
def test_characters_are_copied_a_few_times(name: str, chunk: int) -> None:
    """No more is copied than a few times the text, however long it is."""
    text = TEXTS[name]
    assert 0 < copied(ShellSplitter(), text, chunk) < 8 * len(text)
