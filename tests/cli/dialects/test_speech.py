"""Which dialect is spoken with a model, and what goes with it."""

from __future__ import annotations

import pytest

from conveyor_cli.backends.base import Role
from conveyor_cli.dialects.fences import FenceDialect
from conveyor_cli.dialects.hermes import HermesDialect
from conveyor_cli.dialects.speech import DialectName, find_speech
from conveyor_tools.registry import find_tool

TOOLS = {"python": find_tool("python")}


@pytest.mark.parametrize(
    ("name", "template", "hermes"),
    [
        ("auto", None, False),
        ("auto", "{{ messages }}", False),
        ("auto", "{% if tools %}<tool_call>{% endif %}", True),
        ("fences", "<tool_call>", False),
        ("hermes", None, True),
    ],
)
def test_the_template_decides_unless_the_task_does(
    name: DialectName,
    template: str | None,
    hermes: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """`auto` speaks as the model was trained to; instructions and answers go with the dialect."""
    speech = find_speech(name, TOOLS, (), "and more", template)
    assert isinstance(speech.dialect(), HermesDialect if hermes else FenceDialect)
    assert speech.dialect() is not speech.dialect()
    assert speech.answers is (Role.TOOL if hermes else Role.USER)
    assert speech.instructions.endswith("\n\nand more")
    assert ("<tool_call>" in speech.instructions) is hermes
    assert ("```python" in speech.instructions) is not hermes
