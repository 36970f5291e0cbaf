"""What is not there yet: programs that are expected to differ, each list to be emptied."""

from __future__ import annotations

AWAITS: frozenset[str] = frozenset()
UNDO: frozenset[str] = frozenset()
