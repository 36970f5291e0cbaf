"""A real terminal emulator to draw on, and what it then shows."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterable

import pyte
from rich.console import Console

from conveyor_cli.engine.events import Event
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.views.live import Frame
from conveyor_cli.views.screen import Screen

OURS = re.compile(r"\x1b\[(\?25[hl]|\?2026[hl]|\d*A|[JK]|[\d;]*m)|[\r\n]")
"""All the codes that the views send."""


class Terminal(io.TextIOBase):
    """What is written to it is shown on `screen`, and kept in `sent`."""

    def __init__(self, width: int, height: int) -> None:
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.Stream(self.screen)
        self.sent = ""
        self.written = threading.Event()

    def write(self, text: str) -> int:
        self.screen_feed(text.replace("\n", "\r\n"))  # as a terminal's line discipline does
        self.written.set()
        return len(text)

    def screen_feed(self, text: str) -> None:
        """Show what came over a real terminal's line discipline."""
        self.sent += text
        self._stream.feed(text)

    def isatty(self) -> bool:
        return True

    def console(self, *, no_color: bool = False) -> Console:
        return Console(
            file=self,
            force_terminal=True,
            width=self.screen.columns,
            height=self.screen.lines,
            color_system="standard",
            no_color=no_color,
            _environ={},
        )

    @property
    def rows(self) -> list[str]:
        """What it shows, without spaces at the ends of rows and empty rows below."""
        return "\n".join(row.rstrip() for row in self.screen.display).rstrip().split("\n")

    @property
    def text(self) -> str:
        return "\n".join(self.rows)

    def foreign(self) -> str:
        """Characters that a terminal acts on, other than in the codes that are ours."""
        return re.sub(r"[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", "",
                      OURS.sub("", self.sent))  # fmt: skip


def fold(events: Iterable[Event]) -> Timeline:
    timeline = Timeline()
    for event in events:
        timeline.apply(event)
    return timeline


def show(
    events: Iterable[Event],
    now: float | None,
    size: tuple[int, int] = (80, 24),
    *,
    no_color: bool = False,
) -> Terminal:
    """A terminal with one frame of the live view on it."""
    terminal = Terminal(*size)
    console = terminal.console(no_color=no_color)
    screen = Screen(console)
    screen.open()
    screen.paint(Frame(fold(events), console).lines(now))
    screen.close()
    return terminal
