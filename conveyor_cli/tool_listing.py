"""Tools as people read of them: a list, a page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from conveyor_cli.tool_facts import ToolFacts
from conveyor_cli.toolbox import Toolbox, open_toolbox
from conveyor_cli.views.text import one_line, safe
from conveyor_tools import apart
from conveyor_tools.errors import ToolLoadError
from conveyor_tools.registry import find_tool, installed_tools, options_told, purpose, tool_names

if TYPE_CHECKING:
    from rich.table import Table

    from conveyor_cli.task import Task


_WIDEST = 24
"""Characters of a name in a list."""


@dataclass(frozen=True, slots=True)
class Row:
    """One tool of a list. `problem` says why no more is known of it."""

    name: str
    source: str
    effects: str = ""
    units: str = ""
    runs: str = ""
    summary: str = ""
    problem: str = ""

    def as_dict(self) -> dict[str, str]:
        """As plain data."""
        return asdict(self)


def all_tools() -> list[Row]:
    """The tools that a task can name."""
    packages = {it.name: it.package for it in installed_tools()}
    rows = [_named(name, packages.get(name, "built in")) for name in tool_names()]
    server = "The tools of an MCP server: {mcp: {command: [program, argument]}} or {mcp: {url: …}}."
    return [*rows, Row("mcp", "built in", "its own", "whole", "here", server)]


def task_tools(task: Task) -> list[Row]:
    """The tools of a task, those of its servers among them. Raises UsageError."""
    toolbox = open_toolbox(task.tools)

    async def find() -> list[Row]:
        try:
            await toolbox.start()
            return [_row(ToolFacts(tool), "task") for tool in toolbox.tools.values()]
        finally:
            await toolbox.close()

    return apart.run(find())


def _named(name: str, source: str) -> Row:
    try:
        toolbox = Toolbox()
        toolbox.add(find_tool(name))
    except ToolLoadError as error:
        return Row(name, source, summary=purpose(name), problem=str(error))
    (tool,) = toolbox.tools.values()
    return _row(ToolFacts(tool), source)


def _row(facts: ToolFacts, source: str) -> Row:
    tool = facts.tool
    runs = "sandbox" if tool.needs_sandbox else "here"
    return Row(tool.name, source, tool.effects.value, facts.units, runs, facts.summary)


def table(rows: Sequence[Row]) -> Table:
    """The rows, as wide as the terminal."""
    from rich.table import Table  # noqa: PLC0415 - only to show them

    shown = Table(box=None, pad_edge=False)
    facts = [("tool", "effects", "units", "runs"), *map(_facts, rows)]
    for column in zip(*facts, strict=True):
        width = min(max(map(len, column)), _WIDEST)
        shown.add_column(column[0], no_wrap=True, overflow="ellipsis", min_width=width)
    shown.add_column("what it does")
    for row in rows:
        package = "" if row.source in ("built in", "task") else f"({row.source}) "
        what = package + " ".join(filter(None, (row.summary, row.problem)))
        shown.add_row(*_facts(row), one_line(what))
    return shown


def _facts(row: Row) -> tuple[str, ...]:
    return tuple(map(one_line, (row.name, row.effects, row.units, row.runs)))


def page(facts: ToolFacts) -> str:
    """All that is known of a tool."""
    return safe("\n".join(_lines(facts)))


def _lines(facts: ToolFacts) -> Iterator[str]:
    known = facts.as_dict()
    yield f"{known['name']}: {known['description']}"
    yield ""
    yield f"effects     {known['effects']}"
    yield f"runs        {known['runs']}, on the lane {known['lane']}"
    yield f"units       {known['units']}"
    yield f"starts      {known['starts']}"
    if known["timeout"] is not None:
        times = "once" if known["retries"] == 1 else f"{known['retries']} times at most"
        again = f", tried again {times}" if known["retries"] else ""
        yield f"timeout     {known['timeout']:g} s{again}"
    if known["options"]:
        yield ""
        yield "options, which a task gives it"
        yield from _indented(known["options"])
    yield ""
    yield "arguments"
    yield from _indented(json.dumps(known["schema"], indent=2, ensure_ascii=False))
    for dialect, call in known["calls"].items():
        yield ""
        yield f"a call, {dialect}"
        yield from _indented(call)


def page_of_options(name: str, problem: str) -> str:
    """What is known of a tool that cannot be made without options."""
    lines = (f"{name}: {purpose(name)}", "", problem, "", *_indented(options_told(name)))
    return safe("\n".join(lines))


def _indented(text: str) -> Iterator[str]:
    return (f"  {line}" for line in text.split("\n"))
