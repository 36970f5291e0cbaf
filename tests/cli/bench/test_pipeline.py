"""The pipeline benchmark: what it takes for perfect, and that a run can be held against it."""

from __future__ import annotations

import asyncio

import pytest

from conveyor_cli.bench.pipeline import CASES, LINES, Case, measure_case
from conveyor_cli.task import Task
from conveyor_tools.splitters.python import PythonSplitter


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_program_is_what_the_case_says(case: Case) -> None:
    """Forty one-line statements, as many of them sleeping as it says."""
    program = case.program()
    splitter = PythonSplitter()
    units = splitter.feed("".join(line + "\n" for line in program)) + splitter.flush()
    assert len(units) == len(program) == LINES
    assert sum("sleep" in line for line in program) == case.calls


def test_perfect_is_never_less_than_decoding_or_sleeping() -> None:
    """The perfect pipeline decodes all the text, and sleeps one sleep after another."""
    for case in CASES:
        decoding = (len(case.response()) + len("Done.")) / 4 / 60
        assert case.perfect() >= max(decoding, case.calls * case.sleep)


def test_perfect_of_a_case_worked_out_by_hand() -> None:
    """One sleep at the second line: it starts when that line is decoded."""
    case = Case(1, 5.0)
    read = len("```python\nimport time\ntime.sleep(5.0)\n")
    last = 2 / 60  # the answer, five characters
    assert case.perfect() == pytest.approx(-(-read // 4) / 60 + 5.0 + last)


@pytest.mark.parametrize("kind", [pytest.param("docker", marks=pytest.mark.docker), "local"])
def test_a_run_comes_after_the_perfect_pipeline(kind: str) -> None:
    """No run beats the perfect pipeline: then the reckoning would be wrong."""
    task = Task.model_validate({"name": "bench", "prompt": "-", "sandbox": {"kind": kind}})
    result = asyncio.run(measure_case(Case(2, 0.1), task, lambda _what, _fraction: None))
    assert result.overhead > 0
    assert result.metrics.wall_s == pytest.approx(result.wall, rel=0.05)
