"""The plain view: lines for pipes and logs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from conveyor_cli.engine import events as ev
from conveyor_cli.views.plain import PlainView
from tests.cli.views import scenes
from tests.cli.views.terminal import Terminal


def printed(scene: scenes.Scene, width: int = 80) -> list[str]:
    out = io.StringIO()
    view = PlainView(Console(file=out, width=width, _environ={}))
    for event in scene.events:
        view.apply(event)
    assert "\x1b" not in out.getvalue()
    return out.getvalue().split("\n")


def test_facts_stand_in_their_order_with_their_times() -> None:
    """A unit: ready, started, its output, its end; seconds since the first turn began."""
    lines = printed(scenes.analysis())
    about = [line for line in lines if " 1.3 " in line or "loaded" in line]
    assert about == [
        "    1.083  unit       1.3 ready, lines 9-10: for q in range(4):",
        "    1.084  unit     ▶ 1.3 started",
        "    1.634  stdout   │ loaded 4 quarters",
        "    2.184  unit     ✔ 1.3 ok after 1.10 s",
    ]


def test_the_models_text_comes_line_by_line() -> None:
    """Tokens are joined to lines; a last line without a newline is not lost."""
    scene = scenes.Scene().begin().respond("First line\nand an unfinished end")
    scene.respond("The next turn").end()
    model = [line[20:] for line in printed(scene) if " model    │" in line]
    assert model == ["│ First line", "│ and an unfinished end", "│ The next turn"]


def test_a_run_that_is_cut_off_keeps_its_last_line() -> None:
    """Nothing of the model's text is lost where decoding never ended."""
    scene = scenes.Scene().begin().respond("cut off in the midd")
    last = max(i for i, e in enumerate(scene.events) if isinstance(e, ev.DeltaDecoded))
    del scene.events[last + 1 :]
    assert any(line.endswith("│ cut off in the midd") for line in printed(scene.end()))


def test_streams_are_told_apart() -> None:
    """Standard error has its name and a mark."""
    assert any(" stderr   ! warning: q0 is small" in line for line in printed(scenes.analysis()))


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        (
            scenes.failing(),
            ["✘ 1.2 error after 0.50 s", "│ ZeroDivisionError: d", "⊘ 1.3 skipped", "✘ 1 error"],
        ),
        (scenes.rolled_back(), ["↶ 1 rolled back (one live thread)"]),
    ],
)
def test_bad_ends_are_said_in_words(scene: scenes.Scene, said: list[str]) -> None:
    """Failed, skipped, rolled back."""
    text = "\n".join(printed(scene))
    assert [what for what in said if what not in text] == []


def test_it_ends_with_the_chart_and_the_metrics() -> None:
    """After the run's end: decode lane, tool lane, axis, numbers."""
    lines = [line for line in printed(scenes.analysis()) if line]
    tail = lines[-6:]
    first = [line.split()[0] for line in tail]
    assert first == ["decode", "python", "overlap", "0", "ttft", "exposed"]
    assert all(len(line) <= 80 for line in tail)


def test_a_long_line_is_not_broken() -> None:
    """Pipes have no width: a line of output is one line."""
    steps = [scenes.Step("print('x' * 500)\n", 0.1, out="x" * 500 + "\n")]
    scene = scenes.Scene().begin().respond("", ("python", "python", steps)).end()
    assert any(line.endswith("│ " + "x" * 500) for line in printed(scene, width=40))


def test_hostile_text_is_only_shown() -> None:
    """On a terminal nothing of it acts, and every line can be encoded."""
    terminal = Terminal(120, 60)
    view = PlainView(terminal.console())
    for event in scenes.hostile().events:
        view.apply(event)
    assert terminal.foreign() == ""
    assert terminal.screen.title == ""
    assert "\x1b[31mred" not in terminal.sent
    assert "[bold red]markup[/]" in terminal.sent
    terminal.sent.encode()


def test_a_run_without_a_turn_ends_in_a_line() -> None:
    """No model, no chart: the reason is said."""
    scene = scenes.Scene()
    scene.events = [ev.RunEnded(0.0, ev.RunStatus.FAILED, None, "no model")]
    assert printed(scene) == ["    0.000  run        failed: no model", ""]
