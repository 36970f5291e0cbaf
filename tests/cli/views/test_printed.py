"""What tools print, between two frames of the live view."""

from __future__ import annotations

from conveyor_cli.views.printed import Printed


def test_lines_come_when_they_are_complete() -> None:
    printed = Printed()
    assert printed.take() == ""
    printed.write("one\ntw")
    assert printed.take() == "one"
    printed.write("o\x1b[2J\n\n")
    assert printed.take() == "two\u241b[2J\n"
    printed.write("three")
    assert (printed.take(), printed.take(final=True), printed.take(final=True)) == ("", "three", "")


def test_a_flood_is_cut_visibly() -> None:
    """However it comes; the next frame has room again."""
    printed = Printed()
    for _ in range(1000):
        printed.write("x" * 999 + "\n")
    shown = printed.take()
    assert len(shown) < 70_000
    assert shown.endswith(f"… ({1_000_000 - 64 * 1024} characters more)")
    printed.write("again\n")
    assert printed.take() == "again"
