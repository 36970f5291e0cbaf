"""The `files` tool's calls: what is refused while they are written."""

from __future__ import annotations

import json

import pytest

from conveyor_tools.arguments import ArgumentUnit
from conveyor_tools.files import FilesTool
from conveyor_tools.place import Place
from conveyor_tools.splitters.base import Splitter


def splitter() -> Splitter:
    return FilesTool().splitter(Place())


def refused_at(text: str) -> tuple[int | None, str]:
    """After how many characters it is refused, and why."""
    cutter = splitter()
    for count, char in enumerate(text, 1):
        cutter.feed(char)
        if cutter.problem is not None:
            return count, cutter.problem.message
    return None, ""


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a/../../x", "/workspace/../x", "/workspaces", "a\\u0000b", "/"]
)
def test_path_that_leads_out(path: str) -> None:
    """It is refused when its string closes, whatever would come then."""
    text = f'{{"operation": "write", "path": "{path}", "content": "long"}}'
    count, why = refused_at(text)
    assert text[:count] == f'{{"operation": "write", "path": "{path}"'
    assert why.startswith("path: ")


@pytest.mark.parametrize("path", ["x", "a/../b", "/workspace/x", "./x", ".", "/workspace", "..x"])
def test_path_within(path: str) -> None:
    """A path of the workspace is taken as it is, and the operation released at the end."""
    text = json.dumps({"operation": "read", "path": path})
    assert refused_at(text) == (None, "")
    (unit,) = splitter().feed(text)
    assert isinstance(unit, ArgumentUnit)
    assert dict(unit.arguments) == {"operation": "read", "path": path}
    assert not unit.external  # it can be undone


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ('{"operation": "rename"', '{"operation": "ren'),
        ('{"pathname": "x"', '{"pathn'),
        ('{"path": 5', '{"path": 5'),
        ('{"first_line": 0,', '{"first_line": 0'),
    ],
)
def test_wrong_argument(text: str, at: str) -> None:
    """What is not in the schema is refused at its first wrong character."""
    assert text[: refused_at(text)[0]] == at
