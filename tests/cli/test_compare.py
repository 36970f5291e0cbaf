"""`conveyor compare`: both modes of one task, and what the difference comes to."""

from __future__ import annotations

import pytest

from tests.cli.command import Command

SLOW = "```python\nimport time\ntime.sleep(0.3)\nprint(1)\n" + "# more text\n" * 8 + "```"


def test_the_comparison_as_json(conveyor: Command) -> None:
    """Both modes' runs and medians, the reduction, the same result."""
    script = conveyor.script(SLOW, "done")
    done = conveyor("compare", "-p", "hi", "--script", script, "--sandbox", "local", "--runs", "2",
                    "--json")  # fmt: skip
    assert done.code == 0
    found = done.json
    assert found["same_result"] is True
    assert found["differences"] == []
    assert found["saved_tokens"] == 0
    for mode in ("sequential", "partial"):
        runs = found[mode]["runs"]
        assert [run["mode"] for run in runs] == [mode, mode]
        assert len({run["run_id"] for run in runs}) == 2
        assert set(found[mode]["median"]) == {
            "wall_s", "decode_s", "tool_s", "overlap_s", "exposed_tool_s", "efficiency"
        }  # fmt: skip
    assert found["sequential"]["median"]["overlap_s"] == 0
    assert found["partial"]["median"]["overlap_s"] > 0.2
    walls = [found[mode]["median"]["wall_s"] for mode in ("partial", "sequential")]
    assert 0 < found["reduction"] < 1
    assert walls[0] < walls[1]
    assert len(conveyor.journals()) == 4


def test_both_charts_share_one_axis(conveyor: Command) -> None:
    """The rulers are the same, so the shorter run visibly ends first; below them the table."""
    script = conveyor.script(SLOW, "done")
    done = conveyor("compare", "-p", "hi", "--script", script, "--sandbox", "local", COLUMNS="100")
    assert done.code == 0
    rows = done.out.splitlines()
    rulers = [row for row in rows if row.lstrip().startswith("0.0 s")]
    assert len(rulers) == 2
    assert rulers[0] == rulers[1]
    bars = [row.rstrip() for row in rows if row.startswith(" decode")]
    assert len(bars[1]) < len(bars[0])
    for word in ("wall", "decode", "tool", "overlap", "exposed", "reduction", "same result: yes"):
        assert word in done.out


def test_a_program_that_depends_on_time_differs(conveyor: Command) -> None:
    """`same result: no`, what differs is named, and the exit code is 1."""
    script = conveyor.script("```python\nimport time\nprint(time.time_ns())\n```", "done")
    args = ("compare", "-p", "hi", "--script", script, "--sandbox", "local")
    done = conveyor(*args)
    assert done.code == 1
    assert "same result: no" in done.out
    assert "calls" in done.out
    found = conveyor(*args, "--json").json
    assert found["same_result"] is False
    assert "calls" in found["differences"]


def test_early_stop_saves_tokens(conveyor: Command) -> None:
    """What was not decoded is counted, and shown."""
    script = conveyor.script("```python\n1/0\n" + "x = 1\n" * 100 + "```", "done")
    done = conveyor("compare", "-p", "hi", "--script", script, "--sandbox", "local", "--rate",
                    "200")  # fmt: skip
    assert done.code == 0
    assert "tokens not decoded" in done.out


@pytest.mark.parametrize("flag", [[], ["--json"]])
def test_an_expectation_that_is_not_met(conveyor: Command, flag: list[str]) -> None:
    """Exit code 1, said once on standard error."""
    script = conveyor.script("done")
    done = conveyor("compare", "-p", "hi", "--script", script, "--sandbox", "local",
                    "-c", "expect.answer_contains=more", *flag)  # fmt: skip
    assert done.code == 1
    assert "answer_contains" in done.complaint


def test_a_run_that_cannot_be_done_ends_it(conveyor: Command) -> None:
    """One line and the exit code of what was wrong."""
    script = conveyor.script("```python\n1\n```")
    done = conveyor("compare", "-p", "hi", "--script", script, "--sandbox", "local")
    assert done.code == 4
    assert "the script ended" in done.complaint
