"""What models of Qwen3-Coder's format are told of their tools."""

from __future__ import annotations

import json
from collections.abc import Sequence

from conveyor_cli.dialects.offers import offer
from conveyor_tools.tool import Tool


def instructions(tools: Sequence[Tool]) -> str:
    """What the model is told of its tools: the words that models of this format were trained on."""
    signatures = "\n".join(json.dumps(offer(tool)) for tool in tools)
    return f"""\
# Tools

You have access to the following functions:

<tools>
{signatures}
</tools>

If you choose to call a function ONLY reply in the following format with NO suffix:

<tool_call>
<function=example_function_name>
<parameter=example_parameter_1>
value_1
</parameter>
<parameter=example_parameter_2>
This is the value for the second parameter
that can span
multiple lines
</parameter>
</function>
</tool_call>

<IMPORTANT>
Reminder:
- Function calls MUST follow the specified format: an inner <function=...></function> block must \
be nested within <tool_call></tool_call> XML tags
- Required parameters MUST be specified
- You may provide optional reasoning for your function call in natural language BEFORE the \
function call, but NOT after
- If there is no function call available, answer the question like normal with your current \
knowledge and do not tell the user about function calls
</IMPORTANT>"""
