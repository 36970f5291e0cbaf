"""The live view, on a real terminal emulator."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pexpect
import pytest

from conveyor_cli.engine import events as ev
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.views.live import LiveView
from tests.cli.views import scenes
from tests.cli.views.terminal import Terminal, show

SIZES = [(20, 10), (20, 24), (40, 12), (80, 10), (80, 24), (200, 50)]
MID = 4.6  # into the analysis: decoding has ended, units wait and run


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("now", [0.0, 0.5, 1.9, 3.0, MID, None])
def test_a_frame_fits_any_terminal(size: tuple[int, int], now: float | None) -> None:
    """Whatever the size and the moment, nothing scrolls away: the header is the first row."""
    scene = scenes.analysis()
    terminal = show(scene.events if now is None else scene.until(now), now, size)
    assert terminal.rows[0].startswith((" ▶ quart", " ✔ quart"))
    assert len(terminal.rows) <= size[1] - 1


@pytest.mark.parametrize("size", SIZES)
def test_the_chart_is_always_there(size: tuple[int, int]) -> None:
    """However small: the decode lane, the tool's lane and the axis."""
    text = show(scenes.analysis().until(MID), MID, size).text
    assert re.search(r"^ dec.*█", text, re.MULTILINE)
    assert re.search(r"^ pyt.*█.*▶", text, re.MULTILINE)
    assert re.search(r"^ ove.*━", text, re.MULTILINE)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_everything_is_in_view(size: tuple[int, int]) -> None:
    """Header, text, marks, both streams, metrics."""
    text = show(scenes.analysis().until(MID), MID, size).text
    for shown in (
        "smollm2-135m bf16 · docker · partial",
        "turn 1  2.8 s",
        "✔ rows = []",
        "▶ best = max(",
        "░ print(json",
        "q3 31.0",
        "! warning: q0 is small",
        "ttft 0.20 s",
        "60 tok/s",
        "overlap 1.0",
        "sequential would be ~ ",
    ):
        assert shown in text, shown


def test_narrow_and_low_terminals_drop_the_panes() -> None:
    """20 columns or 10 rows: status, chart and metrics only."""
    for size in ((20, 24), (80, 10)):
        assert "╭" not in show(scenes.analysis().until(MID), MID, size).text


@pytest.mark.parametrize(
    ("scene", "marked"),
    [
        (scenes.failing(), ["✘ print(total / 0)", "⊘ print('never')", "✘ ZeroDivisionError: div"]),
        (scenes.rolled_back(), ["↶ rows = []", "↶ rolled back (one live thread)"]),
        (scenes.analysis("sequential"), ["✔ rows = []", "sequential"]),
    ],
)
def test_states_have_a_glyph_beside_the_code(scene: scenes.Scene, marked: list[str]) -> None:
    """What became of each unit stands beside its line, without needing colour."""
    text = show(scene.events, None, (120, 50), no_color=True).text
    assert [mark for mark in marked if mark not in text] == []


def test_no_color_sends_no_colour() -> None:
    """NO_COLOR: bold, dim and reverse only."""
    sent = show(scenes.failing().events, None, no_color=True).sent
    codes = {code for codes in re.findall(r"\x1b\[([\d;]*)m", sent) for code in codes.split(";")}
    assert codes <= {"", "0", "1", "2", "3", "4", "7"}


@pytest.mark.parametrize("size", [(20, 10), (80, 24), (200, 50)])
def test_hostile_text_is_only_shown(size: tuple[int, int]) -> None:
    """Title, clipboard, modes, cursor and colours stay ours; the frame stays in shape."""
    terminal = show(scenes.hostile().events, None, size)
    assert terminal.foreign() == ""
    assert "\x1b[31mred" not in terminal.sent
    assert terminal.screen.title == ""
    terminal.sent.encode()
    assert len(terminal.rows) <= size[1] - 1
    assert terminal.screen.cursor.y == len(terminal.rows)


def test_markup_in_text_is_text() -> None:
    """Brackets of model and tools are shown, not interpreted."""
    assert "[bold red]markup[/]" in show(scenes.hostile().events, None, (200, 50)).text


def test_marks_follow_the_spans() -> None:
    """Comments have no mark; the lines of a statement after its first have a rule."""
    rows = show(scenes.analysis().events, None, (120, 50)).rows
    about = [row[2:25].rstrip() for row in rows]
    assert "  # The mean of every q" in about
    assert "✔ def load(q):" in about
    assert "│     time.sleep(0.4)" in about


