"""The question before a call: a model cannot write the call so that what it does is not shown."""

from __future__ import annotations

import json

import pytest

from conveyor_cli.views.asked import asked
from conveyor_cli.views.live import Frame
from tests.cli.views import scenes
from tests.cli.views.terminal import Terminal, fold

EVIL = "https://evil.example/steal"


def test_a_short_call_is_shown_as_it_is() -> None:
    assert asked("send", '{"to": "bob"}') == 'Allow the model to call send {"to":"bob"}? [y/N]'


@pytest.mark.parametrize("before", [{"body": "x" * 9000}, {f"h{n}": "y" * 90 for n in range(99)}])
def test_no_argument_hides_behind_others(before: dict[str, str]) -> None:
    question = asked("http", json.dumps({**before, "method": "DELETE", "url": EVIL}))
    assert f'"method":"DELETE","url":"{EVIL}"' in question
    assert "characters more)" in question
    assert len(question) < 2000


def test_escapes_of_json_do_not_hide_what_they_stand_for() -> None:
    escaped = "".join(f"\\u{ord(char):04x}" for char in EVIL)
    assert EVIL in asked("http", f'{{"url": "{escaped}"}}')


@pytest.mark.parametrize(
    "arguments",
    ['{"a": "\\u001b[2J\\u202e\\u200b"}', "\x1b[2J\u202e\u200b", '{"\\u001b]0;x\\u0007": 1}'],
)
def test_a_question_does_not_steer_the_terminal(arguments: str) -> None:
    question = asked("send\x1b[2J\n", arguments)
    assert not {"\x1b", "\n", "\u202e", "\u200b", "\x07"} & set(question)


@pytest.mark.parametrize("size", [(20, 10), (40, 12), (80, 24), (200, 50)])
def test_the_live_view_shows_all_of_it_or_its_ends(size: tuple[int, int]) -> None:
    terminal = Terminal(*size)
    frame = Frame(fold(scenes.analysis().until(4.6)), terminal.console())
    frame.question = asked("http", json.dumps({"body": "x" * 9000, "url": EVIL}))
    lines = ["".join(part.text for part in line) for line in frame.lines(4.6)]
    assert len(lines) < size[1]
    assert any("? Allow" in line for line in lines)
    assert any("[y/N]" in line for line in lines)
    if size[0] >= 80:  # where there is room for it
        assert EVIL in "".join(lines)
