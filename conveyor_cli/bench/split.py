"""How fast the Python splitter is, on texts that are hard on it in different ways."""

from __future__ import annotations

import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

from conveyor_tools.splitters.python import PythonSplitter

_SIZE = 100_000


@dataclass(frozen=True, slots=True)
class Speed:
    """What splitting one text in pieces of `chunk` characters took: the best of the runs."""

    text: str
    chunk: int
    mb_per_s: float
    """Millions of characters a second."""
    us_per_delta: float
    """Microseconds a piece."""


def measure(chunk: int, runs: int = 3) -> list[Speed]:
    """Split each of the texts, in pieces of `chunk` characters."""
    return [_speed(name, text, chunk, runs) for name, text in texts(_SIZE).items()]


def texts(size: int) -> dict[str, str]:
    """Texts of about `size` characters, by what they are."""

    def fill(piece: str) -> str:
        return piece * (size // len(piece))

    return {
        "standard library": _library(size),
        "small statements": fill("x = 'abc'\ny = [1, 2]\n"),
        "literal table": f"x = [\n{fill(_ROW)}]\n",
        "string of column-0 lines": f"x = '''\n{fill(_LINES)}'''\n",
    }


_ROW = "    (1234, 'abc', {'k': 5.6}),\n"
_LINES = 'if a:\n    "b"\nelse: # c\n'


def _library(size: int) -> str:
    source = Path(sysconfig.get_path("stdlib"), "argparse.py").read_text(encoding="utf-8")
    return (source * (size // len(source) + 1))[:size]


def _speed(name: str, text: str, chunk: int, runs: int) -> Speed:
    pieces = [text[start : start + chunk] for start in range(0, len(text), chunk)]
    best = min(_seconds(pieces) for _ in range(runs))
    return Speed(name, chunk, len(text) / best / 1e6, best / len(pieces) * 1e6)


def _seconds(pieces: list[str]) -> float:
    splitter = PythonSplitter()
    began = time.perf_counter()
    for piece in pieces:
        splitter.feed(piece)
    splitter.flush()
    return time.perf_counter() - began
