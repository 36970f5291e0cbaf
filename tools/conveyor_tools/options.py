"""What a task says of a tool: its options, validated as its constructor's annotations say."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from inspect import Parameter
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model

from conveyor_tools.home import expanded
from conveyor_tools.wording import wording


def make(cls: type, options: Mapping[str, Any], base: Path | None) -> Any:
    """An instance of the class. Paths among the options are relative to `base`.

    Raises:
        ValueError: an option is unknown, missing or wrong; the message names it.
    """
    parameters = _parameters(cls)
    if not parameters:
        if options:
            raise ValueError(f"it has no option {next(iter(options))!r}: it takes none")
        return cls()
    hints = typing.get_type_hints(cls.__init__, include_extras=True)  # type: ignore[misc] # of this class
    fields: dict[str, Any] = {
        name: (hints.get(name, Any), ... if it.default is it.empty else it.default)
        for name, it in parameters.items()
    }
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    model = create_model("Options", __config__=config, **fields)
    try:
        valid = TypeAdapter(model).validate_python(dict(options))
    except ValidationError as error:
        raise ValueError(_told(error, [*parameters])) from None
    return cls(**{name: _based(getattr(valid, name), base) for name in parameters})


def _parameters(cls: type) -> dict[str, Parameter]:
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    found = inspect.signature(cls).parameters
    return {name: it for name, it in found.items() if it.kind in kinds}


def _told(error: ValidationError, names: list[str]) -> str:
    found = error.errors(include_url=False, include_context=False)
    first = next((it for it in found if it["type"] == "extra_forbidden"), found[0])
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"it has no option {place!r} (options: {', '.join(names)})"
    if first["type"] == "missing":
        return f"the option {place!r} is missing"
    return f"option {place}: {wording(first)}"


def _based(value: Any, base: Path | None) -> Any:
    """Paths, from the folder of the task."""
    if isinstance(value, Path) and base is not None:
        return base / expanded(value)
    if isinstance(value, list):
        return [_based(each, base) for each in value]
    return value
