"""The tools that an MCP server offers, as function tools. What it says of them is hostile input."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from mcp.types import Tool

from conveyor_tools.declaration import Declaration, Effects
from conveyor_tools.errors import ToolLoadError
from conveyor_tools.function import FunctionTool
from conveyor_tools.hearing import hearing
from conveyor_tools.mcp_content import value_of
from conveyor_tools.mcp_progress import McpProgress
from conveyor_tools.mcp_schema import SchemaSignature
from conveyor_tools.mcp_server import Offered, Server
from conveyor_tools.side_loop import SideLoop
from conveyor_tools.signature import is_taken

if TYPE_CHECKING:
    from conveyor_tools.mcp import McpOptions

_NAME = re.compile(r"[A-Za-z0-9_./-]{1,128}")
_LONGEST_NAME = 64
_MOST = 64
"""Tools of one server. A model that is told of more chooses none of them well."""
_LONGEST_DESCRIPTION = 1500
_LONGEST_NOTE = 400
"""Characters of what is said of one argument."""
_INVISIBLE = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")
"""Unicode's categories of what a person does not see, and a model reads."""


class McpFunction:
    """One tool of a server, called as a function is. The server runs in a loop of its own."""

    def __init__(self, server: Server, loop: SideLoop, name: str) -> None:
        self._server = server
        self._loop = loop
        self._name = name

    async def prepare(self) -> None:
        """Start the server again if it died."""
        await self._loop.run(self._server.prepare())

    async def __call__(self, **arguments: Any) -> Any:
        ear = hearing.get()
        progress = None if ear is None else McpProgress(ear).told
        result = await self._loop.run(self._server.call(self._name, arguments, progress))
        return value_of(result, None if ear is None else ear.keep)


def make_tools(
    options: McpOptions,
    offered: Offered,
    taken: Collection[str],
    function: Callable[[str], McpFunction],
) -> list[FunctionTool]:
    """The tools that the task wants of those that are offered. None has a name in `taken`.

    `function` gives what calls a tool of the server.

    Raises:
        ToolLoadError: one will not do, or is not there, or they are too many.
    """
    wanted = _wanted(options, offered.tools)
    effects = {tool.name: _effects(tool, options) for tool in wanted}
    writes = any(effect is not Effects.PURE for effect in effects.values())
    prefix = options.name or _identifier(offered.name)[:20].strip("_") or "mcp"
    names = set(taken)
    made = []
    for tool in wanted:
        name = _name(tool.name, prefix, names)
        names.add(name)
        effect = effects[tool.name]
        if writes and effect is Effects.PURE:
            # It may read what another one of the server writes, so it keeps its place in the order.
            effect = Effects.REVERSIBLE
        try:
            signature = SchemaSignature(cleaned(tool.input_schema))
        except ValueError as error:
            raise ToolLoadError(f"mcp: {options.label}: {tool.name}: {error}") from None
        described = clean(tool.description or tool.title or "", _LONGEST_DESCRIPTION)
        description = described or f"The tool {tool.name} of an MCP server."
        declaration = Declaration(effect, options.timeout)
        call = function(tool.name)
        made.append(FunctionTool(name, description, declaration, signature, call))
    return made


def _wanted(options: McpOptions, tools: list[Tool]) -> list[Tool]:
    where = f"mcp: {options.label}"
    by_name = {tool.name: tool for tool in tools}
    known_as = {_identifier(name): tool for name, tool in by_name.items()} | by_name
    for name in (*(options.tools or ()), *options.effects):
        if name not in known_as:
            known = ", ".join(clean(each, 60) for each in list(by_name)[:20])
            raise ToolLoadError(f"{where}: it has no tool {name!r} (it has {known or 'none'})")
    if options.tools is not None:
        return list({known_as[it].name: known_as[it] for it in options.tools}.values())
    if len(by_name) > _MOST:
        raise ToolLoadError(
            f"{where}: it has {len(by_name)} tools: name up to {_MOST} of them under tools:"
        )
    if not by_name:
        raise ToolLoadError(f"{where}: it has no tools")
    return list(by_name.values())


def _effects(tool: Tool, options: McpOptions) -> Effects:
    """What the user says; else what the server does, who is believed that it only reads."""
    for name in (tool.name, _identifier(tool.name)):
        if name in options.effects:
            return options.effects[name]
    reads = tool.annotations is not None and tool.annotations.read_only_hint is True
    return Effects.PURE if reads else Effects.EXTERNAL


def _name(theirs: str, prefix: str, taken: Collection[str]) -> str:
    """A name for Python and for models, that nothing else has.

    Raises:
        ToolLoadError: there is none.
    """
    if not _NAME.fullmatch(theirs):
        raise ToolLoadError(
            f"mcp: {prefix}: {clean(theirs, 60)!r} is no name of a tool: name others under tools:"
        )
    plain = _identifier(theirs)
    for name in (plain, f"{prefix}_{plain}"):
        good = name[:1].isalpha() and len(name) <= _LONGEST_NAME and not keyword.iskeyword(name)
        if good and name not in taken and not is_taken(name):
            return name
    raise ToolLoadError(f"mcp: {prefix}: the name {plain!r} is taken: give it another name:")


def _identifier(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", text)


def clean(text: str, longest: int) -> str:
    """A text of the server's without what cannot be seen, and no longer than that."""
    kept = "".join(
        char for char in text if char in "\n\t" or unicodedata.category(char) not in _INVISIBLE
    ).strip()
    return kept if len(kept) <= longest else f"{kept[:longest]}…"


def cleaned(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema whose texts for the model are clean. Names and values are left as they are."""
    return {
        key: clean(value, _LONGEST_NOTE)
        if key in ("description", "title", "$comment") and isinstance(value, str)
        else _cleaned(value)
        for key, value in schema.items()
    }


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return cleaned(value)
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    return value
