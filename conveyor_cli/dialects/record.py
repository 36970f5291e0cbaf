"""A call as it stands in a response."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conveyor_cli.dialects.base import WrittenCall
from conveyor_tools.json_closing import closed
from conveyor_tools.json_literal import literal_end, literal_rest

_NO_NAME = re.compile(r"[^\w-]", re.ASCII)
_LONGEST_NAME = 64
"""Characters of a function's name that servers take."""


@dataclass(slots=True)
class Record:
    """A call as the engine counts them, and where it stands in the response."""

    tool: str
    start: int
    """Where its text begins or, if it was not opened, its object."""
    opened: bool
    named: bool = False
    """Whether its name stands before its text."""
    raw: bool = False
    """Whether its text is the JSON of its arguments, not the inside of a string."""
    alone: bool = False
    """Whether its object is that of the arguments: the name stands outside."""
    length: int = 0
    """Characters of its text so far, decoded where they are a string's."""
    end: int | None = None
    """Where it ends, once it is closed or invalid."""
    withdrawn: bool = False
    arguments: object = None
    """Their value, once the call is closed."""

    def cut(self, response: str, length: int | None) -> str:
        """The response up to the first `length` characters of the text, its arguments closed."""
        length = self.length if length is None else length
        if self.raw:
            end = self.start + length
            return response[: self.start] + closed(response[self.start : end])
        return response[: literal_end(response, self.start, length)] + '"}'

    def closing(self) -> str:
        """What closes the call's object behind its arguments."""
        if self.alone:
            return ""
        return "}" if self.named else f', "name": {json.dumps(self.tool)}}}'

    def written(self, response: str, argument: str | None, length: int | None) -> WrittenCall:
        """The call as structure, with the first `length` characters of its text.

        `argument` is that of its tool which holds the text. Arguments that are no object are left
        out: servers refuse a conversation that has such.
        """
        name = _NO_NAME.sub("_", self.tool)[:_LONGEST_NAME] or "unknown"
        whole = length is None or length >= self.length
        if isinstance(self.arguments, dict) and (whole or not self.opened):
            return WrittenCall(name, json.dumps(self.arguments))
        if not self.opened:
            return WrittenCall(name, "{}")
        length = self.length if length is None else length
        if argument is None:
            return WrittenCall(name, closed(response[self.start : self.start + length]))
        text = literal_rest(response, self.start)[0][:length]
        return WrittenCall(name, json.dumps({argument: text}))


def written_calls(
    records: Sequence[Record],
    response: str,
    arguments: Mapping[str, str | None],
    length: int | None,
) -> list[WrittenCall]:
    """The calls as structure, without those that were withdrawn before the last one.

    Of that, the first `length` characters count.
    """
    *before, last = records
    written = [
        it.written(response, arguments.get(it.tool), None) for it in before if not it.withdrawn
    ]
    return [*written, last.written(response, arguments.get(last.tool), length)]
