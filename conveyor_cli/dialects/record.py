"""A call as it stands in a response."""

from __future__ import annotations

import json
from dataclasses import dataclass

from conveyor_tools.json_closing import closed
from conveyor_tools.json_literal import literal_end


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
        return "}" if self.named else f', "name": {json.dumps(self.tool)}}}'
