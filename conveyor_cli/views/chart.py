"""The chart: one time axis, the decode lane on top, a lane a state below it, a bar a unit.

Units of a lane that ran side by side stand in rows below each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from conveyor_cli.engine.intervals import busy_intervals, clipped, waits
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.engine.tracks import Phase, TurnTrack, UnitTrack
from conveyor_cli.views.bars import EIGHTHS, Fill, Ink, Strip
from conveyor_cli.views.marks import MARKS, glyph
from conveyor_cli.views.stacking import stack_lanes
from conveyor_cli.views.text import one_line
from conveyor_sandbox.reports import Status

_TICK_CELLS = 10
"""The least distance between two labels of the time axis."""
_NARROW = 32
"""Below this width labels are cut to three characters."""
_WIDE = 60
"""From this width on they may be twelve long, below it seven."""
_MILLISECONDS_BELOW = 0.095
_FAINT = "bright_black"


class Chart:
    """Draws a timeline, as wide as the console lets it.

    `now` is how far what still runs has come (seconds of the run's clock); without it, as far as
    the last event. `span` is how many seconds the axis shows, from the first turn's start; without
    it, as many as the run took. Two charts with the same span can be held against each other.
    """

    def __init__(
        self,
        timeline: Timeline,
        *,
        now: float | None = None,
        span: float | None = None,
        max_lanes: int | None = None,
    ) -> None:
        self._timeline = timeline
        self._end = chart_end(timeline, now)
        self._span = span or max(self._end - timeline.origin, 1e-3)
        self._max_lanes = max_lanes

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.rows(options.max_width, Ink.of(console))

    def rows(self, width: int, ink: Ink) -> list[Text]:
        """The chart's rows: decode, lanes, overlap, ticks; none wider than `width` cells."""
        names = [one_line(self._timeline.label(lane)) for lane in self._timeline.lanes]
        hidden = 0 if self._max_lanes is None else max(0, len(names) - self._max_lanes)
        names = names[: len(names) - hidden]
        label = min(max(map(cell_len, ["overlap", *names])), 12 if width >= _WIDE else 7)
        label, gap = (label, "  ") if width >= _NARROW else (3, " ")
        axis = _Axis(self._timeline.origin, self._span, max(1, width - 1 - label - len(gap)))
        rows, captions = [self._decode_row(axis, ink)], ["decode"]
        lanes = list(self._timeline.lanes.values())[: len(names)]
        for name, lane in zip(names, stack_lanes(lanes, self._max_lanes), strict=True):
            rows += [self._lane_row(units, axis, ink, first=units is lane[0]) for units in lane]
            captions += [name, *[""] * (len(lane) - 1)]
        styles = ["bold"] * len(rows) + [_FAINT, ""]
        rows += [self._overlap_row(axis, ink), axis.labels()]
        captions += [f"+{hidden} more" if hidden else "overlap", ""]
        return [
            Text.assemble(" ", (set_cell_size(caption, label), style), gap, row)
            for caption, style, row in zip(captions, styles, rows, strict=True)
        ]

    def _decode_row(self, axis: _Axis, ink: Ink) -> Text:
        strip = Strip(axis.width)
        for turn in self._timeline.turns.values():
            until = self._decoded_until(turn)
            first = until if turn.first_token_at is None else turn.first_token_at
            strip.fill(axis.slot(turn.started_at), axis.slot(first), Fill.PREFILL)
            if turn.first_token_at is not None:
                strip.bar(axis.slot(first), axis.slot(until), Fill.DECODE)
        return _row(self._with_boundaries(strip.cells(ink), axis, ink))

    def _lane_row(self, units: list[UnitTrack], axis: _Axis, ink: Ink, *, first: bool) -> Text:
        """A row of units; the lane's `first` one also shows what became of its calls."""
        strip = Strip(axis.width)
        self._draw_waiting(units, strip, axis)
        over: dict[int, tuple[str, str]] = {}
        drawn_until = -math.inf
        for unit in units:
            if unit.started_at is None:
                continue
            if unit.status is Status.OK and unit.finished_at and unit.finished_at <= drawn_until:
                continue  # of hundreds of units in a cell, not every one is drawn
            drawn_until = axis.time(self._draw_unit(unit, strip, axis, over, ink))
        cells = self._with_boundaries(strip.cells(ink), axis, ink)
        for at, mark in self._call_marks(units, ink) if first else ():
            cell = axis.cell(at)
            while cell in over and cell + 1 < axis.width:
                cell += 1
            over[cell] = mark
        for cell, mark in over.items():
            cells[cell] = mark
        return _row(cells)

    def _draw_waiting(self, units: list[UnitTrack], strip: Strip, axis: _Axis) -> None:
        """Hatch the lane where a unit was ready and nothing ran."""
        half_a_cell = axis.time(EIGHTHS // 2) - axis.origin
        hatched_until = -math.inf
        for unit in units:
            until = unit.started_at if unit.started_at is not None else unit.finished_at
            end = self._end if until is None else until
            begin = max(unit.ready_at, hatched_until)
            if end - begin >= half_a_cell:
                strip.fill(axis.slot(begin), axis.slot(end), Fill.WAITING)
                hatched_until = end

    def _draw_unit(
        self,
        unit: UnitTrack,
        strip: Strip,
        axis: _Axis,
        over: dict[int, tuple[str, str]],
        ink: Ink,
    ) -> int:
        """Draw a unit that ran: what decoding hid, what it did not, and how it ended.

        Hatched while it waited for a tool that it called.

        Returns the slot that its bar ends at.
        """
        assert unit.started_at is not None
        end = self._end if unit.finished_at is None else unit.finished_at
        phase = unit.phase
        fill = {Phase.ROLLED_BACK: Fill.UNDONE, Phase.FAILED: Fill.FAILED}.get(
            phase, Fill.OVERLAPPED
        )
        begin_slot, end_slot = strip.bar(axis.slot(unit.started_at), axis.slot(end), fill)
        if fill is Fill.OVERLAPPED:
            hidden = axis.slot(self._decoded_until(self._timeline.turns[unit.turn]))
            strip.fill(max(begin_slot, hidden), end_slot, Fill.EXPOSED)
        for begin, until in waits(unit, end):
            begin_wait, end_wait = axis.slot(begin), axis.slot(until)
            if end_wait - begin_wait >= EIGHTHS // 2:
                edge = begin_slot + EIGHTHS // 4  # where the bar begins stays to be seen
                strip.fill(max(edge, begin_wait), min(end_slot, end_wait), Fill.WAITING)
        if phase in (Phase.RUNNING, Phase.WAITING, Phase.FAILED):
            cell = min(end_slot // EIGHTHS, axis.width - 1)
            over[cell] = (glyph(phase, ascii_only=ink.ascii_only), MARKS[phase].style)
        return end_slot

    def _call_marks(
        self, units: list[UnitTrack], ink: Ink
    ) -> Iterator[tuple[float, tuple[str, str]]]:
        """Where calls of the lane were rolled back, and where units were skipped."""
        for number in dict.fromkeys(unit.key.call for unit in units):
            call = self._timeline.calls[number]
            skipped = [unit for unit in call.units if unit.phase is Phase.SKIPPED]
            for at, phase in (
                (skipped[0].finished_at if skipped else None, Phase.SKIPPED),
                (call.rolled_back_at, Phase.ROLLED_BACK),
            ):
                if at is not None:
                    mark = glyph(phase, ascii_only=ink.ascii_only)
                    yield at, (mark, MARKS[phase].style)

    def _overlap_row(self, axis: _Axis, ink: Ink) -> Text:
        """The axis itself, heavy where decoding and tools ran at the same time."""
        strip = Strip(axis.width)
        for turn in self._timeline.turns.values():
            busy = busy_intervals(turn, self._end)
            for a, b in clipped(busy, turn.started_at, self._decoded_until(turn)):
                strip.fill(axis.slot(a), axis.slot(b), Fill.OVERLAPPED)
        ticks = {axis.cell(axis.origin + at) for at in axis.ticks()}
        light, heavy, light_tick, heavy_tick = "-=++" if ink.ascii_only else "─━┬┯"
        cells = []
        for i, (cell, _) in enumerate(strip.cells(Ink(reverse=False))):
            both = cell not in " ▏▕"
            line = (heavy_tick if both else light_tick) if i in ticks else heavy if both else light
            cells.append((line, "bold green" if both else _FAINT))
        last = axis.cell(self._end)
        took = f" {seconds(self._end - self._timeline.origin)}"
        over = all(turn.ended_at is not None for turn in self._timeline.turns.values())
        if over and last + len(took) + 1 < axis.width:  # before the axis does: say where
            cells[last + 1 :] = [(character, "bold") for character in took]
        return _row(cells)

    def _with_boundaries(
        self, cells: list[tuple[str, str]], axis: _Axis, ink: Ink
    ) -> list[tuple[str, str]]:
        """Mark where a turn begins, where nothing else is drawn."""
        for turn in list(self._timeline.turns.values())[1:]:
            at = axis.cell(turn.started_at)  # where the bar before it may still end
            free = next((i for i in (at, at + 1) if i < axis.width and cells[i][0] == " "), None)
            if free is not None:
                cells[free] = ("|" if ink.ascii_only else "┊", _FAINT)
        return cells

    def _decoded_until(self, turn: TurnTrack) -> float:
        if turn.decoding and self._timeline.ended is None:
            return self._end
        return turn.started_at if turn.last_delta_at is None else turn.last_delta_at


@dataclass(frozen=True, slots=True)
class _Axis:
    """Maps seconds of the run's clock to cells and slots."""

    origin: float
    span: float
    width: int

    def slot(self, at: float) -> int:
        total = self.width * EIGHTHS
        return max(0, min(total, round((at - self.origin) / self.span * total)))

    def time(self, slot: int) -> float:
        return self.origin + slot * self.span / (self.width * EIGHTHS)

    def cell(self, at: float) -> int:
        return min(self.width - 1, self.slot(at) // EIGHTHS)

    def ticks(self) -> list[float]:
        """Round times, far enough apart for their labels, in seconds from the origin."""
        step = nice(self.span * _TICK_CELLS / self.width)
        return [i * step for i in range(math.floor(self.span / step + 1e-9) + 1)]

    def labels(self) -> Text:
        row = Text(style=_FAINT)
        ticks = self.ticks()
        decimals = max(0, -math.floor(math.log10(ticks[1]))) if len(ticks) > 1 else 0
        for at in ticks:
            label = f"{at:.{decimals}f} s"
            cell = self.cell(self.origin + at)
            if cell + len(label) <= self.width:
                row.append(" " * (cell - len(row)) + label)
        return row


def chart_end(timeline: Timeline, now: float | None) -> float:
    """How far a chart of the timeline goes, in seconds of the run's clock."""
    if timeline.ended is not None or now is None:
        ends = [turn.ended_at for turn in timeline.turns.values()]
        if ends and ends[-1] is not None:
            return ends[-1]
        return timeline.last_at
    return max(now, timeline.last_at)


def live_span(elapsed: float) -> float:
    """An axis for a run that goes on: it grows in steps, so that bars do not creep."""
    return nice(max(elapsed * 1.02, 1.0), steps=(1, 1.5, 2, 3, 4, 5, 6, 8, 10))


def nice(at_least: float, steps: tuple[float, ...] = (1, 2, 5, 10)) -> float:
    """The smallest step times a power of ten that is no smaller than `at_least`."""
    power = 10.0 ** math.floor(math.log10(at_least))
    return next(step * power for step in steps if step * power >= at_least * (1 - 1e-9))


def seconds(value: float) -> str:
    """A duration as people read it: `4.2 ms`, `0.21 s`, `71.3 s`, `240 s`."""
    if 0 < value < _MILLISECONDS_BELOW:
        return f"{value * 1000:.1f} ms"
    decimals = max(0, 2 - math.floor(math.log10(max(value, 1.0))))
    return f"{value:.{decimals}f} s"


def _row(cells: list[tuple[str, str]]) -> Text:
    """Cells as text, those of one style in one piece."""
    row = Text(no_wrap=True)
    begin = 0
    for i in range(1, len(cells) + 1):
        if i == len(cells) or cells[i][1] != cells[begin][1]:
            row.append("".join(cell for cell, _ in cells[begin:i]), cells[begin][1])
            begin = i
    return row
