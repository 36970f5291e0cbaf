"""Which dialect is spoken with a model, and what goes with it."""

from __future__ import annotations

import json

import pytest

from conveyor_cli.backends.base import Role
from conveyor_cli.dialects.fences import FenceDialect
from conveyor_cli.dialects.hermes import HermesDialect
from conveyor_cli.dialects.llama import LlamaDialect
from conveyor_cli.dialects.mistral import MistralDialect
from conveyor_cli.dialects.native import NativeDialect
from conveyor_cli.dialects.qwen3_coder import Qwen3CoderDialect
from conveyor_cli.dialects.speech import DialectName, find_speech
from conveyor_tools.registry import find_tool

TOOLS = {"python": find_tool("python")}
LLAMA_3_2 = '<|start_header_id|>{% if tools %}{"name": …, "parameters": …}'


@pytest.mark.parametrize(
    ("name", "template", "dialect"),
    [
        ("auto", None, FenceDialect),
        ("auto", "{{ messages }}", FenceDialect),
        ("auto", "{% if tool %}<tool_call>{% endif %}", HermesDialect),
        (
            "auto",
            "{% if tools %}<tool_call><function=…><parameter=…>{% endif %}",
            Qwen3CoderDialect,
        ),
        ("auto", "{% if tools %}[TOOL_CALLS]{% endif %}", MistralDialect),
        ("auto", "{% if tools %}<|python_tag|>{% endif %}", LlamaDialect),
        ("auto", LLAMA_3_2, LlamaDialect),
        ("auto", "<|start_header_id|>", FenceDialect),
        ("fences", "<tool_call>", FenceDialect),
        ("hermes", None, HermesDialect),
        ("qwen3-coder", None, Qwen3CoderDialect),
        ("hermes", "<tool_call><function=…><parameter=…>", HermesDialect),
        ("mistral", None, MistralDialect),
        ("llama", "[TOOL_CALLS]", LlamaDialect),
        ("native", None, NativeDialect),
    ],
)
def test_the_template_decides_unless_the_task_does(
    name: DialectName, template: str | None, dialect: type
) -> None:
    """`auto` speaks as the model was trained to; instructions and answers go with the dialect."""
    speech = find_speech(name, TOOLS, (), "and more", template, native=False)
    assert isinstance(speech.dialect(), dialect)
    assert speech.dialect() is not speech.dialect()
    assert speech.answers is (Role.USER if dialect is FenceDialect else Role.TOOL)
    assert speech.instructions.endswith("and more")
    assert ("<tool_call>" in speech.instructions) is _is_told(dialect, template)
    assert ("```python" in speech.instructions) is (dialect is FenceDialect)


def _is_told(dialect: type, template: str | None) -> bool:
    """Whether we say how calls are written, which are in `<tool_call>`: the template does not."""
    return dialect in (HermesDialect, Qwen3CoderDialect) and "tools" not in (template or "")


def test_a_server_marks_calls_itself_unless_the_task_says_otherwise() -> None:
    """It is told of the tools, so that nothing need be said in words."""
    speech = find_speech("auto", TOOLS, (), "", None, native=True)
    assert isinstance(speech.dialect(), NativeDialect)
    assert speech.instructions == ""
    (offered,) = speech.offered
    assert offered["function"]["name"] == "python"
    assert offered["function"]["parameters"]["required"] == ["code"]
    assert not find_speech("fences", TOOLS, (), "", None, native=True).offered


@pytest.mark.parametrize("name", ["hermes", "qwen3-coder", "mistral", "llama"])
def test_the_model_is_told_of_tools_once(name: DialectName) -> None:
    """By its own template, or by us where that does not do it."""
    told = find_speech(name, TOOLS, (), "", "no such thing", native=False)
    assert '"name": "python"' in told.instructions
    assert not told.offered
    offered = find_speech(name, TOOLS, (), "", "{% for tool in tools %}", native=False)
    assert offered.instructions == ""
    assert [json.loads(json.dumps(it)) for it in offered.offered] == list(offered.offered)
