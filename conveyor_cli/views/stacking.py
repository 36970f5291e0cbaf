"""Units of one lane that ran side by side, stacked in rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from conveyor_cli.engine.tracks import UnitTrack

_MOST = 6
"""Rows of one lane."""
_SLACK = 0.0005
"""Seconds by which a unit may begin before another ends, and still stand behind it."""

Stack = list[list[UnitTrack]]


def stack(units: Sequence[UnitTrack], most: int = _MOST) -> Stack:
    """The units in rows, each in the first one that is free when it starts.

    There is at least one row. What has not started stands in the first one; what finds none free,
    in the last.
    """
    rows: Stack = [[]]
    ends = [-math.inf]
    for unit in sorted(units, key=_start):
        if unit.started_at is None:
            rows[0].append(unit)
            continue
        free = (it for it, end in enumerate(ends) if end <= unit.started_at + _SLACK)
        row = next(free, len(rows))
        if row == len(rows) < most:
            rows.append([])
            ends.append(-math.inf)
        row = min(row, len(rows) - 1)
        rows[row].append(unit)
        end = math.inf if unit.finished_at is None else unit.finished_at
        ends[row] = max(ends[row], end)
    return rows


def stack_lanes(lanes: Sequence[Sequence[UnitTrack]], room: int | None) -> list[Stack]:
    """Each lane in rows, all together in `room` rows if that many lanes fit at all.

    Where there is too little room, the lanes with the most rows give way first.
    """
    stacks = [stack(units) for units in lanes]
    while room is not None and sum(map(len, stacks)) > room:
        highest = max(range(len(stacks)), key=lambda it: len(stacks[it]))
        if len(stacks[highest]) == 1:
            break
        stacks[highest] = stack(lanes[highest], len(stacks[highest]) - 1)
    return stacks


def _start(unit: UnitTrack) -> float:
    return math.inf if unit.started_at is None else unit.started_at
