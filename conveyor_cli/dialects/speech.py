"""How we and a model talk about calls: its dialect, what it is told of it, who answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from conveyor_cli.backends.base import Role, ToolOffer
from conveyor_cli.dialects import hermes, plan
from conveyor_cli.dialects.base import Dialect
from conveyor_cli.dialects.fences import FenceDialect
from conveyor_cli.dialects.plan import PlanDialect
from conveyor_cli.errors import UsageError
from conveyor_tools.plan import PlanTool
from conveyor_tools.tool import Tool

DialectName = Literal["auto", "fences", "hermes", "plan"]


@dataclass(frozen=True, slots=True)
class Speech:
    """A way of talking. `dialect` makes a fresh one for each response."""

    dialect: Callable[[], Dialect]
    instructions: str
    """What the model is told about calling its tools."""
    answers: Role
    """Who tells the model what became of its calls."""
    offered: tuple[ToolOffer, ...] = ()
    """The tools that the model's own template, or its server, tells it of."""


def find_speech(
    name: DialectName,
    tools: Mapping[str, Tool],
    from_code: Collection[str],
    also: str,
    template: str | None,
) -> Speech:
    """The way of talking of that name; `auto`: what the model's chat template knows, or fences.

    Tools that are called `from_code`, which `also` tells of, are no fenced blocks.
    """
    if name == "auto":
        name = "hermes" if template and "<tool_call>" in template else "fences"
    if name == "hermes":
        arguments = {tool.name: tool.argument for tool in tools.values()}
        return Speech(
            lambda: hermes.HermesDialect(arguments),
            _paragraphs(hermes.instructions(list(tools.values())), also),
            Role.TOOL,
        )
    if name == "plan" and PlanTool.name not in tools:
        raise UsageError("model.dialect: plan: the task has no plan tool: add it to tools")
    fenced = [tool for tool in tools.values() if tool.name not in from_code]
    tags = {tag: tool.name for tool in fenced for tag in tool.tags}
    code = [tool.name for tool in fenced if tool.argument is not None]
    untagged = code[0] if len(code) == 1 else None
    json = {tool.name for tool in fenced if tool.argument is None}
    told = {tool.name: tool.instructions for tool in fenced}
    if name == "plan":
        told[PlanTool.name] = plan.INSTRUCTIONS
    return Speech(
        lambda: (PlanDialect if PlanTool.name in tools else FenceDialect)(tags, untagged, json),
        _paragraphs(*told.values(), also),
        Role.USER,
    )


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(filter(None, texts))
