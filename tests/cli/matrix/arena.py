"""Runs a tool's calls through the whole engine, and lets something happen in the middle of one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conveyor_cli.backends.base import Role
from conveyor_cli.backends.scripted import ScriptedBackend
from conveyor_cli.compose import Parts, make_parts, make_run
from conveyor_cli.engine.events import CallOpened, Event, StopReason, UnitStarted
from conveyor_cli.engine.metrics import measure
from conveyor_cli.engine.policy import Mode
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.performance import end_parts
from conveyor_cli.report import run_report
from conveyor_cli.task import Expectation, Task
from conveyor_cli.trust import TrustStore, claim_of
from tests.cli.matrix.sides import Call

_RATE = 1000.0
_PADDING = " " * 400
"""Written behind the arguments: the first call's text goes on while its units run."""


_END = "}\n</tool_call>"
_MOST_TOKENS = 1000
"""In so many a long text is chopped at most."""


def _at_once() -> None:
    """The other side need not be waited for."""


@dataclass(frozen=True)
class Incident:
    """What happens in the first call: once that unit of it runs, or, for None, once it is open."""

    unit: int | None
    strike: Callable[[Parts], None]
    reached: Callable[[], object] = _at_once
    """Returns when the other side has the call. Runs in a thread."""
    then: Callable[[], object] = _at_once
    """Runs in a thread, too, when the run that was struck is over, before another one begins."""


def stop(parts: Parts) -> None:
    """As Ctrl-C does."""
    parts.agent.halt(StopReason.CANCELLED)


def kill_sandbox(parts: Parts) -> None:
    """As somebody outside does."""
    sandbox = parts.workplace._sandbox
    process = getattr(sandbox, "_process", None)
    assert process is not None
    process.kill()


@dataclass
class Played:
    """What came of the calls, each a response of its own."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def results(self) -> list[tuple[Any, ...]]:
        """What a user could tell two plays apart by."""
        names = ("status", "output", "stderr", "result", "error")
        return [tuple(call[name] for name in names) for call in self.calls]


def play(
    settings: Mapping[str, Any],
    calls: Sequence[Call],
    *,
    mode: str = "partial",
    chunk: int = 4,
    incident: Incident | None = None,
) -> Played:
    """Make the calls, one after the other. A run that was stopped is followed by another one."""
    first, *others = (
        f'<tool_call>\n{{"name": "{tool}", "arguments": {json.dumps(arguments)}'
        for tool, arguments in calls
    )
    script = [f"{first}{_PADDING}{_END}", *(f"{text}{_END}" for text in others), "Done."]
    chunk = max(chunk, max(map(len, script)) // _MOST_TOKENS)
    model: dict[str, Any] = {"backend": "scripted", "script": Path("-"), "dialect": "hermes"}
    model["max_new_tokens"] = 2 * _MOST_TOKENS
    limits = {"tokens": 20 * _MOST_TOKENS}
    task = Task.model_validate(
        {
            "name": "matrix",
            "prompt": "-",
            "model": model,
            "mode": mode,
            "approve": "never",
            "limits": limits,
        }
        | settings
    )
    for choice in task.tools:
        claim = claim_of(choice)
        if claim is not None:
            TrustStore().add(claim)
    backend = ScriptedBackend(script, rate=_RATE, chunk=chunk)
    return asyncio.run(_play(task, backend, incident))


async def _play(task: Task, backend: ScriptedBackend, incident: Incident | None) -> Played:
    played = Played()
    parts = make_parts(task, _silent, backend)
    parts.pool.fill()
    strikes: list[asyncio.Task[None]] = []

    async def strike(incident: Incident) -> None:
        await asyncio.to_thread(incident.reached)
        incident.strike(parts)

    def watch(event: Event) -> None:
        match event:
            case UnitStarted(_, unit) if unit.call == 1:
                begins = incident is not None and incident.unit == unit.index
            case CallOpened(_, _, 1):
                begins = incident is not None and incident.unit is None
            case _:
                begins = False
        if begins and incident is not None:
            strikes.append(asyncio.create_task(strike(incident)))

    try:
        while not played.statuses or played.statuses[-1] == "interrupted":
            timeline = Timeline()

            def emit(event: Event, timeline: Timeline = timeline) -> None:
                timeline.apply(event)
                watch(event)

            run = make_run(task, "matrix", parts, emit, _silent)
            await run.run(task.prompt, task.limits.seconds)
            report = run_report(timeline, measure(timeline), Expectation(), None)
            played.calls += report["calls"]
            played.statuses.append(report["status"])
            if incident is not None and len(played.statuses) == 1:
                await asyncio.to_thread(incident.then)
        await asyncio.gather(*strikes)
    finally:
        await end_parts(parts)
    played.told = [it.content for it in parts.agent.messages if it.role is Role.TOOL]
    return played


def _silent(_what: str, _fraction: float | None) -> None:
    """Shows no progress."""


MODES = tuple(mode.value for mode in Mode)
