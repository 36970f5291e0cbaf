"""What splitting costs: in proportion to the text, however it is chopped."""

from __future__ import annotations

import pytest

from conveyor_cli.bench.split import argument_texts, measure, texts
from conveyor_tools.splitters.python import PythonSplitter
from tests.tools.splitters.cost import calls, copied

SIZE = 20_000
ARGUMENTS = argument_texts(SIZE)
"""They are checked by a schema, too: nothing is promised of their speed."""
FIELDS = "x = f'''" + "{a['b']:{w}} \\N{DIGIT ONE} ''\n" * 400 + "'''\n"
TEXTS = {
    **texts(SIZE),
    "f-string": FIELDS,
    "blank lines and comments": "if x:\n  y\n" + "\n# c\n  \t\n" * 2000,
    "decorators": "@a\n" * 5000,
    "backslashes": "x = \\\n" * 3000,
    "blanks after async": "async" + " \\\n" * 3000,
    "quotes": "'" * SIZE,
    "carriage returns": "a\r\r\n" * 4000,
    "open brackets": "(" * SIZE,
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("chunk", [1, 4, 10**6])
def test_calls_grow_with_the_text(name: str, chunk: int) -> None:
    """Twice the text takes at most about twice the calls."""
    text = TEXTS[name]
    half = calls(PythonSplitter(), text[: len(text) // 2], chunk)
    assert calls(PythonSplitter(), text, chunk) < 2.3 * half + 200


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("chunk", [4, 64, 10**6])
def test_characters_are_copied_a_few_times(name: str, chunk: int) -> None:
    """No more is copied than a few times the text, however long it is."""
    text = TEXTS[name]
    assert 0 < copied(PythonSplitter(), text, chunk) < 8 * len(text)


@pytest.mark.parametrize("name", ["literal table", "string of column-0 lines"])
@pytest.mark.parametrize("chunk", [4, 64])
def test_one_large_statement_costs_no_more(name: str, chunk: int) -> None:
    """A statement of 100 kB takes no more calls a character than many small ones."""
    large, small = texts(100_000)[name], texts(100_000)["small statements"]
    assert calls(PythonSplitter(), large, chunk) / len(large) <= calls(
        PythonSplitter(), small, chunk
    ) / len(small)


@pytest.mark.full
def test_speed() -> None:
    """Half of what is promised, at least: 2 MB/s in pieces of 64, 5 µs for one of 4."""
    for speed in measure(64):
        assert speed.text in ARGUMENTS or speed.mb_per_s > 1, speed
    for speed in measure(4):
        assert speed.text in ARGUMENTS or speed.us_per_delta < 10, speed
