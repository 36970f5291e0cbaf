"""Runs made up by hand, as event lists: what the views and `compare` are tested on.

A scene is computed the way the engine would emit it: a text decoded at a fixed rate, its units
ready when their last character is, run in order in their lane, each for a given time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from conveyor_cli.engine import events as ev
from conveyor_sandbox.reports import Failure, Outcome, Status, Stream, UnitKey

TOKEN = 4
"""Characters a token."""


@dataclass(frozen=True)
class Step:
    """A unit of a scene: its code, how long it runs, and what it writes."""

    code: str
    seconds: float = 0.001
    out: str = ""
    err: str = ""
    failure: Failure | None = None
    after: tuple[int, ...] | None = None
    """The steps that it waits for; None: all before it."""


@dataclass
class Scene:
    """Builds the events of a run, turn by turn. Times are seconds of the run's clock."""

    mode: str = "partial"
    rate: float = 60.0
    ttft: float = 0.2
    at: float = 0.0
    events: list[ev.Event] = field(default_factory=list)
    turn: int = 0
    calls: int = 0

    def begin(self, task: str = "squares") -> Scene:
        """The run's start, up to the point where the first turn can begin."""
        self.events += [
            ev.RunStarted(0.0, "r1", task, self.mode, "smollm2-135m", "2026-01-01T00:00:00Z"),
            ev.SandboxStarted(0.45, "docker", "conveyor-sandbox", "3.12.4", 0.45),
            ev.ModelLoaded(1.7, "smollm2-135m bf16", 1.7),
        ]
        self.at = 1.75
        return self

    def respond(
        self,
        prose: str,
        *calls: tuple[str, str, list[Step]],
        early_stop: bool = True,
        undo: str | None = None,
    ) -> Scene:
        """A turn: prose, then calls (tool, lane, steps), each in a fence of its own.

        `undo` (what is lost) rolls the last call back at its end.
        """
        self.turn += 1
        turn = _Turn(self, prose, calls)
        self.events += turn.events(early_stop=early_stop, undo=undo)
        self.at = self.events[-1].at + 0.01
        return self

    def end(self, answer: str | None = "Done.", status: ev.RunStatus = ev.RunStatus.DONE) -> Scene:
        """The run's end."""
        reason = "" if status is ev.RunStatus.DONE else "stopped by the user"
        self.events.append(ev.RunEnded(self.at, status, answer, reason))
        return self

    def until(self, at: float) -> list[ev.Event]:
        """What had been emitted by then."""
        return [event for event in self.events if event.at <= at]


