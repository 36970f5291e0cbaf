"""Each difference that remains by nature shows where it should, and nowhere else."""

from __future__ import annotations

import pytest

from tests.differential.arms import in_fences
from tests.differential.conftest import Bench
from tests.differential.known import KNOWN, Difference
from tests.differential.programs import Program
from tests.differential.results import Result, differences

pytestmark = pytest.mark.docker

PAUSE = 0.15
"""Seconds between two statements that arrive slowly."""


def places(one: Result, other: Result) -> list[str]:
    """Where two results differ."""
    lines = differences(one.ending, other.ending)
    if not one.invalid and not other.invalid:
        lines += differences(one.left, other.left)
    return sorted(line.partition(": ")[0] for line in lines)


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_difference(bench: Bench, known: Difference) -> None:
    """It is there in just these parts of the result, and the modes are alike all the same."""
    marks = frozenset({"awaits"} if known.awaits else ())
    partial, sequential, expected = bench.run(Program(known.name, known.program, marks))
    assert places(partial, expected) == sorted(known.differs)
    assert places(partial, sequential) == []


def run_slowly(bench: Bench, *statements: str, awaits: bool = False) -> tuple[Result, Result]:
    """Partial with a pause after each statement, and the oracle."""
    text = "".join(statements)
    opening, _, _ = in_fences(text).partition(text)
    pieces = [(0.0, opening), *((PAUSE, statement) for statement in (*statements, "```\n"))]
    marks = frozenset({"awaits"} if awaits else ())
    partial, _, expected = bench.run(Program("slow", text, marks), pieces)
    return partial, expected


def test_time_passes_between_statements(bench: Bench) -> None:
    """A program that looks at the clock sees how its text was decoded."""
    program = ("import time; a = time.monotonic()\n", "print(time.monotonic() - a > 0.1); del a\n")
    partial, expected = run_slowly(bench, *program)
    assert (partial.stdout, expected.stdout) == ("True\n", "False\n")


def test_threads_run_while_text_is_decoded(bench: Bench) -> None:
    """A thread goes on between statements."""
    program = (
        "import threading, time; seen = []\n",
        "t = threading.Timer(0.05, lambda: seen.append(1)); t.start()\n",
        "print(seen); t.join(); del t\n",
    )
    partial, expected = run_slowly(bench, *program)
    assert (partial.stdout, expected.stdout) == ("[1]\n", "[]\n")


def test_tasks_run_while_text_is_decoded(bench: Bench) -> None:
    """So does a task."""
    program = (
        "import asyncio; seen = []\n",
        "async def work(): seen.append(1)\n",
        "task = asyncio.create_task(work())\n",
        "print(seen); await task; del task\n",
    )
    partial, expected = run_slowly(bench, *program, awaits=True)
    assert (partial.stdout, expected.stdout) == ("[1]\n", "[]\n")


def test_the_session_goes_on(bench: Bench) -> None:
    """What a script does at its exit is not done at the end of a call."""
    program = "import atexit\nf = atexit.register(print, 'bye')\n"
    partial, _, _ = bench.run(Program("atexit", program))
    assert (partial.stdout, bench.oracle.run_script(program)[0]) == ("", "bye\n")


def test_frames_below_are_ours(bench: Bench) -> None:
    """Below the program's own frames on the stack are those that run it."""
    program = "import traceback\nprint(len(traceback.extract_stack()) == 1)\n"
    partial, _, _ = bench.run(Program("stack", program))
    assert (partial.stdout, bench.oracle.run_script(program)[0]) == ("False\n", "True\n")
