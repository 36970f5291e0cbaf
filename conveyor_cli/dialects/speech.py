"""How we and a model talk about calls: its dialect, what it is told of it, who answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    name: DialectName, tools: Mapping[str, Tool], also: str, template: str | None
) -> Speech:
    """The way of talking of that name; `auto`: what the model's chat template knows, or fences.

    `also` is what the model is told besides how to call the tools.
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
    tags = {tag: tool.name for tool in tools.values() for tag in tool.tags}
    untagged = next(iter(tools)) if len(tools) == 1 else None
    if name == "plan" and PlanTool.name not in tools:
        raise UsageError("model.dialect: plan: the task has no plan tool: add it to tools")
    told = {tool.name: tool.instructions for tool in tools.values()}
    if name == "plan":
        told[PlanTool.name] = plan.INSTRUCTIONS
    return Speech(
        lambda: (PlanDialect if PlanTool.name in tools else FenceDialect)(tags, untagged),
        _paragraphs(*told.values(), also),
        Role.USER,
    )


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(filter(None, texts))
