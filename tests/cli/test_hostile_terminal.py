"""Hostile output: code that would steer the user's terminal, by every way that leads there.

Through the real command, on a real terminal. The controls: what the code said did come to the
command (it is in its journal); and the same text, printed by something that does not care, acts.
"""

from __future__ import annotations

import pytest

from tests.cli.command import Command, Typed
from tests.cli.views.terminal import Terminal

TITLE, CLIPBOARD = "\x1b]0;owned\x07", "\x1b]52;c;b3duZWQ=\x07"
SEQUENCES = (
    TITLE, CLIPBOARD, "\x1b[2J\x1b[H", "\x1b[5B", "\x1b[31mred", "\x1b[?1049h", "\x1b[6n", "\x1bc",
    "\x1b]8;;file:///etc/passwd\x1b\\link\x1b]8;;\x1b\\", "\x1bPq#0~\x1b\\", "\x1b[20t", "\x1b#8",
    "\x9b5A", "\x9d0;owned\x9c", "a\x08\x08b", "over\rwritten", "\u202etxet\u2066", "\u200b",
)  # fmt: skip
"""Title, clipboard, clear, move, colour, other screen, an answer typed for the user, reset, a link,
an image, a report, a test pattern; two by their one-byte names; what covers, reorders and hides."""
TEXT = "".join(SEQUENCES)
WAYS = {
    "standard output": "print(text)",
    "standard error": "import sys; print(text, file=sys.stderr)",
    "bytes": "import os; os.write(1, text.encode())",
    "a child": "import subprocess, sys; subprocess.run([sys.executable, '-c', f'print({text!r})'])",
    "a value": "class Value:\n    __repr__ = lambda self: text\nValue()",
    "an error": "raise ValueError(text)",
    "an error's type": "raise type(text, (Exception,), {})",
    "an error's notes": "error = ValueError()\nerror.add_note(text)\nraise error",
    "a file's name": "open(text.replace('/', '')[:80], 'w').write('x')",
    "a file's content": "open('file.txt', 'w').write(text)",
}
SOURCES = {
    "the call": f"```python\nx = '''{TEXT}'''\n```",
    "the response": f"Look: {TEXT}\n```python\nx = 1\n```",
    "a tool's name": f"```{TEXT.splitlines()[0]}\nx = 1\n```",
}


@pytest.fixture(params=["live", pytest.param("plain", marks=pytest.mark.full)])
def view(request: pytest.FixtureRequest) -> list[str]:
    return ["--plain"] if request.param == "plain" else []


def shown(conveyor: Command, response: str, *options: str) -> Typed:
    """A run's terminal, when it has ended."""
    script = conveyor.script(response, "Done.")
    typed = conveyor.terminal("run", "-p", "hi", "--script", script, "--sandbox", "local",
                              "--rate", "100000", *options, size=(120, 50))  # fmt: skip
    assert typed.wait() in (0, 1)
    return typed


def harmless(typed: Typed) -> None:
    """Nothing of it has acted."""
    assert typed.terminal.foreign() == ""
    assert typed.terminal.screen.title == ""
    assert "\x1b[31mred" not in typed.terminal.sent


@pytest.mark.parametrize("way", WAYS)
def test_output_does_not_steer_the_terminal(conveyor: Command, way: str, view: list[str]) -> None:
    code = f"```python\ntext = {TEXT!a}\n{WAYS[way]}\n```"
    folder = conveyor.home / "project"
    folder.mkdir()
    typed = shown(conveyor, code, "--workspace", str(folder), "--apply", "never",
                  "--save-files", str(conveyor.folder / "saved"), *view)  # fmt: skip
    harmless(typed)
    said = "".join(map(str, conveyor.journal()))
    assert "owned" in (typed.terminal.sent if "file" in way else said)


@pytest.mark.parametrize("source", SOURCES)
def test_a_response_does_not_steer_the_terminal(
    conveyor: Command, source: str, view: list[str]
) -> None:
    harmless(shown(conveyor, SOURCES[source], *view))
    assert TITLE in "".join(str(event.get("text", "")) for event in conveyor.journal())


def test_control() -> None:
    """Each of them, sent as it is, is seen to act."""
    for sequence in SEQUENCES:
        terminal = Terminal(80, 24)
        terminal.screen_feed(sequence)
        acts = terminal.foreign() or "\x1b[31mred" in terminal.sent
        assert acts or sequence == "over\rwritten", ascii(sequence)
