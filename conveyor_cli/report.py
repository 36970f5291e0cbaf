"""A run as one JSON object: what `--json` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from conveyor_cli.engine.events import CheckpointTaken
from conveyor_cli.engine.metrics import Metrics
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.engine.tracks import CallTrack, NestedTrack, UnitTrack
from conveyor_cli.task import Expectation
from conveyor_sandbox.reports import Status, Stream

SCHEMA = 1


def run_report(
    timeline: Timeline, metrics: Metrics, expect: Expectation, journal: str | None
) -> dict[str, Any]:
    """The run as plain data. Times are seconds from the start of the run."""
    started, ended = timeline.started, timeline.ended
    assert started is not None
    return {
        "schema": SCHEMA,
        "run_id": started.run_id,
        "task": started.task,
        "mode": started.mode,
        "status": ended.status.value if ended else "cut_off",
        "reason": ended.reason if ended else "the run was cut off",
        "answer": ended.answer if ended else None,
        "turns": len(timeline.turns),
        "calls": [_call(call) for call in timeline.calls.values()],
        "unmet": unmet(timeline, expect),
        "checkpoints": [_checkpoint(taken) for taken in timeline.checkpoints],
        "metrics": metrics.as_dict(),
        "journal": journal,
    }


def _call(call: CallTrack) -> dict[str, Any]:
    outcome = call.outcome
    failure = outcome.failure if outcome else None
    return {
        "tool": call.tool,
        "turn": call.turn,
        "status": (outcome.status if outcome else Status.CANCELLED).value,
        "output": _written(call, Stream.STDOUT),
        "stderr": _written(call, Stream.STDERR),
        "result": outcome.result if outcome else None,
        "error": asdict(failure) if failure else None,
        "lost": call.lost,
        "units": [_unit(unit) for unit in call.units],
        "nested": [_nested(unit, each) for unit in call.units for each in unit.nested],
    }


def _checkpoint(taken: CheckpointTaken) -> dict[str, Any]:
    return {
        "at": round(taken.at, 6),
        "seconds": round(taken.seconds, 6),
        "resident": taken.resident,
        "why_not": taken.why_not,
    }


def _written(call: CallTrack, stream: Stream) -> str:
    """What the call wrote; of one that was taken back, nothing (the journal has it)."""
    undone = call.outcome and call.outcome.status in (Status.ROLLED_BACK, Status.CANCELLED)
    return "" if undone else call.written(stream)


def _unit(unit: UnitTrack) -> dict[str, Any]:
    ran = unit.started_at is not None
    return {
        "index": unit.key.index,
        "span": list(unit.span),
        "ready_at": round(unit.ready_at, 6),
        "started_at": round(unit.started_at, 6) if unit.started_at is not None else None,
        "finished_at": round(unit.finished_at, 6) if ran and unit.finished_at else None,
        "status": (unit.status or Status.CANCELLED).value,
        "progress": unit.progress or None,
    }


def _nested(unit: UnitTrack, nested: NestedTrack) -> dict[str, Any]:
    return {
        "unit": unit.key.index,
        "tool": nested.tool,
        "arguments": nested.arguments,
        "made_at": round(nested.made_at, 6),
        "started_at": None if nested.started_at is None else round(nested.started_at, 6),
        "finished_at": None if nested.finished_at is None else round(nested.finished_at, 6),
        "status": (nested.status or Status.CANCELLED).value,
        "error": nested.message or None,
    }


def unmet(timeline: Timeline, expect: Expectation) -> list[str]:
    """What of the task's `expect` does not hold, in words."""
    calls = timeline.calls.values()
    outputs = [_written(call, Stream.STDOUT) for call in calls]
    results = [call.outcome.result or "" for call in calls if call.outcome]
    answer = (timeline.ended.answer if timeline.ended else None) or ""
    looked_at = (
        ("output_contains", expect.output_contains, outputs, "no call's output"),
        ("result_contains", expect.result_contains, results, "no call's result"),
        ("answer_contains", expect.answer_contains, [answer], "the answer does not"),
    )
    return [
        f"expect.{name}: {where} contain{'s' if 'no ' in where else ''} {wanted!r}"
        for name, wanted, texts, where in looked_at
        if wanted is not None and not any(wanted in text for text in texts)
    ]
