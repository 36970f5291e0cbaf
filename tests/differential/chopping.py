"""Ways in which a response may be chopped and timed."""

from __future__ import annotations

import itertools
import random

from tests.differential.arms import Pieces

_MOST = 1500
"""Pieces of one response."""
_LONGEST_DELAY = 0.004
"""Seconds. Long enough for a unit to run between two pieces, and so for any order of both."""


def whole(text: str) -> Pieces:
    """At once."""
    return [(0.0, text)]


def ragged(text: str, seed: int | str, *, delays: bool = False) -> Pieces:
    """In random pieces, mostly of some characters; with delays, some of which are none."""
    rng = random.Random(seed)
    size = rng.choice([1, 3, 4, 12])
    count = min(len(text), max(1, len(text) // size))
    edges = sorted(rng.choices(range(len(text) + 1), k=min(count, _MOST)))
    texts = [text[a:b] for a, b in itertools.pairwise([0, *edges, len(text)])]
    pauses = min(1.0, 60 / len(texts)) if delays else 0.0
    return [
        (rng.uniform(0, _LONGEST_DELAY) if rng.random() < pauses else 0.0, piece) for piece in texts
    ]
