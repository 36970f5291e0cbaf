"""Tools by name: those that come with Conveyor, and those of packages that really are installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conveyor_tools.errors import ToolLoadError
from conveyor_tools.function import FunctionTool
from conveyor_tools.loading import Reference, load, read
from conveyor_tools.registry import find_tool, installed_tools, made, tool_names

MODULE = '''
from pathlib import Path
from conveyor_tools.function import tool

@tool(effects="pure", name="notes")
class Notes:
    """Reads notes."""

    def __init__(self, folder: Path, extra: list[Path] = [], limit: int = 3) -> None:
        self.folder, self.extra, self.limit = folder, extra, limit
        if limit > 99:
            raise OSError("too many files")

    def __call__(self, name: str) -> str:
        return f"{self.folder}/{name} {self.extra} {self.limit}"

number = 5
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package on the path, with a distribution's metadata, as pip writes them."""
    folder = tmp_path / "site"
    info = folder / "conveyor_notes-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "notes_of_mine.py").write_text(MODULE)
    (folder / "broken_of_mine.py").write_text("raise SystemExit('no licence')")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: conveyor-notes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[conveyor.tools]\n"
        "notes = notes_of_mine:Notes\n"
        "number = notes_of_mine:number\n"
        "gone = notes_of_mine:gone\n"
        "broken = broken_of_mine:Tool\n"
        "python = notes_of_mine:Notes\n"
    )
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in ("notes_of_mine", "broken_of_mine"):
        sys.modules.pop(name, None)


def function(name: str, *further: Any) -> FunctionTool:
    found = find_tool(name, *further)
    assert isinstance(found, FunctionTool)
    return found


@pytest.mark.usefixtures("package")
def test_tools_of_installed_packages_are_found_without_running_them() -> None:
    """Their names are known; a name of ours stays ours."""
    assert [(it.name, it.package) for it in installed_tools()] == [
        (name, "conveyor-notes") for name in ("broken", "gone", "notes", "number")
    ]
    assert set(tool_names()) >= {"python", "calculator", "notes", "broken"}
    assert "notes_of_mine" not in sys.modules
    assert find_tool("python").name == "python"
    assert not isinstance(find_tool("python"), FunctionTool)


@pytest.mark.usefixtures("package")
def test_options_are_what_the_constructor_says(tmp_path: Path) -> None:
    """Converted and completed; paths begin at the task's folder."""
    options = {"folder": "docs", "extra": ["a", "/b"], "limit": "4"}
    notes: Any = function("notes", options, tmp_path).function
    assert (notes.folder, notes.limit) == (tmp_path / "docs", 4)
    assert notes.extra == [tmp_path / "a", Path("/b")]


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("notes", None, "notes: the option 'folder' is missing"),
        ("notes", {"folder": "x", "size": 1}, "notes: it has no option 'size' (options: folder, "),
        ("notes", {"folder": "x", "limit": "y"}, "notes: option limit: must be a whole number"),
        ("notes", {"folder": "x", "limit": 100}, "cannot be made: OSError: too many files"),
        ("calculator", {"digits": 3}, "calculator: it takes no options: only classes do"),
        ("python", {"version": 3}, "python: it has no option 'version': it takes none"),
        ("number", None, "number: it is no function, but of type int"),
        ("gone", None, "gone, of the package conveyor-notes, cannot be loaded: AttributeError"),
        ("broken", None, "cannot be loaded: SystemExit: no licence"),
    ],
)
def test_what_cannot_be_had_is_one_line(
    name: str, options: dict[str, Any] | None, why: str
) -> None:
    """That names what to change; also where a package's code wants to end the program."""
    with pytest.raises(ToolLoadError) as refused:
        find_tool(name, options)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_name_that_nothing_has() -> None:
    with pytest.raises(KeyError):
        find_tool("nothing")


def test_a_users_class_takes_options_too(tmp_path: Path) -> None:
    """In a file of their own, with the same words for what is wrong."""
    path = tmp_path / "mine.py"
    path.write_text(MODULE)
    reference = Reference.parse(f"{path}:Notes")
    mine: Any = load(reference, read(reference), {"folder": "docs"}, tmp_path).function
    assert mine.folder == tmp_path / "docs"
    with pytest.raises(ToolLoadError, match=r"mine.py:Notes: it has no option 'x'"):
        load(reference, read(reference), {"x": 1})


def test_a_class_of_tools_is_made_with_its_options() -> None:
    """As `sql` is: it is a tool itself, no function."""

    class Other:
        name = "other"
        splitter = None

        def __init__(self, url: str) -> None:
            self.url = url

    other: Any = made(Other, "other", {"url": "sqlite://"})
    assert other.url == "sqlite://"
    with pytest.raises(ToolLoadError, match="other: the option 'url' is missing"):
        made(Other, "other")
