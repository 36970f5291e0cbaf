"""The signature of a tool's function: as text, as JSON schema, and as a check of arguments."""

from __future__ import annotations

import builtins
import inspect
import keyword
import math
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

from conveyor_tools.errors import ToolError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_TAKEN = frozenset((*dir(builtins), "ToolError"))
"""Names that code counts on."""
_SHOWN = 60
"""Characters of a wrong value that the model is shown."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a tool takes and gives.

    `text` is how Python writes it, with every annotation as a string, so that it can be compiled
    where the types are not; a default that is not plain data stands there as `...`. `shown` is the
    same for people and models, without the quotes.
    """

    text: str
    shown: str
    parameters: Mapping[str, Parameter]
    types: Mapping[str, TypeAdapter[Any]]

    def schema(self) -> dict[str, Any]:
        """The arguments as a JSON schema."""
        inputs = [(name, "validation", adapter) for name, adapter in self.types.items()]
        schemas, shared = TypeAdapter.json_schemas(inputs)  # type: ignore[arg-type]
        properties = {name: schemas[name, "validation"] for name in self.types}
        for name, parameter in self.parameters.items():
            if _is_plain(parameter.default):
                properties[name] = {**properties[name], "default": parameter.default}
        return {
            "type": "object",
            "properties": properties,
            "required": [name for name, it in self.parameters.items() if it.default is it.empty],
            "additionalProperties": False,
            **shared,
        }

    def bind(self, arguments: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments, validated, as the function takes them: by position, by name.

        Raises:
            ToolError: they are not what the annotations say.
        """
        unknown = [name for name in arguments if name not in self.parameters]
        if unknown:
            raise ToolError(
                f"there is no argument {unknown[0]!r:.{_SHOWN}} (it takes {self.shown})"
            )
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if name in arguments:
                value = self._validated(name, arguments[name])
            elif parameter.default is parameter.empty:
                raise ToolError(f"the argument {name!r} is missing (it takes {self.shown})")
            else:
                value = parameter.default
            if parameter.kind is Parameter.POSITIONAL_ONLY:
                args.append(value)
            else:
                kwargs[name] = value
        return args, kwargs

    def _validated(self, name: str, value: Any) -> Any:
        try:
            return self.types[name].validate_python(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            place = ".".join(map(str, (name, *first["loc"])))
            given = repr(first["input"])
            given = given if len(given) <= _SHOWN else f"{given[:_SHOWN]}…"
            raise ToolError(f"{place}: {first['msg']} (given: {given})") from None


def is_taken(name: str) -> bool:
    """Whether Python's own names hold it, which code counts on."""
    return name in _TAKEN


def read_signature(name: str, function: Callable[..., Any]) -> Signature:
    """The signature of a function that is to be a tool of that name.

    Raises:
        ValueError: the name or a parameter will not do, with the reason.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or name in _TAKEN:
        raise ValueError(f"{name!r} cannot be a tool's name")
    try:
        signature = inspect.signature(function)
        routine = inspect.isroutine(function)
        called = function if routine else type(function).__call__
        hints = typing.get_type_hints(called, include_extras=True)
    except (TypeError, ValueError, NameError, AttributeError) as error:
        raise ValueError(f"its signature cannot be read: {error}") from None
    parameters = dict(signature.parameters)
    for parameter in parameters.values():
        _check(parameter, hints)
    types = {each: _adapter(each, hints[each]) for each in parameters}
    text, shown = (str(_written(signature, hints, kind)) for kind in (str, _Bare))
    return Signature(text, shown, parameters, types)


def _check(parameter: Parameter, hints: Mapping[str, Any]) -> None:
    name = parameter.name
    if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        raise ValueError(f"it takes {parameter}: a tool's parameters have names")
    if name.startswith("_"):
        raise ValueError(f"the parameter {name!r} begins with an underscore")
    if name not in hints:
        raise ValueError(f"the parameter {name!r} has no type: annotate it")


def _adapter(name: str, annotation: Any) -> TypeAdapter[Any]:
    try:
        adapter = TypeAdapter(annotation)
        adapter.json_schema()
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError):
        shown = inspect.formatannotation(annotation)
        raise ValueError(f"the parameter {name!r}: plain data cannot be a {shown}") from None
    return adapter


class _Bare(str):
    """An annotation's text, shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _written(
    signature: inspect.Signature, hints: Mapping[str, Any], kind: type[str]
) -> inspect.Signature:
    """The signature with annotations and odd defaults as text of that kind."""

    def text(name: str) -> str:
        annotation = hints[name]
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        if inspect.isclass(annotation) and typing.get_origin(annotation) is None:
            return kind(annotation.__qualname__)
        return kind(inspect.formatannotation(annotation).replace("typing.", ""))

    parameters = [
        parameter.replace(
            annotation=text(name),
            default=parameter.default
            if parameter.default is parameter.empty or _is_plain(parameter.default)
            else ...,
        )
        for name, parameter in signature.parameters.items()
    ]
    returned = text("return") if "return" in hints else inspect.Signature.empty
    return signature.replace(parameters=parameters, return_annotation=returned)


def _is_plain(value: Any) -> bool:
    """Whether its `repr` is a Python literal and it is JSON."""
    if isinstance(value, float):
        return type(value) is float and math.isfinite(value)
    if type(value) is list:
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    return value is None or type(value) in (bool, int, str)
