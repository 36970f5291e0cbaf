"""The perfect pipeline of a turn: the order of its units, and when each could have ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from conveyor_cli.engine.intervals import kept_waiting
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.engine.tracks import TurnTrack, UnitTrack


def pipeline(
    turn: TurnTrack,
    end: float,
    release: Callable[[UnitTrack], float],
    allowed: Callable[[int], float],
) -> float:
    """How long the turn takes when every unit starts at its release, at no cost.

    Each runs for as long as it was measured to run, without the time that tools called by it had
    to wait after the call was `allowed` them: that is the user's, who was asked.
    """
    decoded_until = turn.started_at if turn.last_delta_at is None else turn.last_delta_at
    over = max(decoded_until, turn.started_at)

    def end_of(unit: UnitTrack, free_at: float) -> float:
        nonlocal over
        assert unit.started_at is not None
        finish = end if unit.finished_at is None else unit.finished_at
        held = kept_waiting(unit, finish, allowed(unit.key.call)) if unit.nested else 0.0
        ended = max(free_at, release(unit)) + (finish - unit.started_at) - held
        over = max(over, ended)
        return ended

    for _ in _in_order(turn, end_of):
        pass
    return over - turn.started_at


def start_latencies(timeline: Timeline) -> list[float]:
    """Ready to started, in seconds, of every unit that nothing kept waiting."""
    latencies = []
    for turn in timeline.turns.values():
        for unit, free_at in _in_order(turn, _ended_at):
            if not unit.held and free_at <= unit.ready_at:
                assert unit.started_at is not None
                latencies.append(unit.started_at - unit.ready_at)
    return latencies


def _ended_at(unit: UnitTrack, _: float) -> float:
    return math.inf if unit.finished_at is None else unit.finished_at


def _in_order(
    turn: TurnTrack, end_of: Callable[[UnitTrack, float], float]
) -> Iterator[tuple[UnitTrack, float]]:
    """The units of the turn that ran, each with the time when all that it depends on had ended.

    When a unit ends is for `end_of` to say, given that time. A unit depends on those that it comes
    `after`, and on all calls before its own; a call of a pure tool depends on none of them.
    """
    calls_over = -math.inf
    for call in turn.calls:
        begin = -math.inf if call.pure else calls_over
        ends: dict[int, float] = {}
        latest = begin
        for unit in call.units:
            if unit.started_at is None:
                continue
            free_at = latest
            if unit.after is not None:
                free_at = max((ends[it] for it in unit.after if it in ends), default=begin)
            yield unit, free_at
            end = ends[unit.key.index] = end_of(unit, free_at)
            latest = max(latest, end)
        calls_over = max(calls_over, latest)
