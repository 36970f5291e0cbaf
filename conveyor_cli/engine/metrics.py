"""The metrics of a run, as the design defines them, from its timeline alone.

All times are in seconds. A turn's wall time goes from `TurnStarted` to `TurnEnded`; loading the
model and getting the sandbox ready are apart. Where a run was cut off, the last event seen stands
for the ends that are missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from conveyor_cli.engine.intervals import busy_intervals, clipped, length
from conveyor_cli.engine.pipeline import pipeline, start_latencies
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.engine.tracks import TurnTrack, UnitTrack


@dataclass(frozen=True, slots=True)
class TurnMetrics:
    """Where the time of one turn went, in seconds."""

    turn: int
    wall_s: float
    decode_s: float
    """Turn start to last delta, prefill included."""
    tool_s: float
    """Union of the units' run times."""
    overlap_s: float
    """How much of `tool_s` lies within decoding."""
    exposed_tool_s: float
    """The rest of `tool_s`: what the user waited for."""
    ideal_s: float
    """The perfect pipeline on these measurements: every unit starts, at no cost, at the later of
    its closing (one with external effects: its call's) and the end of all that it depends on.
    Never under `decode_s`."""
    efficiency: float | None
    """`ideal_s / wall_s`; None where no time passed."""
    overhead_s: float
    """`wall_s - ideal_s`."""
    sequential_estimate_s: float
    """The same pipeline, were no unit to start before its call closed: what sequential execution
    would have taken. Text that an early stop left undecoded is not in it."""
    ttft_s: float | None
    """Turn start to first token; None where there was none."""
    tokens: int
    generation_s: float
    """First token to last delta: what `tokens_per_s` is measured over."""
    tokens_per_s: float | None
    """Tokens after the first delta by `generation_s`: the speed without prefill."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Where the time of a run went: sums over its turns, in seconds.

    `ttft_s` is the first turn's; rates and `efficiency` are those of the sums. `start_p50_s` and
    `start_p99_s` are the times from ready to started of the units that nothing kept waiting
    (neither what they depend on nor the policy).
    """

    wall_s: float
    decode_s: float
    tool_s: float
    overlap_s: float
    exposed_tool_s: float
    ideal_s: float
    efficiency: float | None
    overhead_s: float
    sequential_estimate_s: float
    ttft_s: float | None
    tokens: int
    generation_s: float
    tokens_per_s: float | None
    start_p50_s: float | None
    start_p99_s: float | None
    model_startup_s: float
    sandbox_startup_s: float
    per_turn: tuple[TurnMetrics, ...]

    @property
    def startup_s(self) -> float:
        """Getting the model and the sandbox ready, one after the other; not in `wall_s`."""
        return self.model_startup_s + self.sandbox_startup_s

    def as_dict(self) -> dict[str, object]:
        """All of it for JSON, times rounded to microseconds."""
        flat = {f.name: _rounded(getattr(self, f.name)) for f in fields(self)}
        flat["startup_s"] = {
            "model": flat.pop("model_startup_s"),
            "sandbox": flat.pop("sandbox_startup_s"),
        }
        flat["per_turn"] = [
            {name: _rounded(value) for name, value in asdict(turn).items()}
            for turn in self.per_turn
        ]
        return flat


def measure(timeline: Timeline, now: float | None = None) -> Metrics:
    """The metrics of a run, finished or not.

    `now` stands for the ends that are missing, where the run still goes on (seconds of its clock).
    """
    end = timeline.last_at if now is None else max(now, timeline.last_at)
    turns = tuple(measure_turn(turn, end) for turn in timeline.turns.values())
    return total(timeline, turns)


def measure_turn(turn: TurnTrack, end: float) -> TurnMetrics:
    """The metrics of one turn; `end` stands for what has not ended."""
    start = turn.started_at
    decoded_until = start if turn.last_delta_at is None else turn.last_delta_at
    busy = busy_intervals(turn, end)
    tool_s = length(busy)
    overlap_s = length(clipped(busy, start, decoded_until))
    wall_s = (end if turn.ended_at is None else turn.ended_at) - start
    closings = {
        call.number: decoded_until if call.closed_at is None else call.closed_at
        for call in turn.calls
    }

    def closed(unit: UnitTrack) -> float:
        return max(closings[unit.key.call], unit.ready_at)

    ideal_s = pipeline(
        turn,
        end,
        lambda unit: closed(unit) if unit.external else unit.ready_at,
        lambda call: closings[call],
    )
    sequential_s = pipeline(turn, end, closed, lambda _: -math.inf)
    first = turn.first_token_at
    generation_s = 0.0 if first is None else max(0.0, decoded_until - first)
    return TurnMetrics(
        turn=turn.number,
        wall_s=wall_s,
        decode_s=decoded_until - start,
        tool_s=tool_s,
        overlap_s=overlap_s,
        exposed_tool_s=tool_s - overlap_s,
        ideal_s=ideal_s,
        efficiency=ideal_s / wall_s if wall_s > 0 else None,
        overhead_s=wall_s - ideal_s,
        sequential_estimate_s=sequential_s,
        ttft_s=None if first is None else first - start,
        tokens=turn.tokens,
        generation_s=generation_s,
        tokens_per_s=_rate(turn.tokens - turn.first_tokens, generation_s),
    )


def total(timeline: Timeline, turns: tuple[TurnMetrics, ...]) -> Metrics:
    """The sums over `turns`, which are those of `timeline`."""
    wall_s = sum(turn.wall_s for turn in turns)
    ideal_s = sum(turn.ideal_s for turn in turns)
    generation_s = sum(turn.generation_s for turn in turns)
    generated = sum(turn.tokens - turn.first_tokens for turn in timeline.turns.values())
    latencies = sorted(start_latencies(timeline))
    return Metrics(
        wall_s=wall_s,
        decode_s=sum(turn.decode_s for turn in turns),
        tool_s=sum(turn.tool_s for turn in turns),
        overlap_s=sum(turn.overlap_s for turn in turns),
        exposed_tool_s=sum(turn.exposed_tool_s for turn in turns),
        ideal_s=ideal_s,
        efficiency=ideal_s / wall_s if wall_s > 0 else None,
        overhead_s=wall_s - ideal_s,
        sequential_estimate_s=sum(turn.sequential_estimate_s for turn in turns),
        ttft_s=turns[0].ttft_s if turns else None,
        tokens=sum(turn.tokens for turn in turns),
        generation_s=generation_s,
        tokens_per_s=_rate(generated, generation_s),
        start_p50_s=_percentile(latencies, 50),
        start_p99_s=_percentile(latencies, 99),
        model_startup_s=timeline.model.seconds if timeline.model else 0.0,
        sandbox_startup_s=sum(sandbox.seconds for sandbox in timeline.sandboxes),
        per_turn=turns,
    )


def _rate(tokens: int, seconds: float) -> float | None:
    return tokens / seconds if tokens > 0 and seconds > 0 else None


def _percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The smallest value that at least `percent` of them do not exceed (nearest rank)."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _rounded(value: object) -> object:
    return round(value, 6) if isinstance(value, float) else value
