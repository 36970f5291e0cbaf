"""The formats of Llama 3: calls are `{"name": …, "parameters": {…}}`, or the code itself.

Such an object is a call behind `<|python_tag|>`, or where the response begins with it; more may
follow, each behind a semicolon. Behind the tag anything else is Python, to the response's end. Some
models write `<function=name>{…}</function>`. An answer in JSON stays one: without the tag, a call
has a name (perhaps behind its `"type": "function"`) and its parameters at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

import regex

from conveyor_cli.dialects.base import CallText, Closed, Fault, Item, Opened
from conveyor_cli.dialects.marked import MarkedDialect
from conveyor_cli.dialects.offers import offer
from conveyor_cli.dialects.record import Record
from conveyor_tools.tool import Tool

_TAG, _FUNCTION, _END = "<|python_tag|>", "<function=", "</function>"
# Bounded, so that what waits to be judged is short; blanks are written as _.
_OBJECT, _NEXT, _ENDED, _HEAD = (
    regex.compile(pattern.replace("_", r"\s{0,64}"))
    for pattern in (
        r'\{_(?:"type"_:_"function"_,_)?"name"_:_"(?:[^"\\]|\\.){0,64}"_,_"(parameters|arguments)"_:',
        r"_;_(?=\{)",
        rf"_{_END}",
        r"([\w.:/-]{1,64})>_(?=\{)",
    )
)
_SPACE = re.compile(r"\s*")
_PYTHON = "python"
"""The tool that code behind the tag calls."""


class LlamaDialect(MarkedDialect):
    """Finds the calls of a response."""

    marks = (_TAG, _FUNCTION)

    def __init__(self, arguments: Mapping[str, str | None]) -> None:
        super().__init__(arguments)
        self._step = self._start
        self._code: Record | None = None

    def finish(self, *, complete: bool) -> Iterator[Item]:
        if self._code is not None:
            if complete:
                self._code.end = self._seen
                yield Closed()
            return
        if self._in_call and self._step == self._tagged_object:
            yield from self._call.feed(self._held)
        yield from super().finish(complete=complete)

    def cut(self, length: int | None, call: int = 0) -> str:
        response = "".join(self._response)
        record = self._records[call]
        whole = not record.opened or (length is None and record.end is not None)
        if record is self._code:
            return response[: None if length is None else record.start + length]
        if whole:
            text = response[: record.end].rstrip()
        else:
            text = record.cut(response, length) + record.closing()
        return text + (_END if record.alone else "")

    # Steps

    def _start(self, text: str, pos: int) -> Iterator[Item]:
        """At the beginning of the response, an object may be a call."""
        end = _SPACE.match(text, pos).end()  # type: ignore[union-attr] # it always matches
        if end > pos:
            yield self._say(text[pos:end])
        if end < len(text):
            self._step = self._bare_object if text[end] == "{" else self._outside

    def _bare_object(self, text: str, pos: int) -> Iterator[Item]:
        found = _OBJECT.match(text, pos, partial=True)
        if found is None:
            self._step = self._outside
        elif found.partial:
            self._held = text[pos:]
        else:
            yield from self._begin_object(found[1], text, pos)

    def _enter(self, mark: str) -> None:
        self._step = self._behind_tag if mark == _TAG else self._head

    def _behind_tag(self, text: str, pos: int) -> Iterator[Item]:
        end = _SPACE.match(text, pos).end()  # type: ignore[union-attr]
        if end == len(text):
            self._held = text[pos:]
        elif text[end] == "{":
            self._seen += end - pos
            self._step = self._tagged_object
        elif _PYTHON in self._arguments:
            self._in_call = False
            self._code = Record(_PYTHON, self._seen, opened=True)
            self._records.append(self._code)
            self._step = self._python
            yield Opened(_PYTHON, self._seen)
        else:
            self._begin_call(self._seen, name=_PYTHON)
            problem = self._call.check_name()
            assert problem is not None, "there is no such tool"
            yield self._refuse(*problem)

    def _python(self, text: str, pos: int) -> Iterator[Item]:
        """Code, to the end of the response."""
        assert self._code is not None
        self._code.length += len(text) - pos
        self._seen += len(text) - pos
        yield CallText(text[pos:])

    def _tagged_object(self, text: str, pos: int) -> Iterator[Item]:
        """An object where nothing but a call may stand."""
        self._begin_call(self._seen, key="parameters")
        found = _OBJECT.match(text, pos, partial=True)
        if found is not None and found.partial:
            self._held = text[pos:]
        else:
            yield from self._begin_object(found[1] if found else "parameters", text, pos)

    def _begin_object(self, key: str, text: str, pos: int) -> Iterator[Item]:
        self._begin_call(self._seen, key=key)
        self._step = self._object
        yield from self._object(text, pos)

    def _head(self, text: str, pos: int) -> Iterator[Item]:
        """The name of `<function=name>{…}`."""
        found = _HEAD.match(text, pos, partial=True)
        if found is None:
            yield self._refuse(Fault.ARGUMENTS, "expected <function=NAME>{…}")
        elif found.partial:
            self._held = text[pos:]
        else:
            self._seen += found.end() - pos
            self._begin_call(self._seen, name=found[1])
            self._step = self._object
            if problem := self._call.check_name():
                yield self._refuse(*problem)

    def _after_object(self, text: str, pos: int) -> Iterator[Item]:
        for pattern, step in ((_NEXT, self._tagged_object), (_ENDED, self._outside)):
            found = pattern.match(text, pos, partial=True)
            if found is not None and found.partial:
                self._held = text[pos:]
                return
            if found is not None:
                self._seen += found.end() - pos
                self._step = step
                self._in_call = step == self._tagged_object
                return
        yield from super()._after_object(text, pos)


def instructions(tools: Sequence[Tool]) -> str:
    """What a model is told of its tools whose chat template does not say it."""
    offers = "\n\n".join(json.dumps(offer(tool), indent=4) for tool in tools)
    return f"""\
Given the following functions, respond with a JSON for a function call with its proper arguments \
where one helps to answer the prompt.

Respond in the format {{"name": function name, "parameters": dictionary of argument name and its \
value}}. Do not use variables.

{offers}"""
