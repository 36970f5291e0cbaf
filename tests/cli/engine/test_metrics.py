"""The metrics, held against numbers worked out by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conveyor_cli.engine import events as ev
from conveyor_cli.engine.metrics import Metrics, measure
from conveyor_cli.engine.timeline import Timeline
from conveyor_sandbox.reports import Outcome, Status, UnitKey

OK = Outcome(Status.OK)


def fold(events: list[ev.Event]) -> Timeline:
    timeline = Timeline()
    for event in events:
        timeline.apply(event)
    return timeline


def unit(
    call: int,
    index: int,
    ready: float,
    start: float,
    end: float,
    after: tuple[int, ...] | None = None,
    *,
    external: bool = False,
) -> list[ev.Event]:
    """The events of a unit that ran."""
    key = UnitKey(call, index)
    return [
        ev.UnitReady(ready, key, (index + 1, index + 1), "x\n", after, external),
        ev.UnitStarted(start, key),
        ev.UnitFinished(end, key, start, OK),
    ]


def turn(
    number: int, start: float, first: float, last: float, *inside: ev.Event, end: float
) -> list[ev.Event]:
    """A turn of 11 tokens from `first` to `last`."""
    return [
        ev.TurnStarted(start, number),
        ev.FirstToken(first, number),
        ev.DeltaDecoded(first, number, "a", 1),
        ev.DeltaDecoded(last, number, "b", 10),
        *inside,
        ev.TurnEnded(end, number),
    ]


def opened(call: int, lane: str, number: int = 1, *, pure: bool = False) -> ev.Event:
    return ev.CallOpened(0.0, number, call, lane, lane, 0, pure=pure)


def closed(call: int, at: float) -> ev.Event:
    return ev.CallClosed(at, 1, call, "x\n", complete=True)


def near(value: float) -> object:
    return pytest.approx(value, abs=1e-9)


def one_lane() -> Metrics:
    """Decode 10.0 to 12.0. Units: ready 10.5 ran 10.6 to 11.6; ready 11.0 ran 11.6 to 12.5."""
    return measure(
        fold(
            turn(
                1, 10.0, 10.2, 12.0,
                opened(1, "python"),
                *unit(1, 0, 10.5, 10.6, 11.6),
                *unit(1, 1, 11.0, 11.6, 12.5),
                closed(1, 11.9),
                end=12.6,
            )
        )
    )  # fmt: skip


def test_times_of_one_lane() -> None:
    """Wall, decode, tool, overlap and exposed are what the intervals say."""
    metrics = one_lane()
    assert metrics.wall_s == near(2.6)
    assert metrics.decode_s == near(2.0)
    assert metrics.tool_s == near(1.9)
    assert metrics.overlap_s == near(1.4)
    assert metrics.exposed_tool_s == near(0.5)


def test_the_ideal_starts_units_at_no_cost() -> None:
    """10.5 + 1.0 = 11.5, then + 0.9 = 12.4: 2.4 s after the start."""
    metrics = one_lane()
    assert metrics.ideal_s == near(2.4)
    assert metrics.overhead_s == near(0.2)
    assert metrics.efficiency == near(2.4 / 2.6)


def test_the_sequential_estimate_waits_for_the_call() -> None:
    """The call closed at 11.9: + 1.9 s of units = 13.8, 3.8 s after the start."""
    assert one_lane().sequential_estimate_s == near(3.8)


def asking(number: int, made: float, started: float, finished: float) -> list[ev.Event]:
    """The events of a tool that the first unit of the first call waited for."""
    key = UnitKey(1, 0)
    return [
        ev.NestedCallMade(made, key, number, "send", "{}", waits=True),
        ev.NestedCallStarted(started, key, number),
        ev.NestedCallFinished(finished, key, number, OK.status, ""),
    ]


def test_waiting_for_approval_is_nobodys_cost() -> None:
    """A tool called at 2 may begin when its call closes, at 3; the user says yes at 6."""
    ready, started, finished = unit(1, 0, 1.0, 1.0, 7.0)
    inside = (opened(1, "python"), ready, started, *asking(1, 2.0, 6.0, 6.5), finished)
    events = turn(1, 0.0, 0.5, 3.0, *inside, closed(1, 3.0), end=7.0)
    metrics = measure(fold(events))
    assert metrics.ideal_s == near(4.0)  # until it closes, 0.5 of the tool, 0.5 of the unit
    assert metrics.sequential_estimate_s == near(5.0)  # closes, 1 of the unit before it, the rest
    assert metrics.tool_s == near(6.0)


def test_speed_leaves_prefill_out() -> None:
    """10 tokens after the first delta, in 1.8 s."""
    metrics = one_lane()
    assert metrics.ttft_s == near(0.2)
    assert metrics.tokens == 11
    assert metrics.tokens_per_s == near(10 / 1.8)


def test_start_latency_counts_units_that_nothing_kept_waiting() -> None:
    """The second unit waited for the first, so only the first's 0.1 s counts."""
    metrics = one_lane()
    assert (metrics.start_p50_s, metrics.start_p99_s) == (near(0.1), near(0.1))


