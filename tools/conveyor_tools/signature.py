"""The signature of a tool's function: as text, as JSON schema, and as a check of arguments."""

from __future__ import annotations

import builtins
import inspect
import json
import keyword
import math
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, Protocol

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

from conveyor_tools.errors import ArgumentsError
from conveyor_tools.later import Later
from conveyor_tools.schema_stream import Schema, SchemaStream
from conveyor_tools.schema_value import shown

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_TAKEN = frozenset((*dir(builtins), "ToolError"))
"""Names that code counts on."""
_SHOWN = 60
"""Characters of a wrong name that the model is shown."""


NO_LATER: Mapping[str, Later[Any]] = {}


class Arguments(Protocol):
    """What a tool takes: from a function's annotations, or from a schema."""

    @property
    def text(self) -> str:
        """The signature as Python writes it, every annotation a string or none."""

    @property
    def shown(self) -> str:
        """The same, for people and models."""

    @property
    def names(self) -> Sequence[str]:
        """The arguments' names, in order."""

    @property
    def later(self) -> Mapping[str, Any]:
        """The defaults of those that a call need not have when it starts."""

    def schema(self) -> dict[str, Any]:
        """All of it, as a JSON schema."""

    def validated(self, name: str, value: Any) -> Any:
        """An argument as the function wants it. Raises ArgumentsError."""

    def bind(
        self, arguments: Mapping[str, Any], later: Mapping[str, Later[Any]] = NO_LATER
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments, validated, by position and by name; `later` has those still to come.

        Raises:
            ArgumentsError: they are not what the tool takes.
        """


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and gives.

    `text` is how Python writes it, with every annotation as a string, so that it can be compiled
    where the types are not; a default that is not plain data stands there as `...`. `shown` is the
    same for people and models, without the quotes.

    Arguments have to be JSON of the schema's: the text "5" is no integer. So what is checked while
    the model writes and what is checked when all is there never differ.
    """

    text: str
    shown: str
    parameters: Mapping[str, Parameter]
    types: Mapping[str, TypeAdapter[Any]]
    later: Mapping[str, Any]
    json_schema: Mapping[str, Any]
    one_argument: Schema
    """Of objects that need not have all arguments."""

    @property
    def names(self) -> Sequence[str]:
        return [*self.parameters]

    def schema(self) -> dict[str, Any]:
        """The arguments as a JSON schema."""
        return dict(self.json_schema)

    def bind(
        self, arguments: Mapping[str, Any], later: Mapping[str, Later[Any]] = NO_LATER
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments, validated, as the function takes them: by position, by name.

        Raises:
            ArgumentsError: they are not what the annotations say.
        """
        unknown = [name for name in arguments if name not in self.parameters]
        if unknown:
            raise ArgumentsError(
                f"there is no argument {unknown[0]!r:.{_SHOWN}} (it takes {self.shown})"
            )
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            value = later[name] if name in later else self._value(name, parameter, arguments)
            if name in self.later and not isinstance(value, Later):
                value = Later(value)
            if parameter.kind is Parameter.POSITIONAL_ONLY:
                args.append(value)
            else:
                kwargs[name] = value
        return args, kwargs

    def _value(self, name: str, parameter: Parameter, arguments: Mapping[str, Any]) -> Any:
        if name in arguments:
            return self.validated(name, arguments[name])
        if parameter.default is parameter.empty:
            raise ArgumentsError(f"the argument {name!r} is missing (it takes {self.shown})")
        return parameter.default

    def validated(self, name: str, value: Any) -> Any:
        """An argument, as its annotation says. Raises ArgumentsError."""
        try:
            text = json.dumps({name: value})
        except (TypeError, ValueError, RecursionError) as problem:
            raise ArgumentsError(f"{name}: is not plain data: {problem}") from None
        stream = SchemaStream(self.one_argument)
        stream.feed(text)
        if stream.problem is not None:
            raise ArgumentsError(f"{stream.problem.why} (given: {shown(value)})")
        try:
            return self.types[name].validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            place = ".".join(map(str, (name, *first["loc"])))
            raise ArgumentsError(f"{place}: {first['msg']} (given: {shown(value)})") from None


def _schema(types: Mapping[str, TypeAdapter[Any]], parameters: Mapping[str, Parameter]) -> Any:
    """The parameters as a JSON schema."""
    inputs = [(name, "validation", adapter) for name, adapter in types.items()]
    schemas, shared = TypeAdapter.json_schemas(inputs)  # type: ignore[arg-type]
    properties = {name: schemas[name, "validation"] for name in types}
    for name, parameter in parameters.items():
        default = parameter.default
        if _is_plain(default):
            properties[name] = {**properties[name], "default": default}
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name, it in parameters.items() if it.default is it.empty],
        "additionalProperties": False,
        **shared,
    }


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
    for parameter in signature.parameters.values():
        _check(parameter, hints)
    signature, plain, later = _without_later(signature, hints)
    parameters = dict(signature.parameters)
    types = {each: _adapter(each, plain[each]) for each in parameters}
    text, bare = (str(_written(signature, plain, kind)) for kind in (str, _Bare))
    schema = _schema(types, parameters)
    one = Schema({**schema, "required": []})
    return Signature(text, bare, parameters, types, later, schema, one)


def _without_later(
    signature: inspect.Signature, hints: Mapping[str, Any]
) -> tuple[inspect.Signature, Mapping[str, Any], dict[str, Any]]:
    """The signature as its caller sees it, and the defaults of the values that come later."""
    plain, later, parameters = dict(hints), {}, []
    for name, parameter in signature.parameters.items():
        if typing.get_origin(hints[name]) is Later:
            (plain[name],) = typing.get_args(hints[name])
            default = parameter.default
            later[name] = default.value if isinstance(default, Later) else default
            if default is parameter.empty:
                raise ValueError(f"the parameter {name!r} comes later, so it needs a default")
            parameter = parameter.replace(default=later[name])  # noqa: PLW2901
        parameters.append(parameter)
    return signature.replace(parameters=parameters), plain, later


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
    # What `Annotated` adds is told by the schema; this takes it away at any depth.
    bare = typing.get_type_hints(type("Hints", (), {"__annotations__": dict(hints)}))

    def text(name: str) -> str:
        annotation = bare[name]
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
