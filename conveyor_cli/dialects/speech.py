"""How we and a model talk about calls: its dialect, what it is told of it, who answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from conveyor_cli.backends.base import Role, ToolOffer
from conveyor_cli.dialects import hermes, llama, mistral, plan, qwen3_coder_prompt
from conveyor_cli.dialects.base import Dialect
from conveyor_cli.dialects.fences import FenceDialect
from conveyor_cli.dialects.native import NativeDialect
from conveyor_cli.dialects.offers import offer, takes_tools
from conveyor_cli.dialects.plan import PlanDialect
from conveyor_cli.dialects.qwen3_coder import Qwen3CoderDialect
from conveyor_cli.errors import UsageError
from conveyor_tools.plan import PlanTool
from conveyor_tools.tool import Tool

DialectName = Literal[
    "auto", "fences", "hermes", "qwen3-coder", "mistral", "llama", "native", "plan"
]


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
    *,
    native: bool,
) -> Speech:
    """The way of talking of that name; `auto`: what the model's chat template knows, or fences.

    Tools that are called `from_code`, which `also` tells of, are no fenced blocks. `native`: the
    backend's server marks calls itself, which is what `auto` takes then.
    """
    if name == "auto":
        name = "native" if native else _known_to(template or "")
    if name in ("fences", "plan"):
        fenced = [tool for tool in tools.values() if tool.name not in from_code]
        return _blocks(fenced, also, plans=name == "plan")
    arguments = {tool.name: tool.argument for tool in tools.values()}
    schemas = {tool.name: tool.schema for tool in tools.values()}
    told = list(tools.values())
    makers: dict[DialectName, Callable[[], Dialect]] = {
        "hermes": lambda: hermes.HermesDialect(arguments),
        "qwen3-coder": lambda: Qwen3CoderDialect(arguments, schemas),
        "llama": lambda: llama.LlamaDialect(arguments),
        "mistral": lambda: mistral.MistralDialect(arguments),
        "native": lambda: NativeDialect(arguments),
    }
    if name == "native" or takes_tools(template):
        offered = tuple(offer(tool) for tool in told)
        return Speech(makers[name], also, Role.TOOL, offered)
    return Speech(makers[name], _paragraphs(_INSTRUCTIONS[name](told), also), Role.TOOL)


_INSTRUCTIONS: dict[DialectName, Callable[[Sequence[Tool]], str]] = {
    "hermes": hermes.instructions,
    "qwen3-coder": qwen3_coder_prompt.instructions,
    "mistral": mistral.instructions,
    "llama": llama.instructions,
}
"""What models are told whose chat templates do not say it."""


def _known_to(template: str) -> DialectName:
    """The dialect of the models with that chat template, by the marks that are in it."""
    if "[TOOL_CALLS]" in template:
        return "mistral"
    if "<|python_tag|>" in template:
        return "llama"
    if "<tool_call>" in template:
        return "qwen3-coder" if "<parameter=" in template else "hermes"
    if "<|start_header_id|>" in template and '"parameters"' in template:
        return "llama"  # of 3.2, which was not taught the tag
    return "fences"


def _blocks(fenced: Sequence[Tool], also: str, *, plans: bool) -> Speech:
    """Calls are fenced blocks, and plan blocks where there is a tool for them."""
    told = {tool.name: tool.instructions for tool in fenced}
    has_plan = PlanTool.name in told
    if plans and not has_plan:
        raise UsageError("model.dialect: plan: the task has no plan tool: add it to tools")
    tags = {tag: tool.name for tool in fenced for tag in tool.tags}
    code = [tool.name for tool in fenced if tool.argument is not None]
    untagged = code[0] if len(code) == 1 else None
    json = {tool.name for tool in fenced if tool.argument is None}
    if plans:
        told[PlanTool.name] = plan.INSTRUCTIONS
    return Speech(
        lambda: (PlanDialect if has_plan else FenceDialect)(tags, untagged, json),
        _paragraphs(*told.values(), also),
        Role.USER,
    )


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(filter(None, texts))
