"""The plain view: the run's facts, a line each, for pipes, logs and dumb terminals."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from conveyor_cli.engine.events import (
    CallClosed,
    CallEnded,
    CallOpened,
    CheckpointTaken,
    DecodeStopped,
    DeltaDecoded,
    Event,
    ModelLoaded,
    NestedCallFinished,
    NestedCallMade,
    NestedCallStarted,
    OutputReceived,
    RolledBack,
    RunEnded,
    RunStarted,
    SandboxDied,
    SandboxStarted,
    TurnEnded,
    TurnStarted,
    UnitFinished,
    UnitProgressed,
    UnitReady,
    UnitSkipped,
    UnitStarted,
)
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.engine.tracks import Phase
from conveyor_cli.views.chart import Chart, seconds
from conveyor_cli.views.marks import MARKS, glyph
from conveyor_cli.views.summary import summary
from conveyor_cli.views.text import failure_line, one_line, safe
from conveyor_sandbox.reports import Failure, Status, Stream

_CALL_CELLS = 80
_CODE_CELLS = 48
"""How much of a unit's first line is shown."""


class PlainView:
    """Prints each fact as it happens; at the end of the run the chart and the metrics.

    Times are seconds since the first turn began. Text is printed line by line, so the last line of
    a stream appears when it is complete or its turn or call is over.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._ascii = console.options.ascii_only
        self._timeline = Timeline()
        self._line = ""
        """The model's text since its last newline."""
        self._stage = ""
        self._written: dict[tuple[int, Stream], str] = {}
        """The same for what calls write."""

    def apply(self, event: Event) -> None:
        """Take an event, and print what it says."""
        self._timeline.apply(event)
        match event:
            case DeltaDecoded(text=text):
                self._line += text
                if "\n" in text:
                    *lines, self._line = self._line.split("\n")
                    self._text(event.at, "model", lines)
            case RunStarted() | ModelLoaded() | SandboxStarted() | SandboxDied() | RunEnded():
                self._run_fact(event)
            case CheckpointTaken(why_not=why_not) if why_not:
                self._fact(event.at, "undo", f"no checkpoint of {event.lane}: {why_not}")
            case TurnStarted() | DecodeStopped() | TurnEnded():
                self._turn_fact(event)
            case CallOpened() | CallClosed() | CallEnded() | RolledBack():
                self._call_fact(event)
            case UnitReady() | UnitStarted() | UnitProgressed() | UnitFinished() | UnitSkipped():
                self._unit_fact(event)
            case NestedCallMade() | NestedCallStarted() | NestedCallFinished():
                self._nested_fact(event)
            case OutputReceived():
                key = (event.unit.call, event.stream)
                *lines, rest = (self._written.get(key, "") + event.text).split("\n")
                self._written[key] = rest
                self._text(event.at, event.stream, lines)

    def progress(self, what: str, _fraction: float | None) -> None:
        """Print what getting ready waits for, once a stage."""
        if what != self._stage:
            self._stage = what
            self._fact(None, "wait", what)

    def question(self, text: str) -> None:
        """Print what the user is asked."""
        if text:
            self._fact(None, "approve", text, Phase.WAITING)

    def _run_fact(
        self, event: RunStarted | ModelLoaded | SandboxStarted | SandboxDied | RunEnded
    ) -> None:
        match event:
            case RunStarted():
                self._fact(None, "run", f"{event.task}, {event.mode}, {event.run_id}")
            case ModelLoaded():
                self._fact(None, "model", f"{event.label} ready in {seconds(event.seconds)}")
            case SandboxStarted():
                what = f"{event.kind} {event.image} (Python {event.python})"
                self._fact(None, "sandbox", f"{what} ready in {seconds(event.seconds)}")
                phase = Phase.FAILED if event.kind == "unsafe" else None
                for weakness in event.weaknesses:
                    self._fact(None, "sandbox", f"weaker here: {weakness}", phase)
            case SandboxDied():
                self._fact(event.at, "sandbox", f"died: {event.reason}", Phase.FAILED)
            case RunEnded():
                self._flush_model(event.at)
                reason = f": {event.reason}" if event.reason else ""
                self._fact(event.at, "run", f"{event.status}{reason}")
                self._close()

    def _turn_fact(self, event: TurnStarted | DecodeStopped | TurnEnded) -> None:
        match event:
            case TurnStarted():
                self._fact(event.at, "turn", str(event.turn))
            case DecodeStopped():
                self._flush_model(event.at)
                self._fact(event.at, "decode", f"stopped: {event.reason.replace('_', ' ')}")
            case TurnEnded():
                self._fact(event.at, "turn", f"{event.turn} over")

    def _call_fact(self, event: CallOpened | CallClosed | CallEnded | RolledBack) -> None:
        match event:
            case CallOpened():
                self._fact(event.at, "call", f"{event.call} opened: {event.tool}")
            case CallClosed():
                cut = "" if event.complete else ", cut off"
                self._fact(event.at, "call", f"{event.call} closed{cut}")
            case RolledBack():
                lost = f" ({event.lost})" if event.lost else ""
                self._fact(event.at, "call", f"{event.call} rolled back{lost}", Phase.ROLLED_BACK)
            case CallEnded(outcome=outcome):
                for stream in Stream:
                    rest = self._written.pop((event.call, stream), "")
                    self._text(event.at, stream, [rest] if rest else [])
                if outcome.result is not None:
                    self._text(event.at, "result", outcome.result.split("\n"))
                skipped = outcome.status is Status.SKIPPED
                failed = Phase.SKIPPED if skipped else Phase.FAILED
                phase = Phase.OK if outcome.status is Status.OK else failed
                self._fact(event.at, "call", f"{event.call} {outcome.status}", phase)
                units = self._timeline.calls[event.call].units
                if all(unit.failure is None for unit in units):  # else it has been told
                    self._failure(event.at, outcome.failure)

    def _unit_fact(
        self, event: UnitReady | UnitStarted | UnitProgressed | UnitFinished | UnitSkipped
    ) -> None:
        name = f"{event.unit.call}.{event.unit.index}"
        match event:
            case UnitReady(span=(first, last)):
                lines = f"line {first}" if first == last else f"lines {first}-{last}"
                code = one_line(event.text.strip().partition("\n")[0])[:_CODE_CELLS]
                self._fact(event.at, "unit", f"{name} ready, {lines}: {code}")
            case UnitStarted():
                self._fact(event.at, "unit", f"{name} started", Phase.RUNNING)
            case UnitProgressed():
                self._fact(event.at, "unit", f"{name} at {event.text}", Phase.RUNNING)
            case UnitSkipped():
                self._fact(event.at, "unit", f"{name} skipped", Phase.SKIPPED)
            case UnitFinished(outcome=outcome):
                took = seconds(event.at - event.started_at)
                phase = Phase.OK if outcome.status is Status.OK else Phase.FAILED
                self._fact(event.at, "unit", f"{name} {outcome.status} after {took}", phase)
                self._failure(event.at, outcome.failure)

    def _nested_fact(self, event: NestedCallMade | NestedCallStarted | NestedCallFinished) -> None:
        """What a unit calls, and how that ends; when it may begin is seen in the chart."""
        match event:
            case NestedCallMade(tool=tool, arguments=arguments):
                text = f"{event.unit.call}.{event.unit.index} calls {tool} {arguments}"
                self._fact(event.at, "tool", text[:_CALL_CELLS])
            case NestedCallFinished(status=status, message=message):
                name = f"{event.unit.call}.{event.unit.index} has its answer"
                phase = Phase.OK if status is Status.OK else Phase.FAILED
                self._fact(event.at, "tool", f"{name}: {message or status}", phase)

    def _failure(self, at: float, failure: Failure | None) -> None:
        if failure is not None:
            what = failure.traceback or failure_line(failure)
            self._text(at, "error", what.rstrip("\n").split("\n"))

    def _flush_model(self, at: float) -> None:
        if self._line:
            self._text(at, "model", [self._line])
            self._line = ""

    def _close(self) -> None:
        """The chart and the metrics."""
        if self._timeline.turns:
            self._console.print()
            self._console.print(Chart(self._timeline))
            for row in summary(self._timeline, None, self._console.width):
                self._console.print(row, soft_wrap=True)

    def _fact(self, at: float | None, what: str, text: str, phase: Phase | None = None) -> None:
        """A line with the time, what it is about, and the fact."""
        mark = " " if phase is None else glyph(phase, ascii_only=self._ascii)
        style = "" if phase is None else MARKS[phase].style
        row = self._stamped(at, what)
        row.append(mark, style)
        self._console.print(row.append(f" {one_line(text)}"), soft_wrap=True)

    def _text(self, at: float, what: str, lines: list[str]) -> None:
        """Lines of foreign text, each behind a rule."""
        rule = "!" if what == Stream.STDERR else "|" if self._ascii else "│"
        for line in lines:
            row = self._stamped(at, what)
            row.append(f"{rule} ", "red" if rule == "!" else "bright_black")
            self._console.print(row.append(safe(line)), soft_wrap=True)

    def _stamped(self, at: float | None, what: str) -> Text:
        since = "" if at is None else f"{at - self._timeline.origin:.3f}"
        return Text.assemble((f"{since:>9}  ", "bright_black"), (f"{what:<8} ", "bold"))
