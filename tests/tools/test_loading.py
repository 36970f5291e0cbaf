"""Tools of the user's own: found, read and made, or refused in one line."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from conveyor_tools.errors import ToolLoadError
from conveyor_tools.function import FunctionTool
from conveyor_tools.loading import Reference, load, read

TOOL = '''
from __future__ import annotations
from dataclasses import dataclass
print("ran")
@dataclass
class Place:
    name: str
def weather(city: str) -> list[Place]:
    """The weather."""
    return [Place(city)]
other = 3
class Broken:
    """Cannot be made."""
    def __init__(self): raise OSError("no disk")
    def __call__(self, x: int): pass
'''


def loaded(text: str) -> FunctionTool:
    reference = Reference.parse(text)
    return load(reference, read(reference))


def test_a_file_is_run_once_for_all_its_tools(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With annotations as texts and data classes, as any module."""
    path = tmp_path / "tools.py"
    path.write_text(TOOL)
    for _ in range(2):
        weather = loaded(f"{path}:weather")
    assert capsys.readouterr().err == "ran\n"
    assert asyncio.run(weather.call({"city": "Oslo"})).result == '[{"name":"Oslo"}]'


def test_what_was_read_is_what_runs(tmp_path: Path) -> None:
    """A file that changes after it was trusted changes nothing."""
    path = tmp_path / "tools.py"
    path.write_text(f"# {path}{TOOL}")  # of no file that was loaded before
    reference = Reference.parse(f"{path}:weather")
    code = read(reference)
    path.write_text("raise SystemExit(9)")
    assert load(reference, code).name == "weather"
    assert read(reference).digest != code.digest


def test_a_module_is_found_without_running_its_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To be asked about it, nothing of it may run."""
    package = tmp_path / "unread"
    package.mkdir()
    (package / "__init__.py").write_text("import sys; sys.unread = True")
    (package / "tools.py").write_text('def f(x: int) -> int:\n    "Twice."\n    return 2 * x\n')
    monkeypatch.syspath_prepend(tmp_path)
    reference = Reference.parse("unread.tools:f")
    code = read(reference)
    assert code.path == package / "tools.py"
    assert not hasattr(sys, "unread")
    assert asyncio.run(load(reference, code).call({"x": 2})).result == "4"
    del sys.unread  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("none.py:f", "there is no such file"),
        ("tools.py:nothing", "tools.py has no 'nothing'"),
        ("tools.py:other", "it is no function, but of type int"),
        ("tools.py:Broken", r"cannot be made: (line 14: )?OSError: no disk"),
        ("folder.py:f", "cannot be read: Is a directory"),
        ("huge.py:f", "too large for a file of tools"),
        ("syntax.py:f", "cannot be run: line 2: SyntaxError: "),
        ("raises.py:f", "cannot be run: line 1: ZeroDivisionError: division by zero"),
        ("exits.py:f", "cannot be run: line 1: SystemExit: 3"),
        ("binary.py:f", "cannot be run: "),
        ("no_such_module:f", "no module is called 'no_such_module'"),
        ("json.no_such:f", "no module is called 'json.no_such'"),
        ("os:system", "the parameter 'command' has no type: annotate it"),
        ("sys:exit", "'exit' cannot be a tool's name"),
    ],
)
def test_what_cannot_be_had(
    text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line: which tool, and what is wrong with it."""
    monkeypatch.chdir(tmp_path)
    Path("tools.py").write_text(TOOL)
    Path("folder.py").mkdir()
    Path("huge.py").write_text("#" * 2_000_000)
    Path("syntax.py").write_text("\ndef f(:\n")
    Path("raises.py").write_text("def f(x): return 1 / x\n\nf(0)\n")
    Path("exits.py").write_text("raise SystemExit(3)\n")
    Path("binary.py").write_bytes(b"\xff\0\n")
    with pytest.raises(ToolLoadError, match=why) as refused:
        loaded(text)
    assert str(refused.value).startswith(f"{text}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", ":", "a.py:", ":f", "a b:f", "a.py:f.g", "../x:f", "a.py"])
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(ValueError, match="not a tool"):
        Reference.parse(text)
