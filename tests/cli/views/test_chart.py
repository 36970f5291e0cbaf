"""The chart: what is drawn where."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from conveyor_cli.engine import events as ev
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.engine.tracks import UnitTrack
from conveyor_cli.views.bars import EIGHTHS, Fill, Ink, Strip
from conveyor_cli.views.chart import Chart, live_span, nice, seconds
from conveyor_cli.views.stacking import stack
from conveyor_sandbox.reports import Outcome, Status, UnitKey
from tests.cli.views import scenes
from tests.cli.views.terminal import fold

EVERY = [
    scenes.analysis,
    scenes.failing,
    scenes.two_lanes,
    scenes.rolled_back,
    scenes.hostile,
    scenes.plan,
]
FILE = Ink(reverse=False)
OFFSET = 10  # " overlap  "


def drawn(timeline: Timeline, width: int = 50, **options: float | None) -> dict[str, str]:
    """The chart's rows by their label; 50 cells leave 40 for the axis."""
    rows = [row.plain for row in Chart(timeline, **options).rows(width, FILE)]  # type: ignore[arg-type]
    return {row[1 : OFFSET - 2].strip() or "ticks": row[OFFSET:] for row in rows}


def simple() -> list[ev.Event]:
    """4 s: prefill 1 s, decoding to 3 s; units 1.5-2.5, 2.5-3.5, ready at 1.5 and 2.0."""
    first, second = UnitKey(1, 0), UnitKey(1, 1)
    ok = Outcome(Status.OK)
    return [
        ev.TurnStarted(10.0, 1),
        ev.FirstToken(11.0, 1),
        ev.CallOpened(11.0, 1, 1, "python", "python", 0),
        ev.UnitReady(11.5, first, (1, 1), "x\n"),
        ev.UnitReady(12.0, second, (2, 2), "y\n"),
        ev.UnitFinished(12.5, first, 11.5, ok),
        ev.DeltaDecoded(13.0, 1, "x", 1),
        ev.DecodeStopped(13.0, 1, ev.StopReason.EOS),
        ev.UnitFinished(13.5, second, 12.5, ok),
        ev.TurnEnded(14.0, 1),
    ]


def test_bars_lie_where_the_times_say() -> None:
    """10 cells a second, zero at the turn's start; bars that touch are parted by a gap."""
    rows = drawn(fold(simple()))
    assert rows["decode"] == "╍" * 10 + "█" * 20 + " " * 10
    assert rows["python"] == " " * 15 + "█" * 9 + "▊" + "█" * 10 + " " * 5
    assert rows["overlap"] == f"┬{'─' * 9}┬────━━━━━┯━━━━━━━━━┬{'─' * 8}┬"
    assert rows["ticks"] == "0 s       1 s       2 s       3 s"


def test_waiting_for_a_tool_is_hatched() -> None:
    """Within the bar, from the call to its answer, also while that is still to come."""
    unit = UnitKey(1, 0)
    made = ev.NestedCallMade(11.9, unit, 1, "search", "{}", waits=True)
    events = [*simple()[:4], ev.UnitStarted(11.5, unit), made]
    lane = drawn(fold(events), now=13.5, span=4.0)["python"]
    assert lane == " " * 15 + "█" * 4 + "░" * 16 + "░" + " " * 4
    events += [ev.NestedCallFinished(12.9, unit, 1, Status.OK, "")]
    events += [ev.UnitFinished(13.5, unit, 11.5, Outcome(Status.OK))]
    lane = drawn(fold(events), now=13.5, span=4.0)["python"]
    assert lane == " " * 15 + "█" * 4 + "░" * 10 + "█" * 6 + " " * 5


def test_exposed_time_has_a_colour_of_its_own() -> None:
    """What runs after decoding ended is not drawn like what decoding hid."""
    row = Chart(fold(simple())).rows(50, FILE)[1]
    styles = {span.style: span.end - span.start for span in row.spans if span.start >= OFFSET}
    assert (styles["green"], styles["yellow"]) == (15, 5)


