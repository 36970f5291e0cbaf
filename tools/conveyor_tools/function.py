"""Function tools: a typed Python function with a docstring is all that a tool has to be."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from pydantic_core import to_json

from conveyor_sandbox.reports import Failure
from conveyor_sandbox.sandbox import HostFunction
from conveyor_tools.blocking import in_thread
from conveyor_tools.errors import ToolError
from conveyor_tools.signature import Signature, read_signature

LONGEST_RESULT = 256 * 1024
"""Bytes of a result as JSON."""
_LONGEST_MESSAGE = 2000
_DECLARATION = "__conveyor_tool__"

Target = TypeVar("Target", bound=Callable[..., Any])


class Effects(StrEnum):
    """What calling a tool does to the world, which decides when it may be called."""

    PURE = "pure"
    """Nothing. It may start while the model is still writing, and may be called for nothing."""
    REVERSIBLE = "reversible"
    """Something that does not matter if the call counts for nothing in the end.

    A function has no undo, so it waits until the text of the call is complete; nobody is asked."""
    EXTERNAL = "external"
    """Something that cannot be taken back. It waits for the complete call and, as the task says,
    for approval."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What `tool` says of a function. The defaults hold for functions that it says nothing of."""

    effects: Effects = Effects.EXTERNAL
    timeout: float = 30.0
    name: str | None = None


def tool(
    *, effects: Effects | str = Effects.EXTERNAL, timeout: float = 30.0, name: str | None = None
) -> Callable[[Target], Target]:
    """Declare a typed function, or a class whose instances are called, a tool. It stays as it is.

    `timeout` is in seconds; `name` is what the model calls it by, if not by the function's name.
    """
    declaration = Declaration(Effects(effects), timeout, name)

    def declare(target: Target) -> Target:
        setattr(target, _DECLARATION, declaration)
        return target

    return declare


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call: the result as JSON, or why there is none."""

    result: str | None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """A function of the host that a model's code can call.

    The model's code chooses the arguments, so each is validated as its annotation says. A sync
    function runs in a thread of its own; one that does not return in time is given up, which ends
    the waiting, not the function.
    """

    name: str
    description: str
    effects: Effects
    timeout: float
    signature: Signature
    function: Callable[..., Any]

    @property
    def schema(self) -> dict[str, Any]:
        """The arguments as a JSON schema."""
        return self.signature.schema()

    def offer(self) -> HostFunction:
        """What a sandbox has to know, so that code in it can call this."""
        return HostFunction(self.name, self.signature.text, self.description)

    async def call(self, arguments: Mapping[str, Any]) -> Answer:
        """Call it with named arguments. Whatever goes wrong is in the answer."""
        limit = asyncio.timeout(self.timeout)
        try:
            args, kwargs = self.signature.bind(arguments)
            async with limit:
                return Answer(await self._run(args, kwargs))
        except (Exception, SystemExit, KeyboardInterrupt) as problem:  # noqa: BLE001 - it is told
            if limit.expired():
                message = f"no answer within {self.timeout:g} s"
                return Answer(None, Failure("timeout", "TimeoutError", message))
            return Answer(None, _failure(problem))

    async def _run(self, args: list[Any], kwargs: dict[str, Any]) -> str:
        """The result as JSON, made in a thread: it may be large, and objects say how it is done."""

        def run() -> Any:
            value = self.function(*args, **kwargs)
            return value if inspect.isawaitable(value) else _encode(value)

        called = self.function if inspect.isroutine(self.function) else type(self.function).__call__
        later = inspect.iscoroutinefunction(called)
        value = self.function(*args, **kwargs) if later else await in_thread(run)
        if isinstance(value, str):
            return value
        result = await value
        return str(await in_thread(lambda: _encode(result)))


def function_tool(target: Callable[..., Any], fallback_name: str) -> FunctionTool:
    """The tool that a function is, or a class, of which one instance is made.

    Raises:
        ValueError: it is no function whose arguments can come as plain data.
    """
    declaration: Declaration = getattr(target, _DECLARATION, Declaration())
    name: str = declaration.name or getattr(target, "__name__", None) or fallback_name
    documented: Any = target
    function: Callable[..., Any] = target
    if inspect.isclass(target):
        called = vars(target).get("__call__")
        if called is None:
            raise ValueError("it is a class without a __call__ method")
        documented = target if target.__doc__ else called
        made: Any = target()
        function = made
    description = inspect.getdoc(documented) or ""
    if not description:
        raise ValueError("it has no docstring: the model would not know what it is for")
    signature = read_signature(name, function)
    return FunctionTool(
        name, description, declaration.effects, declaration.timeout, signature, function
    )


def _encode(value: Any) -> str:
    """A result as JSON; a text that is too long is cut, visibly.

    Raises:
        ToolError: it is no plain data, or too much of it.
    """
    try:
        text = to_json(value, inf_nan_mode="null").decode()
        if len(text) > LONGEST_RESULT and isinstance(value, str):
            kept = LONGEST_RESULT * len(value) // len(text)
            cut = f"{value[:kept]}… ({len(value) - kept} characters more)"
            return to_json(cut).decode()
    except (ValueError, RecursionError) as problem:
        raise ToolError(f"its result is not plain data: {problem}") from problem
    if len(text) > LONGEST_RESULT:
        size = f"{len(text)} characters of JSON, at most {LONGEST_RESULT}"
        raise ToolError(f"its result is too large: {size}")
    return text


def _failure(problem: BaseException) -> Failure:
    """What the model is told of an exception: no traceback, which is the host's affair."""
    name = type(problem).__name__
    try:
        message = str(problem)
    except Exception:  # noqa: BLE001 - a __str__ of the tool's
        message = "it cannot say why"
    if not isinstance(problem, ToolError):
        message = f"{name}: {message}" if message else name
    if len(message) > _LONGEST_MESSAGE:
        more = len(message) - _LONGEST_MESSAGE
        message = f"{message[:_LONGEST_MESSAGE]}… ({more} characters more)"
    return Failure("exception", name, message)
