"""The screen: frames repainted in place."""

from __future__ import annotations

from rich.segment import Segment

from conveyor_cli.views.screen import Line, Screen
from tests.cli.views.terminal import Terminal


def lines(*texts: str) -> list[Line]:
    return [[Segment(text)] for text in texts]


def opened(width: int = 20, height: int = 8) -> tuple[Terminal, Screen]:
    terminal = Terminal(width, height)
    terminal.write("$ before\n")
    screen = Screen(terminal.console())
    screen.open()
    return terminal, screen


def test_a_frame_replaces_the_one_before() -> None:
    """The new frame stands where the old one stood; what was above it stays."""
    terminal, screen = opened()
    screen.paint(lines("one", "two", "three"))
    screen.paint(lines("one", "2", "three"))
    screen.close()
    assert terminal.rows == ["$ before", "one", "2", "three"]


def test_unchanged_lines_are_not_sent_again() -> None:
    """Only what changed is written, and the last line, where ^C may have been echoed."""
    terminal, screen = opened()
    screen.paint(lines("first", "second", "last"))
    terminal.sent = ""
    screen.paint(lines("first", "SECOND", "last"))
    assert "first" not in terminal.sent
    assert "SECOND" in terminal.sent


def test_frames_may_grow_and_shrink() -> None:
    """Growing scrolls, shrinking leaves nothing behind."""
    terminal, screen = opened(height=4)
    screen.paint(lines("a"))
    screen.paint(lines("a", "b", "c", "d"))
    assert terminal.rows == ["a", "b", "c", "d"]
    screen.paint(lines("x", "y"))
    screen.close()
    assert terminal.rows == ["x", "y"]


def test_a_line_as_wide_as_the_terminal_does_not_wrap() -> None:
    """The last column is used, and nothing is lost or doubled."""
    terminal, screen = opened(width=6)
    for _ in range(3):
        screen.paint(lines("123456", "ab", "654321"))
    screen.paint(lines("123456", "AB", "654321"))
    screen.close()
    assert terminal.rows[-3:] == ["123456", "AB", "654321"]


def test_others_print_above_the_frame() -> None:
    """A log line on the same console lands above, and the frame comes again below."""
    terminal = Terminal(20, 8)
    console = terminal.console()
    screen = Screen(console)
    screen.open()
    screen.paint(lines("frame 1", "end 1"))
    console.print("a log line")
    screen.paint(lines("frame 2", "end 2"))
    screen.close()
    assert terminal.rows == ["a log line", "frame 2", "end 2"]


def test_a_resized_terminal_gets_a_whole_frame() -> None:
    """After a change of size the old frame is gone and the new one complete."""
    terminal = Terminal(40, 8)
    console = terminal.console()
    screen = Screen(console)
    screen.open()
    screen.paint(lines("x" * 40, "y" * 40))
    for width in (60, 30, 50):
        terminal.screen.resize(8, width)
        console.size = (width, 8)  # type: ignore[assignment]  # rich takes any pair
        screen.paint(lines("X" * width, "Y" * width))
    screen.close()
    assert terminal.rows == ["X" * 50, "Y" * 50]


def test_the_terminal_is_given_back() -> None:
    """The cursor is hidden meanwhile; afterwards it is seen, below the last frame."""
    terminal, screen = opened()
    screen.paint(lines("one", "two"))
    assert terminal.screen.cursor.hidden
    screen.close()
    assert not terminal.screen.cursor.hidden
    assert (terminal.screen.cursor.x, terminal.screen.cursor.y) == (0, 3)
