"""The values in a plan's steps: plain data, with references to what other steps gave."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conveyor_tools.errors import ToolError

_SHOWN = 60
"""Characters of a value that a message shows."""


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


def resolve(value: Value, results: Mapping[int, Any]) -> Any:
    """The value with what the steps gave in place of the references.

    In a string, a text stands as it is, anything else as JSON.

    Raises:
        ToolError: a step's result has nothing under that path.
    """
    match value:
        case Reference():
            return _look_up(value, results[value.step])
        case Template(parts):
            return "".join(
                part if isinstance(part, str) else _written(_look_up(part, results[part.step]))
                for part in parts
            )
        case list():
            return [resolve(item, results) for item in value]
        case dict():
            return {key: resolve(item, results) for key, item in value.items()}
        case _:
            return value


def _look_up(reference: Reference, found: Any) -> Any:
    """What lies under the reference's path. Only the data's own keys count, nothing of Python."""
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


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
