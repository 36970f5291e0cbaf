"""The format of Hermes and Qwen models: calls are JSON objects between `<tool_call>` tags.

A response may hold several, and prose around them. The text of a call is one string among its
arguments, given out while that string is still being written. Whether `</tool_call>` ends a call is
for JSON to say: inside a string it is text.

What stands between `<think>` and `</think>` is reasoning: no call, and no part of the answer. Not
covered: reasoning that the prompt has opened already, and tags that prose only quotes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto

from conveyor_cli.dialects.base import Closed, EndCheck, Fault, Invalid, Item, Prose
from conveyor_cli.dialects.json_call import JsonCall
from conveyor_cli.dialects.offers import offer
from conveyor_cli.dialects.record import Record
from conveyor_tools.tool import Tool

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_THINK, _THOUGHT = "<think>", "</think>"
_TAGS = (_OPEN, _THINK, _THOUGHT)
_TAG = re.compile("|".join(_TAGS))
_SPACE = re.compile(r"\s*")
_CUT_OFF = "the response was cut off before the call was complete"
_SLICE = 4096
"""Characters that a call is given at once: a delta may be long, and hold many calls."""


class _State(Enum):
    OUTSIDE = auto()
    REASONING = auto()
    IN_CALL = auto()
    AFTER_OBJECT = auto()  # the closing tag is still to come
    OVER = auto()  # a call was invalid: nothing after it counts


class HermesDialect:
    """Finds the calls of a response.

    `arguments` maps tools to the argument that is their text (None: all of the arguments are).
    """

    one_call = False

    def __init__(self, arguments: Mapping[str, str | None]) -> None:
        self._arguments = arguments
        self._state = _State.OUTSIDE
        self._response: list[str] = []
        self._seen = 0  # characters of the response that are judged
        self._held = ""  # the rest: the beginning of what may become a tag
        self._records: list[Record] = []
        self._call = JsonCall(arguments, 0, self._records)

    def watch(self, call: EndCheck) -> None:
        """JSON says where the text ends, not its language."""

    def feed(self, text: str) -> Iterator[Item]:
        self._response.append(text)
        text = self._held + text
        begin, end = self._seen, self._seen + len(text)
        self._held = ""
        while self._seen < end and not self._held and self._state is not _State.OVER:
            pos = self._seen - begin
            match self._state:
                case _State.OUTSIDE:
                    yield from self._outside(text, pos)
                case _State.REASONING:
                    self._reasoning(text, pos)
                case _State.IN_CALL:
                    yield from self._in_call(text, pos)
                case _State.AFTER_OBJECT:
                    yield from self._after_object(text, pos)

    def finish(self, *, complete: bool) -> Iterator[Item]:
        if self._state is _State.OUTSIDE and self._held:
            yield Prose(self._held)
        elif self._state is _State.IN_CALL and complete:
            yield from self._call.flush()
        elif self._state is _State.AFTER_OBJECT and complete:
            yield from self._end_call()
        elif self._state in (_State.IN_CALL, _State.AFTER_OBJECT) and not self._call.is_open:
            yield self._call.refuse(Fault.CUT_OFF, _CUT_OFF, self._seen)

    def cut(self, length: int | None, call: int = 0) -> str:
        response = "".join(self._response)
        record = self._records[call]
        if not record.opened or (length is None and record.end is not None):
            text = response[: record.end].removesuffix("<")  # of a closing tag that came too early
            return text if text.endswith(_CLOSE) else f"{text.rstrip()}\n{_CLOSE}"
        return f"{record.cut(response, length)}{record.closing()}\n{_CLOSE}"

    # Outside calls

    def _outside(self, text: str, pos: int) -> Iterator[Item]:
        tag = _TAG.search(text, pos)
        end = tag.start() if tag else _settled(text, pos, _TAGS)
        if end > pos:
            yield Prose(text[pos:end])
        if tag is None:
            self._held = text[end:]
            self._seen += end - pos
            return
        self._seen += tag.end() - pos
        if tag[0] == _OPEN:
            self._call = JsonCall(self._arguments, self._seen, self._records)
            self._state = _State.IN_CALL
        elif tag[0] == _THINK:
            self._state = _State.REASONING

    def _reasoning(self, text: str, pos: int) -> None:
        found = text.find(_THOUGHT, pos)
        if found >= 0:
            self._seen += found + len(_THOUGHT) - pos
            self._state = _State.OUTSIDE
        else:
            end = _settled(text, pos, (_THOUGHT,))
            self._held = text[end:]
            self._seen += end - pos

    # Inside a call

    def _in_call(self, text: str, pos: int) -> Iterator[Item]:
        piece = text[pos : pos + _SLICE]
        for item in self._call.feed(piece):
            if isinstance(item, Invalid):
                self._state = _State.OVER
            yield item
        if self._call.object_end is None:
            self._seen += len(piece)
        else:
            self._seen = self._call.object_end
            self._state = _State.AFTER_OBJECT

    def _after_object(self, text: str, pos: int) -> Iterator[Item]:
        end = _SPACE.match(text, pos).end()  # type: ignore[union-attr] # it always matches
        self._seen += end - pos
        rest = text[end : end + len(_CLOSE)]
        if rest == _CLOSE:
            self._seen += len(_CLOSE)
            yield from self._end_call()
        elif _CLOSE.startswith(rest):
            self._held = rest
        else:
            self._state = _State.OVER
            message = f"expected {_CLOSE} after the JSON object"
            yield self._call.refuse(Fault.ARGUMENTS, message, self._seen + 1)

    def _end_call(self) -> Iterator[Item]:
        item = self._call.close(self._seen)
        self._state = _State.OUTSIDE if isinstance(item, Closed) else _State.OVER
        yield item


def _settled(text: str, pos: int, tags: Sequence[str]) -> int:
    """Up to where the text from `pos` on cannot belong to one of the tags, none of which it has."""
    last = text.rfind("<", pos)
    if last >= 0 and any(tag.startswith(text[last:]) for tag in tags):
        return last
    return len(text)


def instructions(tools: Sequence[Tool]) -> str:
    """What the model is told of its tools: the words that models of this format were trained on."""
    signatures = "\n".join(json.dumps(offer(tool)) for tool in tools)
    return f"""\
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{signatures}
</tools>

For each function call, return a json object with function name and arguments within \
<tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""
