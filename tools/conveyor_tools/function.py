"""Function tools: a typed Python function with a docstring is all that a tool has to be."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conveyor_sandbox.sandbox import HostFunction
from conveyor_tools.answer import LONGEST_RESULT, Answer, encode
from conveyor_tools.apart import harmless, in_task, in_thread
from conveyor_tools.attempts import Limit, Slots, attempted
from conveyor_tools.declaration import Declaration, Effects, declared, tool
from conveyor_tools.later import Later
from conveyor_tools.options import make
from conveyor_tools.printing import aside
from conveyor_tools.schema_stream import Schema
from conveyor_tools.signature import NO_LATER, Arguments, read_signature

__all__ = ["LONGEST_RESULT", "Answer", "Effects", "FunctionTool", "function_tool", "tool"]


@dataclass(frozen=True, slots=True, eq=False)
class FunctionTool:
    """A function of the host that a model's code, or the model itself, can call.

    The model chooses the arguments, so each is validated as its annotation says. A sync function
    runs in a thread of its own; one that does not return in time is given up, which ends the
    waiting, not the function.

    A class may have more than `__call__`: `prepare()`, `check_argument(name, value)`,
    `on_argument(name, value)`, `effects_of(arguments)` and `close()`, each of them only if it
    needs it.
    """

    name: str
    description: str
    declaration: Declaration
    signature: Arguments
    function: Callable[..., Any]
    stream_schema: Schema = field(init=False)
    """The arguments' schema, to validate a text while it is written."""
    _slots: Slots = field(init=False)
    _used: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    """Set while there may be something to give back."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "stream_schema", Schema(self.signature.schema()))
        object.__setattr__(self, "_slots", Slots(self.declaration.concurrency))

    @property
    def effects(self) -> Effects:
        """What any call of it may do."""
        return self.declaration.effects

    @property
    def timeout(self) -> float:
        """Seconds that a call may take."""
        return self.declaration.timeout

    @property
    def schema(self) -> dict[str, Any]:
        """The arguments as a JSON schema."""
        return self.signature.schema()

    @property
    def early(self) -> frozenset[str]:
        """The arguments that it does something about as soon as they are closed."""
        if self._hook("on_argument") is None:
            return frozenset()
        asked = self.declaration.early
        return frozenset(self.signature.names) if asked is None else asked

    def offer(self) -> HostFunction:
        """What a sandbox has to know, so that code in it can call this."""
        return HostFunction(self.name, self.signature.text, self.description)

    def effects_of(self, arguments: Mapping[str, Any]) -> Effects:
        """What a call with these arguments does."""
        ask = self._hook("effects_of")
        if ask is None:
            return self.effects
        try:
            with aside():
                return Effects(ask(arguments))
        except BaseException:  # noqa: BLE001 - the tool's own mistake must not let a call slip through
            return Effects.EXTERNAL

    def check(self, name: str, value: Any) -> None:
        """Whether one argument is right, as far as that can be said of it alone.

        Raises:
            Exception: it is not; of the tool's own code, any.
        """
        self.signature.validated(name, value)
        self._check(name, value)

    def _check(self, name: str, value: Any) -> None:
        check = self._hook("check_argument")
        if check is not None:
            try:
                with aside():
                    check(name, value)
            except Exception:
                raise
            except BaseException as problem:
                raise harmless(problem) from problem

    async def prepare(self) -> None:
        """Get ready for a call: connect, import. Raises whatever the tool does."""
        self._used.set()
        await self._run_hook("prepare")

    async def take_early(
        self, name: str, value: Any, prepared: Awaitable[None] | None = None
    ) -> Answer:
        """Do what can be done once an argument is closed, after the preparation."""

        async def take() -> str:
            await (prepared or self.prepare())
            await self._run_hook("on_argument", name, value)
            return "null"

        return await attempted(take, Limit(self.timeout), retries=0)

    async def call(
        self,
        arguments: Mapping[str, Any],
        later: Mapping[str, Later[Any]] = NO_LATER,
        prepared: Awaitable[None] | None = None,
    ) -> Answer:
        """Call it with named arguments. Whatever goes wrong is in the answer.

        `later` has the arguments that are still to be written, `prepared` a preparation that is
        under way.
        """
        ready = prepared

        async def call() -> str:
            nonlocal ready
            args, kwargs = self.signature.bind(arguments, later)
            for name, value in arguments.items():
                self._check(name, value)
            getting_ready, ready = ready or self.prepare(), None  # a next try begins anew
            await getting_ready
            return await self._run(args, kwargs)

        repeatable = self.declaration.idempotent or self.effects_of(arguments) is Effects.PURE
        async with self._slots.here:
            retries = self.declaration.retries if repeatable else 0
            return await attempted(call, Limit(self.timeout), retries)

    async def close(self) -> None:
        """Give back what it holds, if it was used since the last time. Raises nothing."""
        if self._used.is_set():
            self._used.clear()
            with contextlib.suppress(Exception):
                async with asyncio.timeout(self.timeout):
                    await self._run_hook("close")

    async def _run(self, args: list[Any], kwargs: dict[str, Any]) -> str:
        """The result as JSON, made in a thread: it may be large, and objects say how it is done."""
        limit = self.declaration.result_limit

        def work() -> Any:
            value = self.function(*args, **kwargs)
            return value if inspect.isawaitable(value) else encode(value, limit)

        called = self.function if inspect.isroutine(self.function) else type(self.function).__call__
        later = inspect.iscoroutinefunction(called)
        value = self.function(*args, **kwargs) if later else await in_thread(work)
        if isinstance(value, str):
            return value
        result = await in_task(value)
        return str(await in_thread(lambda: encode(result, limit)))

    async def _run_hook(self, name: str, *arguments: Any) -> None:
        """A coroutine is awaited; a function that may block runs in a thread."""
        hook = self._hook(name)
        with aside():
            if inspect.iscoroutinefunction(hook):
                await in_task(hook(*arguments))
            elif hook is not None:
                await in_thread(lambda: hook(*arguments))

    def _hook(self, name: str) -> Callable[..., Any] | None:
        hook = None if inspect.isroutine(self.function) else getattr(self.function, name, None)
        return hook if callable(hook) else None


def function_tool(
    target: Callable[..., Any],
    fallback_name: str,
    options: Mapping[str, Any] | None = None,
    base: Path | None = None,
) -> FunctionTool:
    """The tool that a function is, or a class, of which one instance is made with the options.

    Paths among the options are relative to `base`.

    Raises:
        ValueError: it is no function whose arguments can come as plain data, what it declares
            does not fit it, or the options are wrong.
    """
    declaration = declared(target)
    name: str = declaration.name or getattr(target, "__name__", None) or fallback_name
    documented: Any = target
    function: Callable[..., Any] = target
    if inspect.isclass(target):
        called = vars(target).get("__call__")
        if called is None:
            raise ValueError("it is a class without a __call__ method")
        documented = target if target.__doc__ else called
        with aside():
            made: Any = make(target, options or {}, base)
        function = made
    elif options:
        raise ValueError("it takes no options: only classes do")
    description = inspect.getdoc(documented) or ""
    if not description:
        raise ValueError("it has no docstring: the model would not know what it is for")
    signature = read_signature(name, function)
    _check(declaration, signature, function)
    return FunctionTool(name, description, declaration, signature, function)


def _check(declaration: Declaration, signature: Arguments, function: Callable[..., Any]) -> None:
    """Whether what is declared fits the parameters. Raises ValueError."""
    named = (declaration.ready_when or frozenset()) | (declaration.early or frozenset())
    safe = declaration.idempotent or declaration.effects is Effects.PURE
    if declaration.retries and not (safe or hasattr(function, "effects_of")):
        raise ValueError("retries are for tools that are pure or idempotent")
    unknown = sorted(named - {*signature.names})
    if unknown:
        raise ValueError(f"it has no parameter {unknown[0]!r}, which its declaration names")
    if declaration.early and not hasattr(function, "on_argument"):
        raise ValueError("early is for a class with on_argument, which is told of arguments")
    if declaration.ready_when is None:
        if signature.later:
            raise ValueError("it takes values later, but declares no ready_when")
        return
    needed = [it for it in signature.names if it not in declaration.ready_when]
    plain = [name for name in needed if name not in signature.later]
    if plain:
        raise ValueError(
            f"the parameter {plain[0]!r} may not be there when it starts: annotate it Later[…], "
            "or name it in ready_when"
        )
    both = sorted(declaration.ready_when & {*signature.later})
    if both:
        raise ValueError(f"the parameter {both[0]!r} is in ready_when, so it does not come later")
    called = function if inspect.isroutine(function) else type(function).__call__
    if signature.later and not inspect.iscoroutinefunction(called):
        raise ValueError("it takes values later, which have to be awaited: make it async")
