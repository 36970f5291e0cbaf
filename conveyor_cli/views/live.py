"""The live view: the run on a terminal, repainted in place while it happens."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from conveyor_cli.engine.events import Event, RunStatus
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.engine.tracks import Phase, UnitTrack
from conveyor_cli.views.bars import Ink
from conveyor_cli.views.chart import Chart, live_span
from conveyor_cli.views.marks import MARKS, glyph
from conveyor_cli.views.panes import ModelPane, OutputPane
from conveyor_cli.views.printed import Printed
from conveyor_cli.views.screen import Line, Screen
from conveyor_cli.views.summary import summary
from conveyor_cli.views.text import one_line

_FRAME_S = 1 / 12
"""The least time between two frames."""
_SLOWEST_S = 1 / 4
_SHARE = 0.015
"""How much of one core drawing may take; frames become rarer where they cost more."""
_BESIDE = 72
"""From this width on, the panes stand side by side."""
_LEAST_ROWS = 3
"""A pane with fewer rows than this is not shown."""
_LEAST_WIDTH = 32
_PLAN = "plan"
_MOST_PROGRESS = 3
"""Units whose progress is shown."""
_CHART_ROWS = 8
"""What the header and a small chart need, which go before that."""


class LiveView:
    """Shows a run on a terminal, at most 12 times a second, the last frame staying there.

    `timeline` is empty and belongs to the view until `stop`: `apply` only queues an event, and the
    view's thread folds it in and draws. So neither drawing nor a terminal that does not read keeps
    the caller waiting. `clock` gives the run's time, in seconds since `RunStarted`.
    """

    def __init__(self, timeline: Timeline, console: Console, clock: Callable[[], float]) -> None:
        self._timeline = timeline
        self._console = console
        self._clock = clock
        self._queue: deque[Event] = deque()
        self._frame = Frame(timeline, console)
        self._screen = Screen(console)
        self._printed = Printed()
        self._drawn: tuple[object, ...] = ()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="live-view", daemon=True)
        self._error: Exception | None = None

    def apply(self, event: Event) -> None:
        """Take an event. From any thread; returns at once."""
        self._queue.append(event)

    def progress(self, what: str, fraction: float | None) -> None:
        """Show what getting ready waits for. From any thread; returns at once."""
        self._frame.progress = (what, fraction)

    def question(self, text: str) -> None:
        """Show what the user is asked, until it is called with nothing. Returns at once."""
        self._frame.question = text

    def printed(self, text: str) -> None:
        """Show above the frame what a tool's own code printed. From any thread; returns at once."""
        self._printed.write(text)

    def start(self) -> None:
        """Begin to draw."""
        self._screen.open()
        self._thread.start()

    def stop(self) -> None:
        """Draw the last frame and give the terminal back.

        Raises what went wrong while drawing, if anything did, after the terminal is restored.
        """
        self._stopping.set()
        self._thread.join()
        try:
            if self._error is not None:
                raise self._error
            self._draw(final=True)
        finally:
            self._screen.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _loop(self) -> None:
        wait = 0.0
        try:
            while not self._stopping.wait(wait):
                began = time.thread_time()
                self._draw()
                cost = time.thread_time() - began
                wait = min(max(_FRAME_S, cost / _SHARE), _SLOWEST_S)
        except Exception as error:  # noqa: BLE001 - raised again by `stop`, in the caller's thread
            self._error = error

    def _draw(self, *, final: bool = False) -> None:
        """Fold in what came, and paint, unless the frame would be the same."""
        printed = self._printed.take(final=final)
        if printed:
            self._console.print(Text(printed))
        folded = len(self._queue)
        for _ in range(folded):
            self._timeline.apply(self._queue.popleft())
        now = None if final or self._timeline.ended else self._clock()
        moment = now if now is None else round(now * 10)
        state = (self._console.size, moment, self._frame.progress, self._frame.question)
        if printed or folded or final or state != self._drawn:
            self._screen.paint(self._frame.lines(now))
            self._drawn = state


