"""The model's pane, where calls stand as JSON in the response."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from conveyor_cli.engine import events as ev
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.views.panes import ModelPane
from conveyor_sandbox.reports import Outcome, Status, UnitKey
from conveyor_tools.splitters.python import PythonSplitter

CODE = 'if x:\n  y = "\\t😀"\n# so\nprint(y)\nz = 1'
HEAD = '<tool_call>\n{"name": "python", "arguments": {"code": "'
TAIL = '"}}\n</tool_call>\nafter'


def shown(decoded: str, *, ascii_json: bool) -> list[str]:
    """The pane's rows when the first call is over and so much of the second one is decoded."""
    inside = json.dumps(CODE, ensure_ascii=ascii_json)[1:-1]
    first = f"So:\n{HEAD}{inside}{TAIL}\n"
    timeline = Timeline()
    pane = ModelPane(timeline, Console(width=60))
    timeline.apply(ev.TurnStarted(0.0, 1))
    timeline.apply(ev.DeltaDecoded(0.0, 1, first, 1))
    for number, start in ((1, len("So:\n" + HEAD)), (2, len(first + HEAD))):
        if number == 2:
            timeline.apply(ev.DeltaDecoded(0.0, 1, decoded, 1))
        timeline.apply(ev.CallOpened(0.0, 1, number, "python", "python", start, literal=True))
        splitter = PythonSplitter()
        units = splitter.feed(CODE if number == 1 else "a = 1\n")
        for unit in units + (splitter.flush() if number == 1 else []):
            key = UnitKey(number, unit.index)
            timeline.apply(ev.UnitReady(0.0, key, unit.span, unit.text))
            pane.rows(60, 30)
            timeline.apply(ev.UnitFinished(0.0, key, 0.0, Outcome(Status.OK)))
    timeline.calls[1].text = CODE
    return [row.plain.rstrip() for row in pane.rows(60, 30)]


@pytest.mark.parametrize("ascii_json", [True, False])
def test_code_in_json_is_shown_as_code(ascii_json: bool) -> None:  # noqa: FBT001 - a parameter
    """Decoded, with the marks of its units; the line under way too, up to an unfinished escape."""
    rows = shown(f'{HEAD}a = 1\\nb = \\"\\u00', ascii_json=ascii_json)
    assert rows == [
        "So:",
        "<tool_call>",
        '{"name": "python", "arguments": {"code": "',
        "✔ if x:",
        '│   y = "\\t😀"',
        "  # so",
        "✔ print(y)",
        "✔ z = 1",
        '"}}',
        "</tool_call>",
        "after",
        "<tool_call>",
        '{"name": "python", "arguments": {"code": "',
        "✔ a = 1",
        '  b = "',
    ]
