"""The cuts, judged by CPython's own parser and by brute force; our lexer has no say here."""

from __future__ import annotations

import ast
import itertools
import random
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from conveyor_tools.splitters.base import Unit
from conveyor_tools.splitters.python import PythonSplitter
from tests.differential.programs import Program, corpus
from tests.tools.splitters.feeding import pieces, releases, units
from tests.tools.splitters.programs import chopped, programs, texts

_LIBRARY = Path(sysconfig.get_path("stdlib"))
_ALWAYS = ["test_grammar", "test_fstring", "test_tokenize", "test_patma", "test_coroutines"]
_SAMPLED = 150


@pytest.fixture(autouse=True)
def _no_syntax_warnings() -> Iterator[None]:
    """Programs under test may write `1 is 1` or a bad escape."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def statements(text: str) -> list[str]:
    return [ast.dump(statement) for statement in ast.parse(text).body]


def is_valid(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def first_line(statement: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def check(text: str, seed: int) -> None:
    """Everything that holds for the units of a text."""
    whole = units([text])
    assert "".join(unit.text for unit in whole) == text
    assert [unit.index for unit in whole] == list(range(len(whole)))
    rng = random.Random(seed)
    for size in (1, 2, 3, 7):
        assert units(pieces(text, size)) == whole, f"in pieces of {size}"
    edges = sorted(rng.choices(range(len(text) + 1), k=len(text) // 20))
    ragged = [text[a:b] for a, b in itertools.pairwise([0, *edges, len(text)])]
    assert units(ragged) == whole, f"in random pieces, seed {seed}"
    if is_valid(text):
        check_statements(text, whole)


def check_statements(text: str, found: list[Unit]) -> None:
    """The units' statements and lines are those of the whole text."""
    body = ast.parse(text).body
    parsed = [ast.parse(unit.text).body for unit in found]
    assert [ast.dump(s) for unit in parsed for s in unit] == [ast.dump(s) for s in body]
    left = iter(body)
    for unit, inside in zip(found, parsed, strict=True):
        assert unit.blank == (not inside)
        if inside:
            group = [next(left) for _ in inside]
            assert unit.span == (first_line(group[0]), group[-1].end_lineno)
            assert unit.line + first_line(inside[0]) - 1 == unit.span[0]
            # One statement a unit, but for those that share a line.
            assert all(a.end_lineno == b.lineno for a, b in itertools.pairwise(group))


def library() -> list[Path]:
    return [path for path in sorted(_LIBRARY.rglob("*.py")) if "site-packages" not in path.parts]


def check_files(files: list[Path]) -> None:
    for path in files:
        try:
            text = path.read_bytes().decode()
        except UnicodeDecodeError:
            continue
        try:
            check(text, seed=len(text))
        except AssertionError as error:
            raise AssertionError(f"{path}: {error}") from error


def test_sample_of_the_standard_library() -> None:
    """Files of the standard library and its tests are cut where the parser says."""
    rng = random.Random(3)
    files = [path for path in library() if path.stem in _ALWAYS]
    check_files(files + rng.sample(library(), _SAMPLED))


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_whole_standard_library() -> None:
    """All of them are."""
    check_files(library())


@given(st.data())
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
def test_generated_programs(data: st.DataObject) -> None:
    """Generated programs are, with every kind of newline."""
    newline = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = data.draw(programs()).replace("\n", newline)
    check(text, seed=1)
    assert units(data.draw(chopped(text))) == units([text])


@given(st.data())
@settings(max_examples=500, suppress_health_check=list(HealthCheck))
def test_any_text(data: st.DataObject) -> None:
    """Chopping is invisible and nothing is lost, whatever the text and the version."""
    version = data.draw(st.sampled_from([(3, 8), (3, 11), (3, 12), (3, 14)]))
    text = data.draw(texts())
    whole = units([text], version)
    assert "".join(unit.text for unit in whole) == text
    assert units(text, version) == whole
    assert units(data.draw(chopped(text)), version) == whole
    assert all(is_valid(u.text) and not ast.parse(u.text).body for u in whole if u.blank)


@given(programs(), texts())
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
def test_invalid_text_holds_nothing_back(program: str, rest: str) -> None:
    """What closed before has been released, whatever comes after it."""
    alone, followed = PythonSplitter(), PythonSplitter()
    closed = alone.feed(program)
    assert followed.feed(program + rest)[: len(closed)] == closed


