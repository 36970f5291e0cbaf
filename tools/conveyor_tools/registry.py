"""The tools that tasks can name: those that come with Conveyor, and those of installed packages."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from conveyor_tools.errors import ToolLoadError
from conveyor_tools.function import FunctionTool, function_tool
from conveyor_tools.options import make
from conveyor_tools.printing import aside
from conveyor_tools.tool import Tool

GROUP = "conveyor.tools"
"""The group of entry points under which packages name their tools."""

_BUILT_IN = {
    "python": "conveyor_tools.python:PythonTool",
    "sql": "conveyor_tools.sql:SqlTool",
    "shell": "conveyor_tools.shell:ShellTool",
    "files": "conveyor_tools.files:FilesTool",
    "plan": "conveyor_tools.plan:PlanTool",
    "search": "conveyor_tools.search:Search",
    "http": "conveyor_tools.http:Http",
    "calculator": "conveyor_tools.calculator:calculator",
}
"""Where each is: a class of tools, or a function or class that `tool` declares. The modules are
imported only where a task wants them."""


@dataclass(frozen=True, slots=True)
class Named:
    """A tool that a task can name, and what it comes from."""

    name: str
    package: str


def tool_names() -> list[str]:
    """The names that a task may give. Nothing is imported for it."""
    return [*_BUILT_IN, *(it.name for it in installed_tools())]


def installed_tools() -> list[Named]:
    """Those of installed packages, by name; one with a name of ours is not among them."""
    return [Named(name, _package(point)) for name, point in sorted(_entry_points().items())]


def find_tool(
    name: str, options: Mapping[str, Any] | None = None, base: Path | None = None
) -> Tool | FunctionTool:
    """The tool of that name, made with the options, whose paths are relative to `base`.

    A package's tool is the package's code: who installed it has trusted it, and it runs here.

    Raises:
        KeyError: there is none.
        ToolLoadError: it cannot be had, with the reason in one line.
    """
    if name in _BUILT_IN:
        return made(_built_in(name), name, options, base)
    point = _entry_points()[name]
    try:
        with aside():
            target = point.load()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ToolLoadError(
            f"{name}, of the package {_package(point)}, cannot be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error
    return made(target, name, options, base)


def purpose(name: str) -> str:
    """What a tool that comes with Conveyor does, in one line, though it is not made; else empty."""
    target = _built_in(name) if name in _BUILT_IN else None
    return (inspect.getdoc(target) or "").partition("\n")[0] if target is not None else ""


def options_told(name: str) -> str:
    """What a task can say of a tool that comes with Conveyor, in words; empty if nothing."""
    target = _built_in(name) if name in _BUILT_IN else None
    if not inspect.isclass(target) or "__init__" not in vars(target):
        return ""
    told = inspect.cleandoc(vars(target)["__init__"].__doc__ or "").partition("\nRaises:")[0]
    told = told.removeprefix("Options of a task").lstrip(":. \n").strip()
    return f"{told[:1].upper()}{told[1:]}"


def made(
    target: Any, name: str, options: Mapping[str, Any] | None = None, base: Path | None = None
) -> Tool | FunctionTool:
    """The tool that a class of tools, or a function or class, makes.

    Raises:
        ToolLoadError: it is none, or cannot be made, or the options are wrong.
    """
    if not callable(target):
        raise ToolLoadError(f"{name}: it is no function, but of type {type(target).__name__}")
    try:
        if inspect.isclass(target) and hasattr(target, "splitter"):
            tool: Tool = make(target, options or {}, base)
            return tool
        return function_tool(target, name, options, base)
    except ValueError as error:
        raise ToolLoadError(f"{name}: {error}") from None
    except Exception as error:  # of a constructor of the tool's own
        raise ToolLoadError(f"{name}: cannot be made: {type(error).__name__}: {error}") from error


def _built_in(name: str) -> Any:
    module, _, attribute = _BUILT_IN[name].partition(":")
    return getattr(import_module(module), attribute)


def _entry_points() -> dict[str, EntryPoint]:
    return {it.name: it for it in entry_points(group=GROUP) if it.name not in _BUILT_IN}


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module
