"""A tool as a task names it: `python`, `{search: {folder: docs}}`, `./mytools.py:weather`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from conveyor_tools.home import expanded
from conveyor_tools.loading import Reference
from conveyor_tools.registry import tool_names

SERVER = "mcp"
"""What names no tool, but a server of tools."""


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """A name, and the options that go with it."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""
    """The place that chooses it, to be told where something is wrong with it."""
    base: Path | None = None
    """What its paths are relative to; None: the current folder."""
    alone: bool = False
    """Whether the user named just this, and no setting."""

    @property
    def reference(self) -> Reference | None:
        """Where its code is, if it is the user's own; a file from the folder of the task."""
        if ":" not in self.name:
            return None
        reference = Reference.parse(self.name)
        if reference.is_file and self.base is not None:
            path = self.base.absolute() / expanded(reference.source)
            return Reference(str(path), reference.attribute)
        return reference

    @property
    def written(self) -> str | dict[str, Any]:
        """As a task writes it."""
        return {self.name: dict(self.options)} if self.options else self.name

    def complaint(self, problem: object) -> str:
        """What is wrong with it, on one line that says where it stands."""
        if self.alone:
            return str(problem)
        return f"{self.where}: tools: {problem}" if self.where else f"tools: {problem}"

    def at(self, where: str, base: Path | None) -> ToolChoice:
        """The same, chosen there."""
        return replace(self, where=where, base=base)


def read_choice(written: Any) -> ToolChoice:
    """One as it is written: a name, or a mapping of one name to its options. Raises ValueError."""
    if isinstance(written, ToolChoice):
        return written
    if isinstance(written, str):
        return ToolChoice(_known(written))
    if not isinstance(written, dict) or len(written) != 1:
        raise ValueError("write a name, or {name: {option: value}}")
    ((name, options),) = written.items()
    if options is not None and not isinstance(options, dict):
        raise ValueError(f"options of {name} are fields, as in {{{name}: {{option: value}}}}")
    return ToolChoice(_known(str(name)), options or {})


def _known(name: str) -> str:
    if ":" in name:
        return str(Reference.parse(name))
    if name.endswith(".py"):
        raise ValueError(f"{name!r}: name its function or class, too: {name}:NAME")
    names = [*tool_names(), SERVER]
    if name not in names:
        raise ValueError(f"no tool is called {name!r} (there is: {', '.join(names)})")
    return name