@given(st.data())
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
def test_truncate_forgets(data: st.DataObject) -> None:
    """After `truncate` all is as if the rest had never come.

    But for a last line that is a backslash alone, which no program ends with: whether what stands
    before it was released already depends on what came after it.
    """
    text = data.draw(programs(statements=3, depth=1) | texts())
    splitter = PythonSplitter()
    found = [unit for piece in data.draw(chopped(text)) for unit in splitter.feed(piece)]
    assert splitter.released == sum(len(unit.text) for unit in found)
    length = data.draw(st.integers(splitter.released, len(text)))
    assume(not text[:length].rstrip(" \t\f\r\n").endswith("\\"))
    splitter.truncate(length)
    assert found + splitter.flush() == units([text[:length]], (3, 12))
    assert splitter.released == length


_SHORT = 250
"""Characters: brute force takes time that grows with their square."""
_CORPUS = [
    it
    for it in corpus()
    if not it.marks and "\r" not in it.text and len(it.text) < _SHORT and is_valid(it.text)
]

# When a unit is released: brute force over what may follow

_CLAUSES = ["else:\n  q\n", "elif q:\n  q\n", "except Q:\n  q\n", "except* Q:\n  q\n"]
_TAILS = [
    "",
    "\n",
    *(clause[start:] for clause in [*_CLAUSES, "finally:\n  q\n"] for start in range(len(clause))),
    *(f"{indent}{line}\n" for indent in (" ", "  ", "    ", "\t") for line in ("q", "case q: q")),
]
CONTINUATIONS = [*_TAILS, *(f"\n{tail}" for tail in _TAILS)]


def dumps(text: str) -> list[str] | None:
    try:
        body = ast.parse(text).body
    except SyntaxError:
        return None
    return [ast.dump(statement, include_attributes=True) for statement in body]


def expected_releases(program: str) -> list[int | None]:
    """When the rule releases each line of statements: found with `ast` and CONTINUATIONS.

    It is the first place, after the newline that ends it, where no continuation changes it.
    """
    body = ast.parse(program).body
    whole = dumps(program) or []
    ends = [0, *itertools.accumulate(len(line) + 1 for line in program.split("\n"))]
    expected: list[int | None] = []
    for index, statement in enumerate(body):
        if index + 1 < len(body) and body[index + 1].lineno == statement.end_lineno:
            continue  # it shares a line with the next one
        assert statement.end_lineno is not None
        newline = ends[statement.end_lineno]
        fixed = (k for k in range(newline, len(program) + 1) if is_fixed(program, k, index, whole))
        expected.append(next(fixed, None))
    return expected


def is_fixed(program: str, length: int, index: int, whole: list[str]) -> bool:
    """Whether no continuation of the first `length` characters changes that statement."""
    for continuation in CONTINUATIONS:
        found = dumps(program[:length] + continuation)
        if found is not None and found[index : index + 1] != [whole[index]]:
            return False
    return True


def check_releases(program: str) -> None:
    found = [at for text, at in releases(program) if ast.parse(text).body]
    assert found == expected_releases(program)


@pytest.mark.parametrize(
    "program",
    [
        "x = 1\ny = 2\n",
        "if x: a\nelse: b\nc\n",
        "if x:\n  a\nel = 1\n",
        "if x:\n  a\n# c\n\nelsewhere = 2\n",
        "for x in y:\n  a\nelse:\n  b\ne\n",
        "while x: a\nf = 1\n",
        "try:\n  a\nexcept E:\n  b\nelse: c\nexc = 1\nz\n",
        "try: a\nfinally: b\nz\n",
        "try:\n  a\nexcept E: b\nfi = 2\n",
        "@a\n# c\n\n@b\ndef f():\n  pass\nx\n",
        "class A: pass\nx\n",
        "with a: b\nx\n",
        "match x:\n  case 1:\n    a\n  case _: b\ny\n",
        "async def f():\n  pass\nasync for x in y: z\nelse: w\nq\n",
    ],
)
def test_release_of_examples(program: str) -> None:
    """The rule's own cases are released exactly where nothing can change them any more."""
    check_releases(program)


@given(programs(statements=3, depth=1))
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_release_of_generated_programs(program: str) -> None:
    """So are the statements of generated programs: not early, and not one character late."""
    check_releases(program)


@pytest.mark.full
@pytest.mark.timeout(1800)
@given(programs(statements=3, depth=2))
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_release_of_nested_programs(program: str) -> None:
    """So are those of deeper ones."""
    check_releases(program)


@pytest.mark.parametrize("program", _CORPUS, ids=lambda program: program.name)
def test_release_in_real_programs(program: Program) -> None:
    """So are those of the programs that the differential tests run."""
    check_releases(program.text)
