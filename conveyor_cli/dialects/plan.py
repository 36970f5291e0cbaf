"""Plan blocks: lines between a line `>>>` and a line `<<<` are a call of the plan tool.

Both stand alone on their lines: `>>> x`, as in the sessions that Python's manual shows, is text. In
all else the blocks are like fenced ones, which are calls, too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from conveyor_cli.dialects.fences import Block, FenceDialect
from conveyor_tools.plan import EXAMPLE, RULES

INSTRUCTIONS = (
    "Write a plan between a line >>> and a line <<<. It holds steps that call tools, one a "
    f"line, such as\n>>>\n{EXAMPLE}<<<\n{RULES}"
)
"""What the model is told about it."""
_OPENING = re.compile(r"([ \t]*)(>{3,})[ \t]*\r?\n")


class PlanDialect(FenceDialect):
    """Finds the call of a response, which is a plan block or a fenced block.

    `plan` is the tool that plan blocks call.
    """

    def __init__(
        self,
        tags: Mapping[str, str],
        untagged: str | None = None,
        json: Collection[str] = (),
        plan: str = "plan",
    ) -> None:
        super().__init__(tags, untagged, json)
        self._plan = plan

    def _opened(self, line: str) -> Block | None:
        opening = _OPENING.fullmatch(line)
        if opening is None:
            return super()._opened(line)
        return Block(opening[1], "<" * len(opening[2]), self._plan)