def test_start_latency_percentiles_are_of_real_units() -> None:
    """Nearest rank: of 1 to 100 ms, the 50th and the 99th."""
    units = [
        event
        for i in range(100)
        for event in unit(1, i, i + 1.0, i + 1.0 + (i + 1) / 1000, i + 1.5)
    ]
    metrics = measure(fold(turn(1, 0.0, 0.1, 101.0, opened(1, "python"), *units, end=102.0)))
    assert (metrics.start_p50_s, metrics.start_p99_s) == (near(0.050), near(0.099))


def test_held_units_have_no_start_latency() -> None:
    """What the policy held says nothing of how fast the sandbox starts."""
    events = turn(1, 0.0, 0.1, 2.0, opened(1, "python"), *unit(1, 0, 1.0, 2.0, 2.5), end=2.6)
    events.insert(-2, ev.UnitHeld(1.0, UnitKey(1, 0)))
    assert measure(fold(events)).start_p50_s is None


def test_pure_calls_run_side_by_side() -> None:
    """They wait for no call before them: tool time is their union, the ideal the later end."""
    metrics = measure(
        fold(
            turn(
                1, 0.0, 0.1, 2.0,
                opened(1, "db"), opened(2, "search", pure=True),
                *unit(1, 0, 0.5, 0.5, 1.5),
                *unit(1, 1, 0.6, 1.5, 1.7),
                *unit(2, 0, 1.0, 1.0, 3.0),
                closed(1, 0.6), closed(2, 2.0),
                end=3.1,
            )
        )
    )  # fmt: skip
    assert metrics.tool_s == near(2.5)  # 0.5 to 3.0
    assert metrics.overlap_s == near(1.5)  # 0.5 to 2.0
    assert metrics.ideal_s == near(3.0)  # db: 1.7, search: 3.0
    assert metrics.sequential_estimate_s == near(4.0)  # db: 0.6 + 1.2, search: 2.0 + 2.0


@pytest.mark.parametrize("lane", ["python", "db"])
def test_other_calls_run_one_after_the_other(lane: str) -> None:
    """A second call cannot start before the first is through, whatever its state."""
    metrics = measure(
        fold(
            turn(
                1, 0.0, 0.1, 1.0,
                opened(1, "python"), opened(2, lane),
                *unit(1, 0, 0.2, 0.2, 2.2),
                *unit(2, 0, 0.9, 2.2, 3.2),
                end=3.2,
            )
        )
    )  # fmt: skip
    assert metrics.ideal_s == near(3.2)


def test_steps_wait_for_what_they_use_only() -> None:
    """Two side by side, a third after the second, a fourth with effects after the plan."""
    metrics = measure(
        fold(
            turn(
                1, 0.0, 0.1, 2.0,
                opened(1, "plan"),
                *unit(1, 0, 0.5, 0.5, 2.5, ()),
                *unit(1, 1, 0.7, 0.8, 1.8, ()),
                *unit(1, 2, 0.9, 1.9, 2.4, (1,)),
                *unit(1, 3, 1.0, 2.5, 2.6, (0, 1, 2), external=True),
                closed(1, 2.0),
                end=2.7,
            )
        )
    )  # fmt: skip
    assert metrics.ideal_s == near(2.6)  # 2.5 + 0.1
    assert metrics.sequential_estimate_s == near(4.1)  # 2.0 + 2.0 + 0.1
    assert metrics.start_p99_s == near(0.1)  # the third and the fourth were kept waiting