class _Turn:
    """One response: when each of its characters is decoded, and what runs when."""

    def __init__(
        self, scene: Scene, prose: str, calls: tuple[tuple[str, str, list[Step]], ...]
    ) -> None:
        self.scene = scene
        self.start = scene.at
        self.text = prose
        self.spans = []
        for tool, _, steps in calls:
            self.text += f"```{tool}\n"
            begin = len(self.text)
            self.text += "".join(step.code for step in steps)
            self.spans.append((begin, len(self.text)))
            self.text += "```\n"
        self.calls = calls
        self.timed: list[tuple[float, int, ev.Event]] = []

    def emit(self, event: ev.Event) -> None:
        self.timed.append((event.at, len(self.timed), event))

    def decoded(self, length: int) -> float:
        """When the first `length` characters are decoded."""
        return self.start + self.scene.ttft + max(0, -(-length // TOKEN) - 1) / self.scene.rate

    def events(self, *, early_stop: bool, undo: str | None) -> Iterator[ev.Event]:
        number = self.scene.turn
        stop_at, reason = self.decoded(len(self.text)), ev.StopReason.EOS
        self.emit(ev.TurnStarted(self.start, number))
        self.emit(ev.FirstToken(self.decoded(1), number))
        over = stop_at
        free: dict[str, float] = {}
        for (tool, lane, steps), (begin, end) in zip(self.calls, self.spans, strict=True):
            self.scene.calls += 1
            self.emit(
                ev.CallOpened(self.decoded(begin), number, self.scene.calls, tool, lane, begin)
            )
            ended, failed_at = self._call(steps, begin, end, free, lane)
            if failed_at is not None and early_stop and failed_at < stop_at:
                stop_at, reason = failed_at, ev.StopReason.UNIT_FAILED
            if undo is not None and begin == self.spans[-1][0]:
                self.emit(ev.RolledBack(ended, self.scene.calls, undo))
            over = max(over if reason is ev.StopReason.EOS else ended, ended)
        for i in range(0, len(self.text), TOKEN):
            at = self.decoded(i + TOKEN)
            if at <= stop_at + 1e-9:
                self.emit(ev.DeltaDecoded(at, number, self.text[i : i + TOKEN], 1))
        self.emit(ev.DecodeStopped(stop_at, number, reason))
        self.emit(ev.TurnEnded(max(over, stop_at) + 0.002, number))
        return (event for _, _, event in sorted(self.timed, key=lambda timed: timed[:2]))

    def _call(
        self, steps: list[Step], begin: int, end: int, free: dict[str, float], lane: str
    ) -> tuple[float, float | None]:
        """Emit a call's units; return when it ended, and when a unit failed (or None)."""
        call = self.scene.calls
        held = self.scene.mode == "sequential"
        offset, line, failed_at = begin, 1, None
        closed = self.decoded(end)
        at = free.get(lane, 0.0)
        ends: dict[int, float] = {}
        for index, step in enumerate(steps):
            key = UnitKey(call, index)
            offset += len(step.code)
            ready = self.decoded(offset)
            if failed_at is not None and ready > failed_at:
                break
            lead = next(
                i for i, text in enumerate(step.code.split("\n")) if text and text[0] != "#"
            )
            lines = step.code.rstrip("\n").count("\n") + 1
            span = (line + lead, line + lines - 1)
            self.emit(ev.UnitReady(ready, key, span, step.code, step.after))
            line += step.code.count("\n")
            if failed_at is not None:
                self.emit(ev.UnitSkipped(failed_at, key))
                continue
            if held:
                self.emit(ev.UnitHeld(ready, key))
            if step.after is not None:
                at = max((ends[it] for it in step.after), default=0.0)
            started = max(at, closed if held else ready) + 0.0004
            at = ends[index] = started + step.seconds
            self._run(key, step, started, at)
            failed_at = at if step.failure else None
            at = max(ends.values())
        ended = max(at, closed) if failed_at is None else at
        free[lane] = ended
        outcome = Outcome(Status.ERROR) if failed_at is not None else Outcome(Status.OK)
        complete = failed_at is None or failed_at >= closed
        text = self.text[begin:end] if complete else self.text[begin:offset]
        self.emit(ev.CallClosed(closed if complete else at, self.scene.turn, call, text, complete))
        self.emit(ev.CallEnded(ended, call, outcome))
        return ended, failed_at

    def _run(self, key: UnitKey, step: Step, started: float, ended: float) -> None:
        self.emit(ev.UnitStarted(started, key))
        for stream, text in ((Stream.STDOUT, step.out), (Stream.STDERR, step.err)):
            for i, line in enumerate(text.splitlines(keepends=True)):
                at = min(ended, started + (i + 1) * step.seconds / (text.count("\n") + 1))
                self.emit(ev.OutputReceived(at, key, stream, line))
        status = Status.ERROR if step.failure else Status.OK
        self.emit(ev.UnitFinished(ended, key, started, Outcome(status, step.failure)))


ANALYSIS = [
    Step("import json\nimport time\n\n"),
    Step("def load(q):\n    time.sleep(0.4)\n    return [q * 10 + i for i in range(3)]\n\n"),
    Step("rows = []\n"),
    Step("for q in range(4):\n    rows.append(load(q))\n", 1.1, out="loaded 4 quarters\n"),
    Step("\n# The mean of every quarter\nmeans = [sum(row) / len(row) for row in rows]\n", 0.15),
    Step("for q, mean in enumerate(means):\n    print(f'q{q} {mean:.1f}')\n", 0.45,
         out="q0 1.0\nq1 11.0\nq2 21.0\nq3 31.0\n", err="warning: q0 is small\n"),
    Step("best = max(range(4), key=means.__getitem__)\n", 0.2),
    Step("report = {'best': best, 'means': means}\n", 0.02),
    Step("print(json.dumps(report))\n", 0.6, out='{"best": 3, "means": [1.0, 11.0, 21.0, 31.0]}\n'),
]  # fmt: skip


def analysis(mode: str = "partial") -> Scene:
    """One call with slow statements, then the answer: the picture of the README."""
    scene = Scene(mode=mode).begin("quarters")
    scene.respond(
        "I will load the quarters and compare their means.\n\n", ("python", "python", ANALYSIS)
    )
    return scene.respond("The best quarter is the last one, with a mean of 31.\n").end(
        "The best quarter is the last one, with a mean of 31."
    )


def two_lanes() -> Scene:
    """Two calls in one response, on states of their own: their lanes run side by side."""
    sql = [
        Step("CREATE TABLE sales (quarter INT, value REAL);\n", 0.05),
        Step("INSERT INTO sales SELECT * FROM staging;\n", 0.9, out="12 rows\n"),
        Step(
            "SELECT quarter, AVG(value) FROM sales GROUP BY quarter;\n", 0.5, out="0|1.0\n1|11.0\n"
        ),
    ]
    scene = Scene().begin("two-lanes")
    scene.respond("First the database.\n", ("sql", "database", sql), ("python", "python", ANALYSIS))
    return scene.end()


PLAN = [
    Step('$1 = search("Oslo")\n', 1.2, out='$1 = "709,037"\n', after=()),
    Step('$2 = search("Rome")\n', 0.9, out='$2 = "2,748,109"\n', after=()),
    Step('$3 = search("Bern")\n', 1.4, out='$3 = "134,506"\n', after=()),
    Step('$4 = calculator("${1} + ${2}")\n', 0.3, out="$4 = 3457146\n", after=(0, 1)),
    Step('$5 = calculator("${4} / ${3}")\n', 0.3, out="$5 = 25.7\n", after=(2, 3)),
]


def plan() -> Scene:
    """Steps of a plan that run side by side, others after what they use."""
    scene = Scene().begin("cities")
    return scene.respond("Three searches at once.\n", ("plan", "plan", PLAN)).end("25.7")


def failing() -> Scene:
    """A unit fails while later ones are ready: they are skipped, and the model tries again."""
    trace = "Traceback (most recent call last):\nZeroDivisionError: division by zero\n"
    boom = Failure("exception", "ZeroDivisionError", "division by zero", trace)
    bad = [
        Step("total = 0\n"),
        Step("for i in range(5):\n    total += i\n", 0.3),
        Step("print(total / 0)\n", 0.5, failure=boom),
        Step("print('never')\n"),
        Step("print('reached')\n"),
        Step("more = [load(name) for name in ('north', 'south', 'east', 'west')]\n"),
    ]
    good = [Step("print(total / 5)\n", 0.3, out="2.0\n")]
    scene = Scene().begin("failing")
    scene.respond("Let me divide.\n", ("python", "python", bad))
    return scene.respond("I divided by zero; again:\n", ("python", "python", good)).end("2.0")


def rolled_back() -> Scene:
    """A call that turns out invalid at its end: what ran of it is undone."""
    scene = Scene().begin("undo")
    scene.respond("I start.\n", ("python", "python", ANALYSIS[:6]), undo="one live thread")
    return scene.respond("Once more.\n", ("python", "python", ANALYSIS[:3])).end()


HOSTILE = (
    "\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b[2J\x1b[H\x1b[31mred\x9b5A\x90q\x9c\x1bPq\x1b\\"
    "back\x08\x08\r over \u202etxet\u2066 \u200b\U000e0041 \ud800 [bold red]markup[/] \x1b[?1049h"
)
"""Text that would set the title and the clipboard, clear, move, reorder, hide and crash."""


def hostile() -> Scene:
    """The same text wherever text of others can be."""
    failure = Failure("exception", HOSTILE, HOSTILE, HOSTILE)
    steps = [
        Step(f"x = '''{HOSTILE}'''\n", 0.2, out=HOSTILE + "\n", err=HOSTILE + "\n"),
        Step(f"y = '''{HOSTILE}'''\n", 0.2, failure=failure),
    ]
    scene = Scene().begin(HOSTILE)
    scene.respond(HOSTILE + "\n", ("python", HOSTILE, steps), undo=HOSTILE)
    return scene.end(HOSTILE)


def long_response(lines: int) -> Scene:
    """A response of so many lines, a unit each."""
    steps = [
        Step(f"value_{i} = compute({i}, 'some text', scale=1.5)\n", 0.02) for i in range(lines)
    ]
    return Scene(rate=2000).begin("long").respond("Many.\n", ("python", "python", steps))
