"""The `files` tool: reads and changes files of the workspace, one operation a call."""

from __future__ import annotations

import json
import posixpath
from typing import Annotated, Any, Literal

from pydantic import Field

from conveyor_sandbox.reports import UnitKey
from conveyor_tools.arguments import ArgumentSplitter, ArgumentUnit
from conveyor_tools.errors import ToolError
from conveyor_tools.function import Effects, function_tool, tool
from conveyor_tools.guest_session import GuestSession
from conveyor_tools.place import Place
from conveyor_tools.splitters.base import Splitter, Unit

_LONGEST_PATH = 4096
_WORKSPACE = "/workspace"
_Line = Annotated[int, Field(ge=1)]
_Path = Annotated[str, Field(max_length=_LONGEST_PATH)]


@tool(name="files", effects="pure")  # only to be cut: it is run in the sandbox
class _Arguments:
    """Reads, writes, edits, lists and deletes files of the workspace.

    `read` shows the text at `path`, or its lines from `first_line` to `last_line`. `write` makes it
    `content`, and makes its folder. `edit` replaces `old`, which has to stand there once, by `new`.
    `list` names what is in the folder `path`. `delete` removes a file or an empty folder.
    """

    def check_argument(self, name: str, value: Any) -> None:
        if name == "path":
            check_path(value)

    def __call__(
        self,
        operation: Literal["read", "write", "edit", "list", "delete"],
        path: _Path = ".",
        content: str | None = None,
        old: str | None = None,
        new: str | None = None,
        first_line: _Line | None = None,
        last_line: _Line | None = None,
    ) -> str:
        raise NotImplementedError


def check_path(path: str) -> None:
    """Refuse a path that leads out of the workspace by what is written.

    Raises:
        ToolError: with the reason, for the model.
    """
    if "\0" in path:
        raise ToolError("path: it holds a NUL character")
    whole = posixpath.normpath(posixpath.join(_WORKSPACE, path))
    if whole != _WORKSPACE and not whole.startswith(f"{_WORKSPACE}/"):
        raise ToolError(f"path: {path} leads out of the workspace: give one within it")


class FilesTool:
    """Files of the workspace, in order with what code and commands do to them."""

    name = "files"
    tags = ("files",)
    lane = "workspace"
    language = "json"
    argument = None
    effects = Effects.REVERSIBLE
    needs_sandbox = True

    def __init__(self) -> None:
        self._arguments = function_tool(_Arguments, self.name)

    @property
    def schema(self) -> dict[str, Any]:
        return self._arguments.schema

    @property
    def description(self) -> str:
        return self._arguments.description

    @property
    def instructions(self) -> str:
        """With what it takes, since in fences no schema is told."""
        example = json.dumps({"operation": "read", "path": "notes.txt"})
        return (
            f"To work on files, write the arguments of files{self._arguments.signature.shown} as "
            f"JSON in one fenced block that begins with ```files, for example {example}.\n"
            f"{self.description}"
        )

    def splitter(self, place: Place) -> Splitter:  # noqa: ARG002 - it is the same everywhere
        return ArgumentSplitter(self._arguments)

    def open(self, place: Place) -> FilesSession:
        assert place.guest is not None
        return FilesSession(place.guest)


class FilesSession(GuestSession):
    """Operations on the workspace of one run, whose undo takes them back."""

    def run(self, key: UnitKey, unit: Unit) -> None:
        assert isinstance(unit, ArgumentUnit)
        self._guest.run_operation(key, unit.arguments)

    def end(self, call: int) -> None:
        self._guest.end(call, "files")
