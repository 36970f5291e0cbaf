"""When something ran or waited: intervals of time, in seconds of the run's clock."""

from __future__ import annotations

from collections.abc import Iterable

from conveyor_cli.engine.tracks import TurnTrack, UnitTrack

Interval = tuple[float, float]


def busy_intervals(turn: TurnTrack, end: float) -> list[Interval]:
    """When at least one unit of the turn ran: disjoint, in order. `end` ends what still runs."""
    return _union(
        (unit.started_at, end if unit.finished_at is None else unit.finished_at)
        for call in turn.calls
        for unit in call.units
        if unit.started_at is not None
    )


def waits(unit: UnitTrack, end: float) -> list[Interval]:
    """When the unit waited for tools that it called: disjoint, in order."""
    return _union(
        (nested.made_at, end if nested.finished_at is None else min(end, nested.finished_at))
        for nested in unit.nested
        if nested.waits
    )


def kept_waiting(unit: UnitTrack, end: float, since: float) -> float:
    """How long after `since` tools that it called, and waited for, were not allowed to begin."""
    holds = []
    for nested in unit.nested:
        ends = (nested.started_at, nested.finished_at, end)
        begin, until = max(nested.made_at, since), next(at for at in ends if at is not None)
        if nested.waits and begin < until:
            holds.append((begin, until))
    return length(_union(holds))


def clipped(intervals: Iterable[Interval], low: float, high: float) -> list[Interval]:
    """The parts of the intervals that lie between `low` and `high`."""
    return [(max(a, low), min(b, high)) for a, b in intervals if a < high and b > low]


def length(intervals: Iterable[Interval]) -> float:
    """All of their time together."""
    return sum(b - a for a, b in intervals)


def _union(intervals: Iterable[Interval]) -> list[Interval]:
    union: list[Interval] = []
    for begin, finish in sorted(intervals):
        if union and begin <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], finish))
        else:
            union.append((begin, finish))
    return union
