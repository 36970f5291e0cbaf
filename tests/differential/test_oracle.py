"""The oracle itself: what it says is what `python3 program.py` does."""

from __future__ import annotations

import re

import pytest

from tests.differential.conftest import Bench
from tests.differential.programs import Program, corpus
from tests.differential.results import Result, neutral

pytestmark = pytest.mark.docker

OWN_WAYS = {
    "outputs: child process": "standard output is a file there, and not line buffered",
    "outputs: half a character": "as above",
    "outputs: os.write and print in turn": "as above",
    "outputs: dup of standard output": "as above",
    "hostile: stdout closed": "at its exit, Python complains that it cannot flush",
}
_COMPARED = [
    program
    for program in corpus()
    if not program.marks
    and not program.name.startswith(("script: ", "strange: "))  # some see `__file__` or its text
    and not program.name.startswith("lines: shown")  # a script shows nothing
    and program.name not in OWN_WAYS
]


@pytest.mark.full
@pytest.mark.parametrize("program", _COMPARED, ids=lambda program: program.name)
def test_script(bench: Bench, program: Program) -> None:
    """Standard output, and standard error with the traceback at its end, are those of a script.

    Not compared: what only the interpreter itself prints, before 3.12: hints at similar names, and
    the line of a mistake that the compiler finds after parsing.
    """
    found = bench.oracle.run(program.text)
    out, err, _ = bench.oracle.run_script(program.text)
    if not found.died:
        printed = found.stderr + (found.error or {}).get("traceback", "")
        assert found.stdout.split() == as_whole(out).split()
        assert essence(printed, found) == essence(as_whole(err), found)


def essence(printed: str, result: Result) -> str:
    text = re.sub(r"\. Did you mean: '\w+'\?", "", printed)
    return text.splitlines()[-1] if result.invalid else neutral(text)


def as_whole(text: str) -> str:
    return re.sub(r"/oracle/program\.py", "<program>", text)


def test_sees_differences(bench: Bench) -> None:
    """It is not blind: programs that differ in one thing are told apart in just that."""
    base = "x = [1, (2, 'a')]\ndef f(a=1): return a + 1\nopen('a', 'w').write('b')\n"
    changes = {
        ("(2, 'a')", "(2, 'b')"): "variables.x",
        ("a + 1", "a + 2"): "variables.f",
        ("a=1", "a=2"): "variables.f",
        ("'w').write('b')", "'w').write('c')"): "files.a",
        ("open('a'", "open('b'"): "files.b",
        ("x = [", "import os; os.environ['A'] = ''\nx = ["): "settings.environment.A",
        ("x = [", "import os; os.chdir('/tmp')\nx = ["): "settings.folder",
        ("x = [", "import sys; sys.path.append('')\nx = ["): "settings.path",
    }
    expected = bench.oracle.run(base).left
    for (old, new), place in changes.items():
        left = bench.oracle.run(base.replace(old, new)).left
        assert left != expected, place
        assert place in str(_places(left, expected))


def _places(one: object, other: object) -> list[str]:
    from tests.differential.results import differences  # noqa: PLC0415 - beside its only use

    return [line.partition(": ")[0] for line in differences(one, other)]
