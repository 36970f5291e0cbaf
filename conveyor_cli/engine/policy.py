"""The only place where partial and sequential execution differ: may this unit start now?"""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """How calls are run."""

    PARTIAL = "partial"
    """Each unit as soon as it is closed, while the model goes on decoding."""
    SEQUENTIAL = "sequential"
    """All units of a call as one batch, when the call is closed: what other agents do."""


def may_start(mode: Mode, *, call_closed: bool) -> bool:
    """Whether a closed unit may start, given that its call is closed or is still being decoded."""
    return mode is Mode.PARTIAL or call_closed
