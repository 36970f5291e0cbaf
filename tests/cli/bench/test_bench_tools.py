"""`conveyor bench tools`: figures of real runs, one row a task."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import Command

PLAN = '>>>\n$1 = calculator("6 * 7")\n$2 = calculator("${1} + 1")\n<<<\n<<<turn>>>\n43.\n'


def task(folder: Path, name: str, expected: str) -> str:
    (folder / "script.txt").write_text(PLAN)
    path = folder / f"{name}.yaml"
    settings = {
        "name": name,
        "prompt": "6 times 7, and one more?",
        "model": {"backend": "scripted", "script": "script.txt", "rate": 500},
        "tools": ["plan", "calculator"],
        "expect": {"result_contains": expected},
    }
    path.write_text(json.dumps(settings))
    return path.name


def test_a_row_a_task(conveyor: Command) -> None:
    """With the times of both modes, and what the one saves of the other."""
    names = [task(conveyor.folder, "one", "43"), task(conveyor.folder, "two", "43")]
    done = conveyor("bench", "tools", *names, "--runs", "1", "--json")
    assert done.code == 0, done.err
    assert [row["task"] for row in done.json] == ["one", "two"]
    for row in done.json:
        assert row["tools"] == "plan"
        assert row["sequential_s"] > row["tool_s"] > 0
        saved = 1 - row["partial_s"] / row["sequential_s"]
        assert row["reduction"] == pytest.approx(saved, abs=2e-4)  # of rounded times


def test_figures_of_what_went_wrong_do_not_count(conveyor: Command) -> None:
    """They are shown, with the reason, and the exit code says so."""
    done = conveyor("bench", "tools", task(conveyor.folder, "wrong", "44"), "--runs", "1")
    assert done.code == 1
    assert "wrong: expect.result_contains: no call's result contains '44'" in done.err


def test_no_tasks(conveyor: Command) -> None:
    done = conveyor("bench", "tools")
    assert done.code == 2
    assert "name task files" in done.err


def test_what_is_loaded_first_is_not_measured(conveyor: Command) -> None:
    """Each task is run once more than is counted, so that no mode pays for the tool's start."""
    conveyor.write(
        "mytools.py",
        "import pathlib\n"
        "from conveyor_tools.function import tool\n"
        '@tool(effects="pure")\n'
        "def note() -> int:\n"
        '    """Note that it was called."""\n'
        "    with pathlib.Path(__file__).with_name('log').open('a') as file:\n"
        "        file.write('.')\n"
        "    return 43\n",
    )
    task(conveyor.folder, "one", "43")
    (conveyor.folder / "script.txt").write_text(">>>\n$1 = note()\n<<<\n<<<turn>>>\n43.\n")
    done = conveyor("bench", "tools", "one.yaml", "--runs", "2", "--trust", "--json",
                    "-c", "tools=[plan, ./mytools.py:note]")  # fmt: skip
    assert done.code == 0, done.err
    assert (conveyor.folder / "log").read_text() == "." * (2 * 2 + 1)
