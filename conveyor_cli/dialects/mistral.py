"""The formats of Mistral's models: calls stand behind `[TOOL_CALLS]`.

First an array, `[TOOL_CALLS] [{"name": …, "arguments": {…}}, …]` (one object alone is taken, too);
in newer models each call behind a mark of its own, `[TOOL_CALLS]name[ARGS]{…}`, with `[CALL_ID]…`
before the arguments in some. What stands between `[THINK]` and `[/THINK]` is reasoning.

In the conversation the calls stand apart from the text: Mistral's templates count turns by them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from conveyor_cli.dialects.base import Fault, Item, WrittenCall
from conveyor_cli.dialects.marked import MarkedDialect
from conveyor_cli.dialects.offers import offer
from conveyor_cli.dialects.record import written_calls
from conveyor_tools.tool import Tool

_HEAD = re.compile(r"\s*([\w.:/-]+)\s*(?:\[CALL_ID\]\s*\w+\s*)?(?:\[ARGS\])?\s*")
_LONGEST_HEAD = 256
"""Characters between the mark and the arguments."""


class MistralDialect(MarkedDialect):
    """Finds the calls of a response."""

    marks = ("[TOOL_CALLS]",)
    thoughts: ClassVar[dict[str, str]] = {"[THINK]": "[/THINK]", "<think>": "</think>"}

    def __init__(self, arguments: Mapping[str, str | None]) -> None:
        super().__init__(arguments)
        self._in_array = False

    def cut(self, length: int | None, call: int = 0) -> str:  # noqa: ARG002 - calls stand apart
        """The text before the call."""
        return self._prose_before(self._records[call].start)

    def calls(self, length: int | None, call: int) -> list[WrittenCall]:
        """The calls up to that one."""
        records = self._records[: call + 1]
        return written_calls(records, "".join(self._response), self._arguments, length)

    def _enter(self, mark: str) -> None:  # noqa: ARG002 - there is one
        self._step = self._behind_mark

    def _behind_mark(self, text: str, pos: int) -> Iterator[Item]:
        pos = self._skip_space(text, pos)
        self._in_array = text[pos : pos + 1] == "["
        match text[pos : pos + 1]:
            case "":
                return
            case "[":
                self._seen += 1
                self._step = self._item
            case "{":
                yield from self._begin_object(text, pos)
            case _:
                self._step = self._head

    def _head(self, text: str, pos: int) -> Iterator[Item]:
        """From the name to the arguments; it is short, and judged when it is complete."""
        brace = text.find("{", pos, pos + _LONGEST_HEAD)
        if brace < 0 and len(text) - pos < _LONGEST_HEAD:
            self._held = text[pos:]
            return
        head = _HEAD.fullmatch(text, pos, max(brace, pos))
        if head is None:
            yield self._refuse(Fault.ARGUMENTS, "expected NAME[ARGS]{…} after [TOOL_CALLS]")
            return
        self._seen += head.end() - pos
        self._begin_call(self._seen, name=head[1])
        if problem := self._call.check_name():
            yield self._refuse(*problem)
            return
        self._step = self._object

    # In an array

    def _item(self, text: str, pos: int) -> Iterator[Item]:
        pos = self._skip_space(text, pos)
        if text[pos : pos + 1] == "{":
            yield from self._begin_object(text, pos)
        elif pos < len(text):
            yield self._refuse(Fault.ARGUMENTS, "expected a JSON object in the array of calls")

    def _begin_object(self, text: str, pos: int) -> Iterator[Item]:
        self._begin_call(self._seen)
        self._step = self._object
        yield from self._object(text, pos)

    def _after_object(self, text: str, pos: int) -> Iterator[Item]:
        if not self._in_array:
            yield from super()._after_object(text, pos)
            return
        pos = self._skip_space(text, pos)
        if text[pos : pos + 1] == "]":
            self._seen += 1
            self._step = self._outside
        elif pos < len(text):
            self._begin_call(self._seen)
            self._step = self._item
            if text[pos] == ",":
                self._seen += 1
            else:
                yield self._refuse(Fault.ARGUMENTS, "expected ',' or ']' after a call")


def instructions(tools: Sequence[Tool]) -> str:
    """What a model is told of its tools whose chat template does not say it."""
    offers = json.dumps([offer(tool) for tool in tools])
    return f"""\
You can call these tools:
{offers}

To call one, write [TOOL_CALLS] and an array of calls, and nothing after it:
[TOOL_CALLS] [{{"name": <tool-name>, "arguments": <arguments-json-object>}}]"""
