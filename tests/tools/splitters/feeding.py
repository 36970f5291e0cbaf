"""Feeding a splitter piece by piece, and noting what it gives out when."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from conveyor_tools.splitters.base import Unit
from conveyor_tools.splitters.python import PythonSplitter

RUNNING = tuple(sys.version_info[:2])
"""The version of Python whose `ast` judges."""


def pieces(text: str, size: int) -> list[str]:
    """The text in pieces of that many characters."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def units(deltas: Iterable[str], version: tuple[int, ...] = RUNNING) -> list[Unit]:
    """All units of a text that comes in these pieces."""
    splitter = PythonSplitter(version)
    found = [unit for delta in deltas for unit in splitter.feed(delta)]
    return found + splitter.flush()


def releases(text: str, version: tuple[int, ...] = RUNNING) -> list[tuple[str, int | None]]:
    """The units' texts, and after which character (counted from 1) each was given out.

    The text comes one character at a time. None: given out at the end of the call.
    """
    splitter = PythonSplitter(version)
    found: list[tuple[str, int | None]] = []
    for count, char in enumerate(text, 1):
        found += [(unit.text, count) for unit in splitter.feed(char)]
    return found + [(unit.text, None) for unit in splitter.flush()]
