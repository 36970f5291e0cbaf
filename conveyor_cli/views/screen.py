"""A region at the end of the terminal's output that is repainted in place, line by line.

rich's own `Live` erases and rewrites every line of every frame. Here only lines that changed are
written, within one synchronized update, so that nothing flickers and a slow line is not flooded.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, ConsoleRenderable, RenderHook
from rich.segment import ControlType, Segment

Line = list[Segment]
"""One row of a frame: printable segments without newlines, no wider than the terminal."""


class Screen(RenderHook):
    """Paints frames on a console. Its last frame stays where it is.

    What others print on the same console while it is open lands above the frame. Not covered: text
    that reaches the terminal by another way than this console.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: list[Line] = []
        self._size = console.size
        self._painting = False

    def open(self) -> None:
        """Take the console over. The cursor is hidden until `close`."""
        self._console.push_render_hook(self)
        self._write([_control("\x1b[?25l")])

    def close(self) -> None:
        """Leave the last frame as it is and give the console back."""
        self._console.pop_render_hook()
        self._write([_control("\x1b[?25h"), *([Segment.line()] if self._shown else [])])
        self._shown = []

    def paint(self, lines: Sequence[Line]) -> None:
        """Show a frame. Costs what has changed since the one before."""
        if self._size != self._console.size:
            self._write(self._erased())
            self._size = self._console.size
        self._write([_control("\x1b[?2026h"), *self._changed(lines), _control("\x1b[?2026l")])
        self._shown = list(lines)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Put what others print above the frame (called by the console)."""
        if self._painting or not self._shown:
            return renderables
        above, self._shown = self._erased(), []
        return [_Raw(above), *renderables]

    def _changed(self, lines: Sequence[Line]) -> list[Segment]:
        """What turns the frame on the screen into `lines`. The cursor rests on the last row."""
        shown = self._shown
        out = [_control("\r" + (f"\x1b[{len(shown) - 1}A" if len(shown) > 1 else ""))]
        for i, line in enumerate(lines):
            if i:
                out.append(Segment("\n"))
            # The last row is always written: a terminal's echo of ^C lands there.
            if i >= len(shown) or line != shown[i] or i == len(lines) - 1:
                out += line
                if Segment.get_line_length(line) < self._console.width:
                    out.append(_control("\x1b[K"))
        if len(shown) > len(lines):
            out.append(_control("\x1b[J"))
        return out

    def _erased(self) -> list[Segment]:
        """What removes the frame, also after the terminal became narrower and broke its lines."""
        width = max(1, self._console.width)
        rows = sum(max(1, -(-Segment.get_line_length(line) // width)) for line in self._shown)
        self._shown = []
        return [_control("\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "") + "\x1b[J")]

    def _write(self, segments: list[Segment]) -> None:
        self._painting = True
        try:
            self._console.print(_Raw(segments), end="", crop=False)
        finally:
            self._painting = False


class _Raw:
    """Segments that are printed as they are."""

    def __init__(self, segments: list[Segment]) -> None:
        self._segments = segments

    def __rich_console__(self, *_: object) -> list[Segment]:
        return self._segments


def _control(codes: str) -> Segment:
    """Codes for the terminal, which take no room."""
    return Segment(codes, None, [(ControlType.HOME,)])