def test_with_a_span_the_shorter_run_ends_first() -> None:
    """On an axis of 8 s a run of 4 s ends in the middle, and says when."""
    rows = drawn(fold(simple()), span=8.0)
    assert rows["decode"].rstrip() == "╍" * 5 + "█" * 10
    assert rows["overlap"].endswith("4.00 s")
    assert len(rows["overlap"]) < 30
    assert rows["ticks"].split("  ")[-1].strip() == "6 s"


def test_what_runs_grows_until_now() -> None:
    """A unit without an end reaches to now, with a head; so does a decode lane."""
    events = [event for event in simple() if event.at <= 12.0]
    rows = drawn(fold([*events, ev.UnitStarted(11.5, UnitKey(1, 0))]), now=13.0, span=4.0)
    assert rows["python"] == " " * 15 + "█" * 15 + "▶" + " " * 9
    assert rows["decode"] == "╍" * 10 + "█" * 20 + " " * 10


def test_waiting_is_hatched() -> None:
    """Held by the policy until the call closed: hatched from ready to started."""
    rows = drawn(fold(scenes.analysis("sequential").events), width=100)
    assert rows["python"].lstrip().startswith("░" * 20)


@pytest.mark.parametrize(
    ("scene", "marks"),
    [(scenes.failing, "✘⊘"), (scenes.rolled_back, "▒↶")],
)
def test_bad_ends_have_a_glyph(scene: Callable[[], scenes.Scene], marks: str) -> None:
    """Failed, skipped and rolled back can be told apart without colour."""
    rows = drawn(fold(scene().events), width=100)
    assert marks in rows["python"]


def lane_rows(timeline: Timeline, **options: int) -> list[str]:
    """The rows of all lanes, with their labels."""
    rows = [row.plain for row in Chart(timeline, **options).rows(100, FILE)]
    return [row.rstrip() for row in rows[1:-2]]


def test_units_side_by_side_stand_below_each_other() -> None:
    """The lane's name once; each in the first row that is free, as far as there is room."""
    timeline = fold(scenes.plan().events)
    rows = lane_rows(timeline)
    assert [row[:OFFSET].strip() for row in rows] == ["plan", "", ""]
    starts = [len(row) - len(row[OFFSET:].lstrip()) for row in rows]
    assert starts == sorted(starts)
    assert [len(lane_rows(timeline, max_lanes=room)) for room in (1, 2, 3, 9)] == [1, 2, 3, 3]
    both = scenes.plan()
    both.respond("Again.\n", ("python", "python", scenes.ANALYSIS))
    assert [len(lane_rows(fold(both.events), max_lanes=room)) for room in (2, 3, 9)] == [2, 3, 4]


def test_what_ran_for_nothing_is_marked() -> None:
    """A step that ended beside one before it that failed: it does not count, and looks so."""
    events = simple()
    failed = Outcome(Status.ERROR)
    events[-2:-1] = [
        ev.UnitFinished(13.5, UnitKey(1, 0), 11.5, failed),
        ev.UnitFinished(12.9, UnitKey(1, 1), 12.0, Outcome(Status.OK)),
        ev.UnitSkipped(13.5, UnitKey(1, 1)),
    ]
    timeline = fold(events)
    row = lane_rows(timeline)[1]
    assert "▒" * 15 in row
    assert "█" not in row
    assert timeline.calls[1].units[1].status is Status.ROLLED_BACK


TIMES = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=20)


@given(TIMES, st.integers(1, 8))
def test_no_bars_lie_over_each_other(times: list[tuple[int, int]], most: int) -> None:
    """There are as many rows as units ran at once, and every unit is in one of them."""
    units = [
        UnitTrack(UnitKey(1, i), 1, (1, 1), 1, "", 0.0, started_at=a, finished_at=a + long)
        for i, (a, long) in enumerate(times)
    ]
    rows = stack(units, most)
    assert sorted(unit.key.index for row in rows for unit in row) == list(range(len(units)))
    at_once = [sum(a <= at < max(a + long, a + 1) for a, long in times) for at in range(72)]
    ends = {(it.started_at, it.finished_at) for it in units}
    if len(rows) < most:
        for row in rows:
            for one, other in itertools.pairwise(row):
                assert (one.finished_at or 0) <= (other.started_at or 0)
    if all(a < b for a, b in ends):
        assert len(rows) == max(1, min(most, max(at_once)))