def test_the_ideal_is_never_under_decode() -> None:
    """Tools that are done long before decoding cost nothing."""
    metrics = measure(
        fold(turn(1, 0.0, 0.1, 5.0, opened(1, "python"), *unit(1, 0, 1.0, 1.1, 1.2), end=5.0))
    )
    assert (metrics.ideal_s, metrics.efficiency) == (near(5.0), near(1.0))


def test_turns_are_summed_and_startup_stands_apart() -> None:
    """Time between turns, and before the first, is in no turn's wall time."""
    timeline = fold(
        [
            ev.SandboxStarted(0.4, "docker", "image", "3.12", 0.4),
            ev.ModelLoaded(7.0, "model", 7.0),
            *turn(1, 8.0, 8.1, 9.0, opened(1, "python"), *unit(1, 0, 8.5, 8.5, 9.5), end=9.5),
            *turn(2, 10.0, 10.3, 11.0, end=11.0),
        ]
    )
    metrics = measure(timeline)
    assert metrics.wall_s == near(2.5)
    assert metrics.decode_s == near(2.0)
    assert metrics.ideal_s == near(2.5)
    assert metrics.ttft_s == near(0.1)
    assert metrics.tokens_per_s == near(20 / (0.9 + 0.7))
    assert (metrics.model_startup_s, metrics.sandbox_startup_s) == (7.0, 0.4)
    assert metrics.startup_s == near(7.4)
    assert [part.wall_s for part in metrics.per_turn] == [near(1.5), near(1.0)]


def test_failures_and_skips_count_what_ran() -> None:
    """A failed unit's time is tool time; a skipped one has none."""
    key = UnitKey(1, 0)
    metrics = measure(
        fold(
            turn(
                1, 0.0, 0.1, 1.0,
                opened(1, "python"),
                ev.UnitReady(0.5, key, (1, 1), "x\n"),
                ev.UnitReady(0.6, UnitKey(1, 1), (2, 2), "y\n"),
                ev.UnitFinished(1.5, key, 0.5, Outcome(Status.ERROR)),
                ev.UnitSkipped(1.5, UnitKey(1, 1)),
                end=1.5,
            )
        )
    )  # fmt: skip
    assert (metrics.tool_s, metrics.ideal_s) == (near(1.0), near(1.5))


def test_a_run_that_was_cut_off_ends_with_its_last_event() -> None:
    """No TurnEnded, a unit still running: the last time seen stands for both."""
    events = turn(1, 0.0, 0.1, 1.0, opened(1, "python"), end=9.9)[:-1]
    key = UnitKey(1, 0)
    events += [ev.UnitReady(0.5, key, (1, 1), "x\n"), ev.UnitStarted(0.6, key)]
    events += [ev.DeltaDecoded(2.0, 1, "c", 1)]
    metrics = measure(fold(events))
    assert (metrics.wall_s, metrics.decode_s) == (near(2.0), near(2.0))
    assert (metrics.tool_s, metrics.overlap_s) == (near(1.4), near(1.4))


def test_now_stands_for_the_ends_of_a_run_that_goes_on() -> None:
    """The live view asks for the metrics as of now."""
    events = turn(1, 0.0, 0.1, 1.0, opened(1, "python"), end=9.9)[:-1]
    key = UnitKey(1, 0)
    events += [ev.UnitReady(0.5, key, (1, 1), "x\n"), ev.UnitStarted(0.6, key)]
    metrics = measure(fold(events), now=3.0)
    assert (metrics.wall_s, metrics.tool_s, metrics.exposed_tool_s) == (
        near(3.0),
        near(2.4),
        near(2.0),
    )


@pytest.mark.parametrize(
    "events",
    [[], [ev.TurnStarted(1.0, 1)], [ev.RunEnded(2.0, ev.RunStatus.FAILED, None, "no model")]],
)
def test_nothing_happened_yet(events: list[ev.Event]) -> None:
    """Without time or tokens there are zeros and no ratios, and no error."""
    metrics = measure(fold(events))
    assert (metrics.wall_s, metrics.tokens) == (0, 0)
    assert (metrics.efficiency, metrics.tokens_per_s, metrics.ttft_s) == (None, None, None)


def test_as_dict_is_json_in_microseconds() -> None:
    """What `--json` prints: rounded, start-up apart, each turn by itself."""
    printed = json.loads(json.dumps(one_lane().as_dict()))
    assert printed["wall_s"] == 2.6
    assert printed["efficiency"] == 0.923077
    assert printed["startup_s"] == {"model": 0.0, "sandbox": 0.0}
    assert [part["turn"] for part in printed["per_turn"]] == [1]