def test_a_long_response_shows_its_end() -> None:
    """2,000 lines: the last ones are seen, each with its mark."""
    scene = scenes.long_response(2000)
    rows = show(scene.events, scene.at, (100, 24)).rows
    assert any("✔ value_1999 = compute(1999" in row for row in rows)
    assert not any("value_100 " in row for row in rows)


def test_events_are_drawn_while_the_run_goes_on() -> None:
    """Without being asked to, the view shows what it was told."""
    terminal = Terminal(80, 24)
    scene = scenes.analysis()
    with LiveView(Timeline(), terminal.console(), lambda: MID) as view:
        for event in scene.until(MID):
            view.apply(event)
        while "▶ best" not in terminal.text:
            terminal.written.clear()
            assert terminal.written.wait(30), terminal.text


def test_the_last_frame_stays() -> None:
    """After `stop` the whole run is on the screen, the cursor below it."""
    terminal = Terminal(80, 24)
    timeline = Timeline()
    view = LiveView(timeline, terminal.console(), lambda: 0.0)
    view.start()
    for event in scenes.analysis().events:
        view.apply(event)
    view.stop()
    assert timeline.ended is not None
    assert "✔ quarters" in terminal.rows[0]
    assert "efficiency 99" in terminal.text
    assert terminal.screen.cursor.y == len(terminal.rows)


def test_an_exception_gives_the_terminal_back() -> None:
    """The cursor is shown again, and the exception goes on."""
    terminal = Terminal(80, 24)

    def run() -> None:
        with LiveView(Timeline(), terminal.console(), lambda: 0.0):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert not terminal.screen.cursor.hidden


def test_a_mistake_of_the_view_is_raised_at_the_end() -> None:
    """It does not disturb the run, is not swallowed, and the terminal is restored."""
    terminal = Terminal(80, 24)
    view = LiveView(Timeline(), terminal.console(), lambda: 0.0)
    view.start()
    view.apply(ev.FirstToken(0.0, 7))  # of a turn that never began
    with pytest.raises(KeyError):
        view.stop()
    assert not terminal.screen.cursor.hidden


CHILD = """
import sys
from rich.console import Console
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.views.live import LiveView
from tests.cli.views import scenes
scene = scenes.analysis()
try:
    with LiveView(Timeline(), Console(stderr=True), lambda: 4.6) as view:
        for event in scene.until(4.6):
            view.apply(event)
        sys.stdin.readline()
        for event in scene.events:
            if event.at > 4.6:
                view.apply(event)
except KeyboardInterrupt:
    print("stopped")
    raise SystemExit(3)
print("after")
"""


def child(width: int, height: int) -> pexpect.spawn:
    environ = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": os.getcwd()}  # noqa: PTH109 - as is
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        environ.pop(name, None)
    return pexpect.spawn(
        sys.executable, ["-c", CHILD], dimensions=(height, width), env=environ, timeout=60,
        encoding="utf-8", cwd=Path.cwd(),
    )  # fmt: skip


def read_until(process: pexpect.spawn, terminal: Terminal, text: str) -> None:
    """Feed the terminal with what the process sends until it shows the text."""
    while text not in terminal.text:
        terminal.screen_feed(process.read_nonblocking(4096, timeout=60))


def test_on_a_real_terminal_of_any_size() -> None:
    """A process on a pty: drawn, resized while it runs, and left with its last frame."""
    terminal = Terminal(80, 24)
    process = child(80, 24)
    read_until(process, terminal, "▶ best")
    process.setwinsize(30, 120)
    terminal.screen.resize(30, 120)
    read_until(process, terminal, "return [q * 10 + i for i in range(3)]")
    process.sendline()
    read_until(process, terminal, "after")
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0
    assert terminal.rows[-1] == "after"
    assert "efficiency 99.8%" in terminal.rows[-2]
    assert not terminal.screen.cursor.hidden


def test_interrupted_on_a_real_terminal() -> None:
    """Ctrl-C: the terminal is as before, the frame stays."""
    terminal = Terminal(80, 24)
    process = child(80, 24)
    read_until(process, terminal, "▶ best")
    process.kill(signal.SIGINT)
    read_until(process, terminal, "stopped")
    process.expect(pexpect.EOF)
    terminal.screen_feed(process.before or "")
    process.close()
    assert process.exitstatus == 3
    assert not terminal.screen.cursor.hidden