class Frame:
    """Lays a timeline out on a terminal of any size: header, panes, chart, summary."""

    def __init__(self, timeline: Timeline, console: Console) -> None:
        self._timeline = timeline
        self._console = console
        self._model = ModelPane(timeline, console)
        self._output = OutputPane(timeline, console)
        self._tallest = 0
        self.progress: tuple[str, float | None] | None = None
        """What getting ready waits for: what is being done, and the fraction done (0 to 1)."""
        self.question = ""

    def lines(self, now: float | None) -> list[Line]:
        """The rows of one frame. `now` is None where the run no longer goes on."""
        width, height = self._console.size
        room = max(1, height - 1)
        head = [self._header(now, width)]
        if self.progress and not self._timeline.turns and self._timeline.ended is None:
            head.append(self._progress_row(*self.progress, width))
        head += self._units_under_way(width, max(0, room - _CHART_ROWS))
        if self.question:
            head += self._question_rows(width, max(2, room // 2))
        foot = summary(self._timeline, now, width) if self._timeline.turns else []
        chart = self._chart(now, width, room - 1) if self._timeline.turns else []
        left = room - len(head) - len(chart)
        foot = foot[: max(0, left)]
        panes = self._panes(width, left - len(foot))
        above, below = ([self._segments(row) for row in rows] for rows in (head, [*chart, *foot]))
        return [*above, *panes, *below][:room]

    def _header(self, now: float | None, width: int) -> Text:
        """`▶ task · model · sandbox · mode ... turn n  elapsed`."""
        timeline = self._timeline
        ascii_only = self._console.options.ascii_only
        phase, word = _state(timeline)
        started = timeline.started
        parts = [one_line(started.task), one_line(started.mode)] if started else []
        label = timeline.model.label if timeline.model else started.backend if started else ""
        parts[1:1] = [one_line(part) for part in (label, *_sandbox(timeline)) if part]
        dot = " - " if ascii_only else " · "
        mark = MARKS[phase]
        left = Text.assemble(" ", (glyph(phase, ascii_only=ascii_only), mark.style), " ")
        left.append(dot.join(parts[:1]), "bold")
        left.append("".join(dot + part for part in parts[1:]))
        left.append(dot + word if word else "", mark.style)
        end = timeline.last_at if now is None else max(now, timeline.last_at)
        elapsed = max(0.0, end - (timeline.origin if timeline.turns else 0.0))
        right = f"  {elapsed:.1f} s "
        if timeline.turns and width >= _LEAST_WIDTH:
            right = f"  turn {len(timeline.turns)}{right}"
        left.truncate(max(0, width - len(right)), overflow="ellipsis", pad=True)
        return left.append(right, "bold")

    def _units_under_way(self, width: int, room: int) -> list[Text]:
        """How far units have come whose tools say it."""
        units = [*self._timeline.progressing.values()][: min(room, _MOST_PROGRESS)]
        return [
            self._progress_row(f"{self._who(it)}  {it.progress}", it.fraction, width)
            for it in units
        ]

    def _who(self, unit: UnitTrack) -> str:
        """What a unit calls: its call's tool, or a step's as the plan says it: `$1 = tool`."""
        tool = self._timeline.calls[unit.key.call].tool
        return unit.text.partition("(")[0].strip() if tool == _PLAN else tool

    def _question_rows(self, width: int, most: int) -> list[Text]:
        """All of it, where there is room: what is asked about may stand at its end."""
        text = Text(f" ? {one_line(self.question)}", "bold yellow")
        rows = [*text.wrap(self._console, width, overflow="fold")]
        return rows if len(rows) <= most else [*rows[: most - 2], Text(" …"), rows[-1]]

    def _progress_row(self, what: str, fraction: float | None, width: int) -> Text:
        """`   what  ━━━━━━━━━━        61 %`."""
        row = Text(f"   {one_line(what)}")
        row.truncate(width, overflow="ellipsis")
        room = min(40, width - row.cell_len - 9)
        if fraction is not None and room > 0:
            dash = "#" if self._console.options.ascii_only else "━"
            done = round(min(1.0, fraction) * room)
            row.append("  ").append(dash * done, "cyan").append(" " * (room - done))
            row.append(f" {fraction:4.0%}")
        return row

    def _chart(self, now: float | None, width: int, room: int) -> list[Text]:
        span = None if now is None else live_span(now - self._timeline.origin)
        chart = Chart(self._timeline, now=now, span=span, max_lanes=max(1, room - 3))
        return chart.rows(width, Ink.of(self._console))[:room]

    def _panes(self, width: int, room: int) -> list[Line]:
        """The panes, as high as their content needs; what they once took they keep."""
        if width < _LEAST_WIDTH or room < _LEAST_ROWS + 2:
            return []
        if width >= _BESIDE:
            left = width * 3 // 5
            model = self._model.rows(left - 4, room - 2)
            output = self._output.rows(width - left - 4, room - 2)
            rows = self._height(max(len(model), len(output)), room - 2)
            pairs = zip(
                self._box("model", model, left, rows),
                self._box("output", output, width - left, rows),
                strict=True,
            )
            return [a + b for a, b in pairs]
        if room < 2 * (_LEAST_ROWS + 2):
            model = self._model.rows(width - 4, room - 2)
            return self._box("model", model, width, self._height(len(model), room - 2))
        below = max(_LEAST_ROWS, (room - 4) // 3)
        model = self._model.rows(width - 4, room - 4 - below)
        rows = self._height(len(model), room - 4 - below)
        output = self._output.rows(width - 4, below)
        return [*self._box("model", model, width, rows), *self._box("output", output, width, below)]

    def _height(self, wanted: int, room: int) -> int:
        self._tallest = max(self._tallest, wanted, _LEAST_ROWS)
        return min(self._tallest, room)

    def _box(self, title: str, rows: list[Text], width: int, height: int) -> list[Line]:
        """Rows in a frame, `width` cells wide and `height` + 2 rows high."""
        corners = tuple("+-++|+" if self._console.options.ascii_only else "╭─╮╰│╯")
        top_left, dash, top_right, bottom_left, side, bottom_right = corners
        faint = self._console.get_style("bright_black")
        bar = Segment(f"{side} ", faint), Segment(f" {side}", faint)
        caption = f"{top_left}{dash} {title} "
        top = [Segment(caption + dash * (width - len(caption) - 1) + top_right, faint)]
        bottom = [Segment(bottom_left + dash * (width - 2) + bottom_right, faint)]
        body = [self._segments(row) for row in rows[-height:]]
        body += [[] for _ in range(height - len(body))]
        inner = [Segment.adjust_line_length(line, width - 4) for line in body]
        return [top, *([bar[0], *line, bar[1]] for line in inner), bottom]

    def _segments(self, row: Text) -> Line:
        return list(row.render(self._console, end=""))


def _state(timeline: Timeline) -> tuple[Phase, str]:
    """How the run is, as a mark, and in a word where it did not simply succeed."""
    if timeline.ended is None:
        return Phase.RUNNING, "" if timeline.turns else "starting"
    if timeline.ended.status is RunStatus.DONE:
        return Phase.OK, ""
    reason = one_line(timeline.ended.reason)
    return Phase.FAILED, f"{timeline.ended.status}: {reason}" if reason else timeline.ended.status


def _sandbox(timeline: Timeline) -> list[str]:
    return [timeline.sandboxes[-1].kind] if timeline.sandboxes else []
