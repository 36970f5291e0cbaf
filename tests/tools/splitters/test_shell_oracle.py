"""The shell's cuts, judged by bash itself: `bash -n` says where a text is complete."""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conveyor_tools.splitters.base import Unit
from conveyor_tools.splitters.shell import OpenUnit, ShellSplitter
from tests.tools.splitters.feeding import pieces
from tests.tools.splitters.programs import chopped
from tests.tools.splitters.shell_programs import INVALID, PROGRAMS, programs, scripts, texts

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is the judge")
_MANY_LINES = 12
"""From so many lines on, a unit is not looked at line by line."""


def units(deltas: list[str]) -> list[Unit]:
    splitter = ShellSplitter()
    found = [unit for delta in deltas for unit in splitter.feed(delta)]
    return found + splitter.flush()


def releases(text: str) -> list[int]:
    """After which characters units are given out, before the end, if they come one by one."""
    splitter = ShellSplitter()
    return [at for at, char in enumerate(text, 1) for _ in splitter.feed(char)]


def is_complete(text: str, shell: str = "bash") -> bool:
    """Whether the shell finds nothing wrong with it, and nothing missing."""
    checked = subprocess.run(
        [shell, "-O", "extglob", "-n"] if shell == "bash" else [shell, "-n"],
        input=text.encode("utf-8", "surrogateescape"),
        capture_output=True,
        check=False,
    )
    return checked.returncode == 0 and b"here-document" not in checked.stderr


def is_joined(line: str) -> bool:
    """Whether the next line goes on with this one. Comments of these texts begin after a blank."""
    return line.endswith("\\") and not line.endswith("\\\\") and " #" not in line


def expected_releases(text: str) -> list[int]:
    """The newlines at which what was not released yet is complete, and more than comments."""
    found: list[int] = []
    start = 0
    for end in (at for at, char in enumerate(text, 1) if char == "\n"):
        lines = text[start:end].split("\n")
        if all(not line.strip(" \t") or line.lstrip(" \t").startswith("#") for line in lines):
            continue
        if not is_joined(lines[-2]) and is_complete(text[start:end]):
            found.append(end)
            start = end
    return found


def check_chopping(text: str, seed: int = 1) -> list[Unit]:
    whole = units([text])
    assert "".join(unit.text for unit in whole) == text
    assert [unit.index for unit in whole] == list(range(len(whole)))
    rng = random.Random(seed)
    for size in (1, 2, 3, 7):
        assert units(pieces(text, size)) == whole, f"in pieces of {size}"
    edges = sorted(rng.choices(range(len(text) + 1), k=len(text) // 20))
    ragged = [text[a:b] for a, b in itertools.pairwise([0, *edges, len(text)])]
    assert units(ragged) == whole, f"in random pieces, seed {seed}"
    return whole


def check_lines(text: str, found: list[Unit]) -> None:
    lines = text.split("\n")
    for unit in found:
        assert unit.line == 1 + text[: sum(len(it.text) for it in found[: unit.index])].count("\n")
        if not unit.blank:
            first, last = unit.span
            assert lines[first - 1].strip(" \t")
            assert not lines[first - 1].lstrip(" \t").startswith("#")
            assert unit.line <= first <= last
            assert unit.text.rstrip("\n").endswith(lines[last - 1].rstrip("\n"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_release_of_examples(name: str) -> None:
    """Each command is released at its newline: not before it is complete, and not later."""
    text = PROGRAMS[name]
    assert is_complete(text)
    found = check_chopping(text)
    assert releases(text) == expected_releases(text)
    assert not any(isinstance(unit, OpenUnit) for unit in found)
    check_lines(text, found)


@pytest.mark.skipif(shutil.which("dash") is None, reason="dash is the judge")
@pytest.mark.parametrize("name", PROGRAMS)
def test_plain_shell_agrees(name: str) -> None:
    """A text that dash knows is cut into what dash finds complete, too."""
    text = PROGRAMS[name]
    if is_complete(text, "dash"):
        assert all(is_complete(unit.text, "dash") for unit in units([text]))


@pytest.mark.parametrize("name", INVALID)
def test_invalid_examples(name: str) -> None:
    """What is complete before the invalid place is released, whatever follows."""
    text = INVALID[name]
    check_chopping(text)
    expected = expected_releases(text)
    assert releases(text)[: len(expected)] == expected


@pytest.mark.parametrize("text", ["if x; then\n", "a &&\n", "a 'b", "f()\n", "(a", "[[ a", "a \\"])
def test_open_end(text: str) -> None:
    """A text that ends within a command says so of its last unit."""
    assert [type(unit) for unit in units([f"b\n{text}"])] == [Unit, OpenUnit]


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("echo 'a", False),
        ('echo "a $(b', False),
        ("cat <<E\na\n", False),
        ("cat <<E", True),
        ("if a; then (b", True),
        ("echo $'a", False),
        ("echo 'a' \"b\" $(c", True),
        ("cat <<E\na\nE\n", True),
    ],
)
def test_may_end(text: str, may: bool) -> None:  # noqa: FBT001
    """A fence within a string or a here-document is no end."""
    splitter = ShellSplitter()
    splitter.feed(text)
    assert splitter.may_end() is may


@given(programs())
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_generated_programs(program: str) -> None:
    """Nested commands are released where bash finds them complete."""
    check_chopping(program)
    if is_complete(program):
        assert releases(program) == expected_releases(program)


@given(st.data())
@settings(max_examples=250, suppress_health_check=list(HealthCheck))
def test_any_text(data: st.DataObject) -> None:
    """Chopping is invisible and nothing is lost, whatever the text."""
    text = data.draw(texts() | programs())
    whole = units([text])
    assert "".join(unit.text for unit in whole) == text
    assert units(data.draw(chopped(text))) == whole
    assert units(list(text)) == whole


@given(st.data())
@settings(max_examples=120, suppress_health_check=list(HealthCheck))
def test_truncate_forgets(data: st.DataObject) -> None:
    """After `truncate` all is as if the rest had never come."""
    text = data.draw(texts() | programs())
    splitter = ShellSplitter()
    found = [unit for piece in data.draw(chopped(text)) for unit in splitter.feed(piece)]
    assert splitter.released == sum(len(unit.text) for unit in found)
    length = data.draw(st.integers(splitter.released, len(text)))
    splitter.truncate(length)
    assert found + splitter.flush() == units([text[:length]])


def check_script(path: Path) -> None:
    """The units of a real script are complete, and no smaller ones would be."""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    if not is_complete(text):
        return  # another shell's
    found = check_chopping(text, seed=len(text))
    for unit in found:
        assert not isinstance(unit, OpenUnit), unit.span
        if unit.blank:
            continue
        assert is_complete(unit.text), unit.span
        lines = unit.text.splitlines(keepends=True)
        if 1 < len(lines) < _MANY_LINES:
            assert releases(unit.text) == expected_releases(unit.text), unit.span


def sample(count: int) -> list[Path]:
    found = scripts()
    return random.Random(5).sample(found, min(count, len(found)))


@pytest.mark.parametrize("path", sample(6), ids=lambda path: path.name)
def test_scripts_of_this_machine(path: Path) -> None:
    """Real scripts are cut where bash says."""
    check_script(path)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_all_scripts_of_this_machine() -> None:
    """All of them are."""
    for path in scripts():
        check_script(path)