def test_a_lane_a_state() -> None:
    """Decode first, then the lanes as their calls opened; one with one tool has its name."""
    charted = Chart(fold(scenes.two_lanes().events)).rows(100, FILE)
    assert [row.plain.split()[0] for row in charted[:3]] == ["decode", "sql", "python"]


def test_lanes_that_have_no_room_are_counted() -> None:
    """A low terminal shows fewer lanes and says so."""
    rows = Chart(fold(scenes.two_lanes().events), max_lanes=1).rows(80, FILE)
    assert len(rows) == 4
    assert "+1 more" in rows[2].plain


def test_a_new_turn_is_marked() -> None:
    """A faint rule where the second turn begins, in the lanes that are empty there."""
    assert "┊" in drawn(fold(scenes.analysis().events), width=100)["python"]


@pytest.mark.parametrize("width", [1, 5, 20, 31, 32, 60, 80, 200])
@pytest.mark.parametrize("scene", EVERY)
def test_no_row_is_wider_than_asked(scene: Callable[[], scenes.Scene], width: int) -> None:
    """At any width and any time, every row fits."""
    made = scene()
    for now in (0.0, 1.8, 2.5, 4.0, 99.0):
        for row in Chart(fold(made.until(now)), now=now).rows(max(width, 6), Ink()):
            assert cell_len(row.plain) <= max(width, 6)


def test_an_ascii_terminal_gets_ascii() -> None:
    """Where only ASCII can be shown, nothing else is sent."""
    rows = Chart(fold(scenes.failing().events)).rows(80, Ink(ascii_only=True))
    assert all(row.plain.isascii() for row in rows)


def test_a_file_gets_no_codes() -> None:
    """Printed to a pipe, the chart is text alone and needs no reverse video."""
    out = io.StringIO()
    Console(file=out, width=80, _environ={}).print(Chart(fold(scenes.analysis().events)))
    assert "\x1b" not in out.getvalue()
    assert "█" in out.getvalue()


def test_an_empty_run_has_a_chart() -> None:
    """Before the first turn there is nothing to draw, and no error."""
    assert len(Chart(Timeline()).rows(40, FILE)) == 3


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 30)), max_size=12))
def test_bars_stay_near_their_times(bars: list[tuple[int, int]]) -> None:
    """A lane's ink never strays by more than a cell from where some unit ran."""
    strip, at, wanted = Strip(30), 0, set()
    for gap, length in bars:
        begin = at + gap
        at = begin + length
        strip.bar(begin, at, Fill.OVERLAPPED)
        wanted |= set(range(begin // EIGHTHS - 1, at // EIGHTHS + 2))
    inked = {i for i, (cell, _) in enumerate(strip.cells(FILE)) if cell != " "}
    assert inked <= {min(cell, 29) for cell in wanted}


def test_the_live_axis_grows_in_steps() -> None:
    """It always has room for now, and seldom changes."""
    spans = {live_span(tenth / 10) for tenth in range(600)}
    assert all(live_span(tenth / 10) >= tenth / 10 for tenth in range(600))
    assert len(spans) < 20


@pytest.mark.parametrize(("at_least", "step"), [(0.03, 0.05), (0.1, 0.1), (3, 5), (70, 100)])
def test_ticks_are_round(at_least: float, step: float) -> None:
    """One, two or five times a power of ten."""
    assert nice(at_least) == pytest.approx(step)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0.00 s"), (0.0042, "4.2 ms"), (0.21, "0.21 s"), (71.26, "71.3 s"), (240, "240 s")],
)
def test_durations_read_well(value: float, shown: str) -> None:
    """Three digits or so, whatever the size."""
    assert seconds(value) == shown
