"""Partial is sequential: in both modes and whole in plain Python, programs end the same."""

from __future__ import annotations

import random

import pytest

from tests.differential import library
from tests.differential.arms import in_fences
from tests.differential.chopping import ragged
from tests.differential.conftest import Bench
from tests.differential.programs import Program, corpus
from tests.differential.results import Result, differences

pytestmark = pytest.mark.docker
CORPUS = corpus()
TIMED = random.Random(5).sample(CORPUS, 30)
"""Programs that are also run while their text takes its time."""
IN_JSON = [program for program in CORPUS if program.name.startswith("strange: ")]
IN_JSON += random.Random(6).sample([it for it in CORPUS if it not in IN_JSON], 30)
"""Programs that are also sent as JSON."""
EVERY = 5
"""One in so many modules of the standard library is run each time, all of them in the long run."""


def parameters(programs: list[Program]) -> list[object]:
    return [pytest.param(program, id=program.name) for program in programs]


def names(all_of_them: list[str]) -> list[object]:
    return [
        pytest.param(name, marks=[pytest.mark.full] if number % EVERY else [])
        for number, name in enumerate(all_of_them)
    ]


def check(program: Program, found: Result, expected: Result) -> None:
    """How it ended, what it wrote and what it left."""
    assert differences(found.ending, expected.ending) == []
    if not expected.invalid and not expected.died and "unseen" not in program.marks:
        assert found.left is not None
        assert differences(found.left, expected.left) == []


def check_three(bench: Bench, program: Program) -> None:
    partial, sequential, expected = bench.run(program)
    check(program, sequential, expected)
    check(program, partial, expected)


@pytest.mark.parametrize("program", parameters(CORPUS))
def test_program(bench: Bench, program: Program) -> None:
    """Output, error, shown value, variables, files and settings are those of one whole `exec`."""
    check_three(bench, program)


@pytest.mark.parametrize("program", parameters(IN_JSON))
def test_code_in_json(bench: Bench, program: Program) -> None:
    """The same where the code is a string in a JSON object, escapes cut anywhere."""
    found, expected = bench.run_as_json(program)
    check(program, found, expected)


@pytest.mark.parametrize("name", names(library.MODULES))
def test_module_of_the_library(bench: Bench, name: str) -> None:
    """The same for a module of the standard library, run as a script."""
    text = library.module(name, bench.oracle)
    if text is None:
        pytest.skip("the image's Python has no such module")
    check_three(bench, Program(name, text))


@pytest.mark.parametrize("name", names(library.TESTS))
def test_tests_of_the_library(bench: Bench, name: str) -> None:
    """The same for a module of the standard library's own tests."""
    text = library.tests(name, bench.oracle)
    if text is None:
        pytest.skip("no such tests here for the image's Python")
    check_three(bench, Program(name, text))


@pytest.mark.parametrize("program", parameters(TIMED))
def test_time_between_the_pieces(bench: Bench, program: Program) -> None:
    """Whatever time passes between the pieces of the text, before and after each unit has run."""
    pieces = ragged(in_fences(program.text), program.name, delays=True)
    partial, sequential, expected = bench.run(program, pieces)
    assert differences(partial.left, sequential.left) == []
    check(program, partial, expected)


def test_corpus_is_large() -> None:
    """At least three hundred programs, most of them valid."""
    assert len(CORPUS) >= 300
