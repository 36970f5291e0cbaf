"""Hostile text is shown, not obeyed."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conveyor_cli.views.text import one_line, safe
from tests.cli.views.terminal import Terminal

ACTIVE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Controls, format characters, surrogates, line and paragraph separators."""


def test_every_character_that_acts_is_shown_as_an_escape() -> None:
    """All of Unicode: what is a control or a format character does not get through."""
    through = [
        hex(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in ACTIVE
        and chr(code) not in "\n\t"
        and chr(code) in safe(chr(code))
    ]
    assert through == []


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", "␛[2J"),
        ("\x1b]52;c;eA==\x07", "␛]52;c;eA==␇"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\x08\x7f", "a␍b␈␡"),
        ("\u202etxt\u2066", "\\u202etxt\\u2066"),
        ("\u200b\U000e0041", "\\u200b\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("line\r\nline\n\tend", "line\nline\n\tend"),
        ("naïve 日本 ✔ é", "naïve 日本 ✔ é"),
        ("[bold]x[/]", "[bold]x[/]"),
    ],
)
def test_it_looks_as_one_would_guess(hostile: str, shown: str) -> None:
    """Control pictures for the old controls, escapes for the rest, text as it is."""
    assert safe(hostile) == shown


def test_one_line_is_one_line() -> None:
    """Names and reasons do not break a row."""
    assert one_line(" a\nb\tc\r\n") == "a b c␍"


@given(st.text(st.characters(codec=None), max_size=40))
def test_a_terminal_does_not_react(text: str) -> None:
    """Any text, safe and on one row: no title, no mode, no cursor that moved elsewhere."""
    terminal = Terminal(600, 3)
    modes = set(terminal.screen.mode)
    terminal.write(safe(text.replace("\n", "").replace("\t", "")))
    terminal.sent.encode()
    assert terminal.screen.title == ""
    assert terminal.screen.mode == modes
    assert terminal.screen.cursor.y == 0