@dataclass
class Job:
    """A unit to be simulated."""

    call: int
    index: int
    ready: float
    seconds: float
    after: tuple[int, ...] | None
    external: bool
    start: float | None = None

    def may_start(
        self, jobs: list[Job], pure: set[int], closings: dict[int, float], at: float
    ) -> bool:
        """Whether nothing keeps it any more, by the rules alone."""
        for other in jobs:
            depends = other.call < self.call and self.call not in pure
            if other.call == self.call and other.index < self.index:
                depends = self.after is None or other.index in self.after
            if depends and (other.start is None or other.start + other.seconds > at):
                return False
        return at >= (max(self.ready, closings[self.call]) if self.external else self.ready)


def simulate(jobs: list[Job], pure: set[int], closings: dict[int, float]) -> float:
    """Start every job as soon as it may; return when the last one ends."""
    moments = [*(job.ready for job in jobs), *closings.values()]
    heapify(moments)
    while any(job.start is None for job in jobs):
        at = heappop(moments)
        waiting = [job for job in jobs if job.start is None]
        while started := [job for job in waiting if job.may_start(jobs, pure, closings, at)]:
            for job in started:
                job.start = at
                heappush(moments, at + job.seconds)
                waiting.remove(job)
    return max((job.start or 0.0) + job.seconds for job in jobs)


@dataclass
class Run:
    """A turn as it could have been, and what the rules alone say of it."""

    events: list[ev.Event]
    ideal: float
    sequential: float


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """A turn whose calls hold graphs of units; each runs a little later than it could."""
    whole = st.integers(0, 30)  # in tenths: sums are exact enough to be compared
    at = 0.0
    jobs: list[Job] = []
    pure: set[int] = set()
    closings: dict[int, float] = {}
    inside: list[ev.Event] = []
    for call in range(1, draw(st.integers(1, 4)) + 1):
        if draw(st.booleans()):
            pure.add(call)
        inside.append(opened(call, f"lane{call % 2}", pure=call in pure))
        for index in range(draw(st.integers(0, 5))):
            at += draw(whole) / 10
            earlier = st.sets(st.integers(0, index - 1)) if index else st.just(set[int]())
            after = draw(st.none() | earlier.map(sorted).map(tuple))
            external = draw(st.integers(0, 4)) == 0
            jobs.append(Job(call, index, at, draw(whole) / 10, after, external))
        at += draw(whole) / 10
        closings[call] = at
    decode = at
    ideal = max(decode, simulate(jobs, pure, closings)) if jobs else decode
    batch = [replace(job, ready=max(job.ready, closings[job.call]), start=None) for job in jobs]
    sequential = max(decode, simulate(batch, pure, closings)) if jobs else decode
    late = draw(st.floats(0, 0.1))
    for job in jobs:
        start = (job.start or 0.0) + late
        inside += unit(job.call, job.index, job.ready, start, start + job.seconds,
                       job.after, external=job.external)  # fmt: skip
    inside += [closed(call, when) for call, when in closings.items()]
    end = max([decode, *((job.start or 0.0) + job.seconds + late for job in jobs)])
    return Run(turn(1, 0.0, 0.0, decode, *inside, end=end), ideal, sequential)


@given(runs())
def test_the_ideal_is_what_the_rules_alone_allow(run: Run) -> None:
    """Against a simulation that knows nothing but what each unit waits for."""
    metrics = measure(fold(run.events))
    assert metrics.ideal_s == near(run.ideal)
    assert metrics.sequential_estimate_s == near(run.sequential)


@given(runs())
def test_the_parts_fit_together(run: Run) -> None:
    """Whatever ran: tool = exposed + overlap, within decode and tool; decode <= ideal <= wall."""
    metrics = measure(fold(run.events))
    slack = 1e-9
    assert metrics.tool_s == pytest.approx(metrics.exposed_tool_s + metrics.overlap_s)
    assert -slack <= metrics.overlap_s <= min(metrics.decode_s, metrics.tool_s) + slack
    assert metrics.decode_s <= metrics.ideal_s + slack
    assert metrics.ideal_s <= metrics.wall_s + slack
    assert metrics.ideal_s <= metrics.sequential_estimate_s + slack
