"""The programs of the differential tests, by where they come from.

`corpus/*.py` hold those written by hand, one file a kind of case: `# %% name` begins a program, and
words in brackets after its name say what is special about it. Some of them are invalid on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.differential.generated import generate
from tests.differential.strange import STRANGE

CORPUS = Path(__file__).parent / "corpus"
GENERATED = 80
"""How many programs are generated; number n is always the same."""

_CELL = re.compile(r"^# %% (.*?)(?: \[(.*)\])?\n", re.MULTILINE)
_AWAITS = ("awaits",)
_WARNED = ("warned",)


@dataclass(frozen=True, slots=True)
class Program:
    """A program and what is special about it.

    `unseen`: it leaves no way to look at what it left. `awaits`: it is asynchronous at top level.
    `warned`: the compiler warns of it; a whole compile does so before anything runs.
    """

    name: str
    text: str
    marks: frozenset[str] = field(default_factory=frozenset)


def corpus() -> list[Program]:
    """All that are written by hand or generated."""
    found = [*_from_files(), *_strange(), *_generated()]
    assert len({program.name for program in found}) == len(found), "two of one name"
    return found


def _from_files() -> Iterator[Program]:
    for path in sorted(CORPUS.glob("*.py")):
        before, *cells = _CELL.split(path.read_text())
        assert before == "", f"{path.name} begins with a program"
        kind = {path.stem} & {*_AWAITS, *_WARNED}
        for name, marks, text in zip(*[iter(cells)] * 3, strict=True):
            yield Program(f"{path.stem}: {name}", text, kind | frozenset((marks or "").split()))


def _strange() -> Iterator[Program]:
    for name, text in STRANGE.items():
        yield Program(f"strange: {name}", text)


def _generated() -> Iterator[Program]:
    for number in range(GENERATED):
        yield Program(f"generated: {number}", generate(number))
