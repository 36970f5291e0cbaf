"""The format of Qwen3-Coder and the models after it: calls are tags, and no JSON.

    <tool_call>
    <function=python>
    <parameter=code>
    print(6 * 7)
    </parameter>
    </function>
    </tool_call>

A value stands between its tags as it is, less a newline at either end. Nothing in it is escaped, so
a tag in a value may be the model's own text: `tagged_end.py` says which one ends it, and in code
none does in the middle of a string. What follows a tag has to be seen before that is known.

The models leave things out, now and then: the first `<tool_call>` (then a tool's name and its first
tag have to be there), a `</parameter>`, a `</function>`, the `>` behind a parameter's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import regex

from conveyor_cli.dialects.base import EndCheck, Fault, Invalid, Item, Opened
from conveyor_cli.dialects.marked import CUT_OFF, MarkedText
from conveyor_cli.dialects.tagged_call import TaggedCall
from conveyor_cli.dialects.tagged_end import END_PARAMETER, EndOfValue, Meaning

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_FUNCTION, _END_FUNCTION, _PARAMETER = "<function=", "</function>", "<parameter="

# Bounded, so that what waits is short; blanks are written as ~.
_FUNCTION_HEAD, _PARAMETER_HEAD, _AFTER = (
    regex.compile(pattern.replace("~", r"\s{0,64}"))
    for pattern in (
        r"""<function=~["']?([^\s"'<>=]{1,64})["']?~>""",
        r"""<parameter=[ ]{0,8}["']?([^\s"'<>=]{1,128})["']?[ ]{0,8}(?:>|\n)""",
        r"~</tool_call>",
    )
)


class Qwen3CoderDialect(MarkedText):
    """Finds the calls of a response.

    `arguments` maps tools to the argument that is their text (None: all of the arguments are),
    `schemas` to the schemas of their arguments.
    """

    marks = (_OPEN, _FUNCTION)

    def __init__(
        self, arguments: Mapping[str, str | None], schemas: Mapping[str, Mapping[str, Any]]
    ) -> None:
        super().__init__()
        self._arguments = arguments
        self._schemas = schemas
        names = "|".join(map(regex.escape, sorted(arguments, key=len, reverse=True)))
        self._bare = regex.compile(rf"<function=(?:{names})>\s{{0,64}}(?:<parameter=|</function>)")
        self._calls: list[TaggedCall] = []
        self._wrapped: list[bool] = []
        """Of each call, whether a `<tool_call>` stands before it."""
        self._is_wrapped = False
        self._call = TaggedCall("", 0)
        self._check: EndCheck | None = None
        # Of the value.
        self._key = ""
        self._ends = EndOfValue(())
        self._refused: list[int] = []
        """Lengths of a code tool's text where a tag stood that could not end it."""

    def watch(self, call: EndCheck) -> None:
        self._check = call

    def cut(self, length: int | None, call: int = 0) -> str:
        text = self._calls[call].cut("".join(self._response), length)
        return f"{text}\n{_CLOSE}" if self._wrapped[call] else text

    def place(self, length: int, call: int = 0) -> int:
        return self._calls[call].place("".join(self._response), length)

    # From prose to the name

    def _meet(self, mark: str, text: str, pos: int) -> Iterator[Item]:
        if mark == _FUNCTION:
            found = self._bare.match(text, pos, partial=True)
            if found is None:
                yield self._say(mark)
                return
            if found.partial:
                self._held = text[pos:]
                return
        self._is_wrapped = mark == _OPEN
        self._seen += len(_OPEN) if self._is_wrapped else 0
        self._in_call = True
        self._call = TaggedCall("", self._seen)
        self._step = self._behind_open if self._is_wrapped else self._function

    def _behind_open(self, text: str, pos: int) -> Iterator[Item]:
        pos = self._skip_space(text, pos)
        if text.startswith(_FUNCTION, pos):
            self._step = self._function
        elif _FUNCTION.startswith(text[pos:]):
            self._held = text[pos:]
        else:
            yield self._refuse(f"expected <function=NAME> behind {_OPEN}")

    def _function(self, text: str, pos: int) -> Iterator[Item]:
        head = _FUNCTION_HEAD.match(text, pos, partial=True)
        if head is None:
            yield self._refuse("expected <function=NAME>")
            return
        if head.partial:
            self._held = text[pos:]
            return
        name = head[1]
        self._seen += head.end() - pos
        self._call = TaggedCall(name, self._seen)
        if name not in self._arguments:
            why = f"no tool is called {name[:40]!r} (there is: {', '.join(self._arguments)})"
            yield self._refuse(why, Fault.UNKNOWN_TOOL, seen=0)
            return
        self._call.argument = self._arguments[name]
        self._call.schema = self._schemas.get(name, {})
        self._step = self._between
        yield from self._act(self._call.begin())

    # Between parameters

    def _between(self, text: str, pos: int) -> Iterator[Item]:
        pos = self._skip_space(text, pos)
        rest = text[pos:]
        if rest.startswith(_END_FUNCTION):
            self._seen += len(_END_FUNCTION)
            yield from self._end_call()
        elif rest.startswith(_CLOSE):
            yield from self._end_call()
        elif rest.startswith(_PARAMETER):
            yield from self._parameter(text, pos)
        elif any(tag.startswith(rest) for tag in (_END_FUNCTION, _CLOSE, _PARAMETER)):
            self._held = rest
        else:
            yield self._refuse(f"expected <parameter=NAME> or {_END_FUNCTION}")

    def _parameter(self, text: str, pos: int) -> Iterator[Item]:
        head = _PARAMETER_HEAD.match(text, pos, partial=True)
        if head is None:
            yield self._refuse("expected <parameter=NAME>")
        elif head.partial:
            self._held = text[pos:]
        else:
            self._seen += head.end() - pos
            self._key = head[1]
            self._step = self._value_start
            if text[head.end() - 1] == "\n":
                yield from self._begin_value()

    def _end_call(self) -> Iterator[Item]:
        self._in_call = False
        self._step = self._after_call
        yield from self._act(self._call.close(self._seen))

    def _after_call(self, text: str, pos: int) -> Iterator[Item]:
        found = _AFTER.match(text, pos, partial=True)
        if found is not None and found.partial:
            self._held = text[pos:]
            return
        self._seen += found.end() - pos if found else 0
        self._step = self._outside
        yield from ()

    # Inside a value

    def _value_start(self, text: str, pos: int) -> Iterator[Item]:
        if text[pos] == "\n":
            self._seen += 1
        yield from self._begin_value()

    def _begin_value(self) -> Iterator[Item]:
        self._refused = []
        self._step = self._value
        yield from self._act(self._call.begin_value(self._key, self._seen))
        self._ends = EndOfValue(self._call.names_left)

    def _value(self, text: str, pos: int) -> Iterator[Item]:
        at = text.find("<", pos)
        while at >= 0:
            after_newline = at > pos and text[at - 1] == "\n"
            before = at - after_newline
            line_start = after_newline or (at == pos and self._call.value_is_empty)
            meaning = self._ends.look(text, at, line_start=line_start)
            if meaning is not Meaning.TEXT:
                yield from self._give(text, pos, before)
                pos = before
            if meaning is Meaning.UNSURE:
                self._held = text[pos:]
                return
            if meaning is not Meaning.TEXT and self._may_end():
                tag = len(END_PARAMETER) if meaning is Meaning.TAG else 0
                yield from self._end_value(at - before + tag)
                return
            at = text.find("<", at + 1)
        end = len(text) - text.endswith("\n", pos)
        yield from self._give(text, pos, end)
        self._held = text[end:]

    def _may_end(self) -> bool:
        """Whether the value, all of which was given out, may end where a tag says so."""
        if not self._call.is_text:
            return True
        assert self._check is not None, "a dialect is told of each call's splitter"
        if not self._check.may_end():
            self._refused.append(self._call.length)
            return False
        return True

    def _end_value(self, behind: int) -> Iterator[Item]:
        """It ends here; so many characters behind it are its tag."""
        yield from self._act(self._call.end_value(self._seen))
        self._seen += behind
        self._step = self._between

    def _give(self, text: str, pos: int, end: int) -> Iterator[Item]:
        """That much of the text is the value's."""
        if end > pos:
            self._seen += end - pos
            yield from self._act(self._call.feed(text[pos:end]))

    # The end of the response

    def _finish_call(self, *, complete: bool) -> Iterator[Item]:
        if not complete:
            if not self._call.is_open:
                yield self._refuse(CUT_OFF, Fault.CUT_OFF, seen=0)
            return
        if self._step == self._value:
            yield from self._finish_value()
        if self._step == self._between:
            yield from self._end_call()
        elif self._in_call:
            yield self._refuse("the call is not complete", seen=0)

    def _finish_value(self) -> Iterator[Item]:
        """It ends here, if at all; in code that is still in a string, at the first tag."""
        tag = self._ends.last(self._held)
        if tag and self._may_end():
            yield from self._end_value(tag)
            return
        yield from self._give(self._held, 0, len(self._held))
        released = self._check.released if self._check is not None else 0
        lengths = [length for length in self._refused if length >= released]
        if lengths:
            self._end_all()
            yield self._call.close_at(lengths[0])
        else:
            yield self._refuse(f"expected {END_PARAMETER}", seen=0)

    # Calls

    def _act(self, items: Iterator[Item]) -> Iterator[Item]:
        for item in items:
            if isinstance(item, Opened | Invalid):
                self._enter()
            if isinstance(item, Invalid):
                self._end_all()
            yield item

    def _refuse(self, message: str, fault: Fault = Fault.ARGUMENTS, *, seen: int = 1) -> Invalid:
        """The call cannot be run, as so many further characters show."""
        self._enter()
        self._end_all()
        return self._call.refuse(fault, message, self._seen + seen)

    def _enter(self) -> None:
        """The engine counts the call from now on."""
        if not self._calls or self._calls[-1] is not self._call:
            self._calls.append(self._call)
            self._wrapped.append(self._is_wrapped)
