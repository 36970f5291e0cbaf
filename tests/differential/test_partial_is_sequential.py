"""Partial is sequential: every program, run both ways and whole in a plain Python, ends the same."""

from __future__ import annotations

import pytest

from tests.differential.conftest import Bench
from tests.differential.programs import Program, corpus
from tests.differential.results import Result, differences

pytestmark = pytest.mark.docker
CORPUS = corpus()


def parameters(programs: list[Program]) -> list[object]:
    return [pytest.param(program, id=program.name) for program in programs]


def check(program: Program, found: Result, expected: Result) -> None:
    """How it ended, what it wrote and what it left."""
    assert differences(found.ending, expected.ending) == []
    if not expected.invalid and not expected.died and "unseen" not in program.marks:
        assert found.left is not None
        assert differences(found.left, expected.left) == []


@pytest.mark.parametrize("program", parameters(CORPUS))
def test_program(bench: Bench, program: Program) -> None:
    """Output, error, shown value, variables, files and settings are those of one whole `exec`."""
    partial, sequential, expected = bench.run(program)
    check(program, sequential, expected)
    check(program, partial, expected)
