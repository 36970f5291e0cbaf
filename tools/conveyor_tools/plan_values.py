"""The values in a plan's steps: plain data, with references to what other steps gave."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from conveyor_sandbox.reports import FileMade, Outcome
from conveyor_tools.answer import Unusable
from conveyor_tools.errors import ToolError

_SHOWN = 60
"""Characters of a value that a message shows."""


_MOST = 2 * 1024 * 1024
"""Characters of other steps' results in the arguments of one."""


class StepProblem(Exception):  # noqa: N818 - what the model did, not a mistake of ours
    """A text that can no longer become a step of a plan. `kind` is that of the failure."""

    def __init__(self, message: str, kind: str = "arguments") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Reference:
    """What step `step` gave, or what lies in it under the keys and indices of `path`."""

    step: int
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        return f"${self.step}" + "".join(
            f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.path
        )


@dataclass(frozen=True, slots=True)
class Template:
    """A string with references in it."""

    parts: tuple[str | Reference, ...]


Value = None | bool | int | float | str | list[Any] | dict[str, Any] | Reference | Template
"""Lists and dicts hold values again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call in a plan: `$number = tool(arguments)`."""

    number: int
    tool: str
    arguments: dict[str, Value]

    @property
    def uses(self) -> set[int]:
        """The numbers of the steps that it refers to."""
        return {reference.step for reference in references(self.arguments)}


class Printed(str):
    """What a step gave as text. Under a path, it is read as JSON."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Given:
    """What a step gave: the value that others use, and what the model is shown of it."""

    value: Any
    shown: str
    """Behind its number."""
    whole: str | None
    """Where it is the last step, whose result is the plan's."""
    aside: str = ""
    """What it wrote to standard error."""
    files: tuple[FileMade, ...] = ()
    """What its tool made on this side of the sandbox."""


@dataclass(frozen=True, slots=True)
class Failed:
    """How a step failed, and what it wrote before."""

    outcome: Outcome
    out: str = ""
    aside: str = ""


def references(value: Value) -> Iterator[Reference]:
    """All references in a value."""
    match value:
        case Reference():
            yield value
        case Template(parts):
            yield from (part for part in parts if isinstance(part, Reference))
        case list():
            for item in value:
                yield from references(item)
        case dict():
            for item in value.values():
                yield from references(item)


def resolve(value: Value, results: Mapping[int, Any], *, python: bool = False) -> Any:
    """The value with what the steps gave in place of the references.

    In a string, a text stands as it is, anything else as JSON or, where it is code in `python`,
    as that writes it.

    Raises:
        ToolError: a step's result has nothing under that path, or all of it would be too much.
    """
    return _Filling(results, repr if python else _as_json).of(value)


class _Filling:
    """Puts results in the place of references. A short plan could ask for one a thousand times."""

    def __init__(self, results: Mapping[int, Any], write: Callable[[Any], str]) -> None:
        self._results = results
        self._write = write
        self._room = _MOST

    def of(self, value: Value) -> Any:
        match value:
            case Reference():
                found = self._look_up(value)
                self._take(found if isinstance(found, str) else _as_json(found))
                return found
            case Template(parts):
                return "".join(map(self._text, parts))
            case list():
                return [self.of(item) for item in value]
            case dict():
                return {key: self.of(item) for key, item in value.items()}
            case _:
                return value

    def _text(self, part: str | Reference) -> str:
        if isinstance(part, str):
            return part
        found = self._look_up(part)
        return self._take(found if isinstance(found, str) else self._write(found))

    def _look_up(self, reference: Reference) -> Any:
        return _look_up(reference, self._results[reference.step])

    def _take(self, text: str) -> str:
        self._room -= len(text)
        if self._room < 0:
            raise ToolError(f"the results that it uses have more than {_MOST} characters together")
        return text


def _look_up(reference: Reference, found: Any) -> Any:
    """What lies under the reference's path. Only the data's own keys count, nothing of Python."""
    if isinstance(found, Unusable):
        raise ToolError(f"${reference.step} cannot be used: {found.why}")
    if isinstance(found, Printed):
        found = _read(reference.step, found) if reference.path else str(found)
    for depth, key in enumerate(reference.path):
        where = Reference(reference.step, reference.path[:depth])
        if isinstance(key, str):
            if not isinstance(found, dict) or key not in found:
                raise ToolError(f"{where} has no field {key!r}: it is {_shown(found)}")
            found = found[key]
        elif not isinstance(found, list):
            raise ToolError(f"{where} is not a list: it is {_shown(found)}")
        elif not -len(found) <= key < len(found):
            raise ToolError(f"{where} has no item {key}: it has {len(found)}")
        else:
            found = found[key]
    return found


def _read(step: int, text: str) -> Any:
    """The data that a text is, as JSON."""
    try:
        return from_json(text)
    except ValueError:
        why = f"${step} is text, no JSON that has parts: it is {_shown(text)}"
        raise ToolError(why) from None


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
