"""One call that is written as tags: `<function=NAME>`, a `<parameter=KEY>` for each argument.

The text of a code tool's call is the value of one parameter, which stands in the response as it is.
That of an argument tool is the JSON of all of them, as if the model had written it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from conveyor_cli.dialects.base import CallText, Closed, Fault, Invalid, Item, Opened, TextEnded
from conveyor_cli.dialects.tagged_value import TaggedValue, escaped, kinds_of_argument

_CLOSE_PARAMETER, _CLOSE_FUNCTION = "\n</parameter>", "\n</function>"


@dataclass(slots=True)
class _Parameter:
    """A parameter of the call."""

    key: str
    head: str
    """The JSON that stands before its value."""
    start: int
    """Where its value begins in the response."""
    value: TaggedValue
    end: int | None = None
    """Where its value ends, once it is closed."""
    streamed: bool = False
    """Whether its JSON was given out while it was written: it is a text."""
    length: int = 0
    """Characters of its value so far."""
    given: int = 0
    """Characters of its JSON so far."""


@dataclass(slots=True)
class TaggedCall:
    """A call whose parameters begin at character `start` of the response.

    `argument` is the parameter that is its text (None: all of them are), `schema` that of all.
    """

    tool: str
    start: int
    argument: str | None = None
    schema: Mapping[str, Any] = field(default_factory=dict)
    text_start: int | None = None
    """Where its text begins, once it is opened."""
    length: int = 0
    """Characters of its text so far."""
    end: int | None = None
    """Where it ends, once it is closed or invalid."""
    parameters: list[_Parameter] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether its text has begun."""
        return self.text_start is not None

    @property
    def current(self) -> _Parameter | None:
        """The parameter that is being written."""
        last = self.parameters[-1] if self.parameters else None
        return last if last is not None and last.end is None else None

    @property
    def value_is_empty(self) -> bool:
        """Whether nothing of the value that is being written has come."""
        return self.current is not None and not self.current.length

    @property
    def is_text(self) -> bool:
        """Whether what is being written is a code tool's text."""
        return self.current is not None and self.current.key == self.argument

    @property
    def names_left(self) -> list[str]:
        """The parameters that the tool knows, and the call does not have yet."""
        there = {it.key for it in self.parameters}
        return [name for name in self.schema.get("properties", {}) if name not in there]

    def begin(self) -> Iterator[Item]:
        """The name is known."""
        if self.argument is None:
            yield self._open(self.start)
            yield self._give("{")

    def begin_value(self, key: str, at: int) -> Iterator[Item]:
        """A parameter's value begins there."""
        separator = ", " if self.parameters else ""
        head = f'{separator}"{escaped(key)}": '
        value = TaggedValue(kinds_of_argument(self.schema, key))
        twice = any(it.key == key for it in self.parameters)
        self.parameters.append(_Parameter(key, head, at, value))
        if self.argument is None:
            yield self._give(head)
            yield from self._take(self.parameters[-1], value.feed(""), while_written=True)
        elif key == self.argument:
            if twice:
                yield self.refuse(Fault.ARGUMENTS, f"the parameter {key!r} is there twice", at)
            else:
                yield self._open(at)

    def feed(self, text: str) -> Iterator[Item]:
        """More of the value."""
        assert self.current is not None
        self.current.length += len(text)
        if self.argument is None:
            yield from self._take(self.current, self.current.value.feed(text), while_written=True)
        elif self.is_text and text:
            yield self._give(text)

    def end_value(self, at: int) -> Iterator[Item]:
        """The value ends there."""
        current = self.current
        assert current is not None
        is_text, current.end = self.is_text, at
        if self.argument is None:
            yield from self._take(current, current.value.finish(), while_written=False)
        elif is_text:
            yield TextEnded()

    def close(self, end: int) -> Iterator[Item]:
        """The call ends there: all of its parameters are closed."""
        if self.argument is None:
            yield self._give("}")
        elif not self.is_open:
            message = f'{self.tool} needs the parameter "{self.argument}"'
            yield self.refuse(Fault.ARGUMENTS, message, end)
            return
        self.end = end
        yield Closed()

    def close_at(self, length: int) -> Closed:
        """The call was complete after so many characters of its text already."""
        self.length = length
        return Closed(length)

    def refuse(self, fault: Fault, message: str, end: int) -> Invalid:
        """The call, which ends there, cannot be run."""
        self.end = end
        return Invalid(self.tool, self.start, fault, message)

    def cut(self, response: str, length: int | None) -> str:
        """The response up to the first `length` characters of the text, with its tags closed."""
        if length is None and self.end is not None:
            text = response[: self.end].rstrip()
            tags = _CLOSE_PARAMETER if self.current is not None else ""
            ended = text.endswith(_CLOSE_FUNCTION.strip()) or not self.tool
            return text + tags + ("" if ended else _CLOSE_FUNCTION)
        length = self.length if length is None else length
        if self.argument is not None:
            assert self.text_start is not None
            return response[: self.text_start + length] + _CLOSE_PARAMETER + _CLOSE_FUNCTION
        end, inside = self._place(response, length)
        return response[:end] + (_CLOSE_PARAMETER if inside else "") + _CLOSE_FUNCTION

    def place(self, response: str, length: int) -> int:
        """Where the first `length` characters of its text end."""
        if self.argument is not None:
            assert self.text_start is not None
            return self.text_start + length
        return self._place(response, length)[0]

    def _place(self, response: str, length: int) -> tuple[int, bool]:
        """Where the first `length` characters of the JSON end, and whether that is in a value."""
        left, place = length - len("{"), self.start
        for parameter in self.parameters:
            if left <= 0:
                return place, place != self.start
            left -= len(parameter.head)
            place = parameter.start
            if left <= 0:
                return place, True
            if parameter.streamed and left < parameter.given:
                return _end_of_escaped(response, place, left - len('"')), True
            left -= parameter.given
            place = parameter.end if parameter.end is not None else len(response)
        return place, place != self.start

    def _open(self, at: int) -> Opened:
        self.text_start = at
        return Opened(self.tool, at)

    def _take(self, parameter: _Parameter, written: str, *, while_written: bool) -> Iterator[Item]:
        """More of a value's JSON."""
        if written:
            parameter.streamed |= while_written
            parameter.given += len(written)
            yield self._give(written)

    def _give(self, text: str) -> CallText:
        self.length += len(text)
        return CallText(text)


def _end_of_escaped(response: str, start: int, length: int) -> int:
    """Where so many characters of a JSON string's inside end, as the response has them."""
    end = start
    while length > 0 and end < len(response):
        length -= len(escaped(response[end]))
        end += 1
    return end
