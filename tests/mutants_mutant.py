"""What a mutant is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file. `tests` are arguments of pytest."""

    breaks: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
