"""The only place where partial and sequential execution differ: may this be acted on now?"""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """How calls are run."""

    PARTIAL = "partial"
    """Each unit as soon as it is closed, while the model goes on decoding."""
    SEQUENTIAL = "sequential"
    """All units of a call as one batch, when the call is closed: what other agents do."""


def may_start(mode: Mode, *, call_closed: bool) -> bool:
    """Whether what is known of a call may be acted on, given that it is closed or still decoded.

    A closed unit may start then, its tool may prepare itself, and arguments that are wrong may
    end the response.
    """
    return mode is Mode.PARTIAL or call_closed
