"""Function tools: what becomes a tool, and what comes of its calls."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from conveyor_tools.errors import ToolError
from conveyor_tools.function import LONGEST_RESULT, Answer, Effects, function_tool, tool


def call(target: Callable[..., Any], **arguments: object) -> Answer:
    return asyncio.run(function_tool(target, "given").call(arguments))


def message(target: Callable[..., Any], **arguments: object) -> str:
    answer = call(target, **arguments)
    assert answer.failure is not None, answer
    return answer.failure.message


class Unit(Enum):
    """A unit."""

    C = "celsius"


def weather(
    city: str,
    days: Annotated[int, Field(ge=1, le=7)] = 1,
    *,
    unit: Unit = Unit.C,
    kind: Literal["short", "long"] = "short",
    near: list[tuple[float, float]] | None = None,
) -> dict[str, Any]:
    """The weather in a city."""
    return {"city": city, "days": days, "unit": unit.value, "kind": kind, "near": near}


# What becomes a tool


def test_name_description_and_schema_come_from_the_function() -> None:
    """All that a model needs to know of a tool is in the function."""
    made = function_tool(weather, "given")
    assert (made.name, made.description) == ("weather", "The weather in a city.")
    assert (made.effects, made.timeout) == (Effects.EXTERNAL, 30.0)
    schema = made.schema
    assert schema["required"] == ["city"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["city"] == {"type": "string"}
    assert schema["properties"]["days"] == {
        "type": "integer", "minimum": 1, "maximum": 7, "default": 1,
    }  # fmt: skip
    assert schema["properties"]["kind"]["enum"] == ["short", "long"]
    assert "Unit" in schema["$defs"]


def test_the_signature_is_text_that_python_can_compile() -> None:
    """In the sandbox, where none of its types exist."""
    signature = function_tool(weather, "given").signature
    names: dict[str, Any] = {}
    exec(f"def f{signature.text}: return locals()", names)
    assert names["f"]("Oslo") == {
        "city": "Oslo", "days": 1, "unit": ..., "kind": "short", "near": None,
    }  # fmt: skip
    assert signature.shown == (
        "(city: str, days: int = 1, *, unit: Unit = Ellipsis, kind: "
        "Literal['short', 'long'] = 'short', near: list[tuple[float, float]] | None = None)"
        " -> dict[str, Any]"
    )


def test_the_decorator_declares_and_changes_nothing() -> None:
    """The function can still be called, as in its own tests."""

    @tool(effects="pure", timeout=2, name="double")
    def twice(x: int) -> int:
        """Twice as much."""
        return 2 * x

    assert twice(2) == 4
    made = function_tool(twice, "given")
    assert (made.name, made.effects, made.timeout) == ("double", Effects.PURE, 2)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "effects": ({"effects": "harmless"}, "one of pure, reversible, external, not 'harmless'"),
    "a text for names": ({"effects": "pure", "ready_when": "word"}, r"write ready_when=\{'word'\}"),
    "a text for names told early": ({"early": "word"}, r"write early=\{'word'\}"),
    "a text for seconds": ({"timeout": "10"}, "timeout is a number, not '10'"),
    "a text for a count": ({"retries": "2"}, "retries is a number, not '2'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_declared(case: str) -> None:
    declared, why = WRONG[case]
    with pytest.raises((TypeError, ValueError), match=why):
        tool(**declared)


def test_a_declaration_without_brackets() -> None:
    """It is said how it is written."""

    def twice(x: int) -> int:
        """Twice as much."""
        return 2 * x

    with pytest.raises(TypeError, match=r"write @tool\(…\), with what it declares"):
        tool(twice)


def test_a_class_is_made_once_and_called() -> None:
    """So a tool can keep what is costly to make."""

    class Counter:
        """Counts its calls."""

        def __init__(self) -> None:
            self.count = 0

        async def __call__(self, step: int = 1) -> int:
            self.count += step
            return self.count

    made = function_tool(Counter, "given")
    assert made.description == "Counts its calls."
    assert asyncio.run(made.call({})).result == "1"
    assert asyncio.run(made.call({"step": 2})).result == "3"


def untyped(x) -> None:  # noqa: ANN001
    """Has no types."""


def undocumented(x: int) -> None: ...


def starred(*x: int) -> None:
    """Has no names."""


def hidden(_x: int) -> None:
    """Has a strange name."""


def odd(x: threading.Lock) -> None:  # type: ignore[valid-type]
    """Takes no data."""


def print_(x: int) -> None:
    """Would hide Python's own."""


print_.__name__ = "print"


@tool(effects="pure", early={"x"})
def told_nothing(x: int) -> None:
    """Has no on_argument."""


class NotCalled:
    """Cannot be called."""


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (untyped, "the parameter 'x' has no type: annotate it"),
        (undocumented, "it has no docstring"),
        (starred, r"it takes \*x: 'int': a tool's parameters have names"),
        (hidden, "the parameter '_x' begins with an underscore"),
        (odd, "the parameter 'x': plain data cannot be a"),
        (print_, "'print' cannot be a tool's name"),
        (lambda x: x, "it has no docstring"),
        (NotCalled, "it is a class without a __call__ method"),
        (told_nothing, "early is for a class with on_argument"),
    ],
)
def test_what_cannot_be_a_tool(target: Callable[..., Any], why: str) -> None:
    """It is refused with the reason."""
    with pytest.raises(ValueError, match=why):
        function_tool(target, "given")


# Arguments


def test_arguments_are_what_the_annotations_say() -> None:
    """They arrive as the types of the annotations, defaults included."""
    answer = call(weather, city="Oslo", days=3, unit="celsius", near=[[1, 2]])
    assert json.loads(answer.result or "") == {
        "city": "Oslo", "days": 3, "unit": "celsius", "kind": "short", "near": [[1.0, 2.0]],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "the argument 'city' is missing (it takes (city: str"),
        ({"city": 1}, "city: must be a string, not a number (given: 1)"),
        ({"city": "a", "days": 9}, "days: must be at least 1 and at most 7 (given: 9)"),
        ({"city": "a", "kind": "x"}, "kind: must be one of 'short', 'long', not 'x'… (given: 'x')"),
        ({"city": "a", "near": [[1, "b"]]}, "near.0.1: must be a number, not a string"),
        ({"city": "a", "town": 1}, "there is no argument 'town' (it takes (city: str"),
        ({"city": "a", "x" * 10_000: 1}, "there is no argument 'xxxxx"),
        ({"city": ["x" * 10_000]}, "city: must be a string, not an array (given: ['xxxx"),
    ],
)
def test_wrong_arguments_are_told(arguments: dict[str, Any], why: str) -> None:
    """The place, what is wrong with it, and no more of it than is needed."""
    told = message(weather, **arguments)
    assert told.startswith(why)
    assert len(told) < 400


# Results


@dataclass
class Point:
    x: int


class Model(BaseModel):
    y: float


def giving(value: object) -> Callable[[], Any]:
    """A function that returns it."""

    def give() -> Any:
        """Give it."""
        return value

    return give


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (None, "null"),
        ([Point(1), Model(y=2)], '[{"x":1},{"y":2.0}]'),
        ({1: {2}, "e": Unit.C}, '{"1":[2],"e":"celsius"}'),
        (float("nan"), "null"),
        ("é\u2028", '"é\u2028"'),
    ],
)
def test_results_become_plain_data(value: object, result: str) -> None:
    """Data classes, models, enums and the like turn into what JSON has."""
    assert call(giving(value)).result == result


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (object(), "Unable to serialize unknown type"),
        (CIRCLE, "Circular reference"),
        ("\ud800", "surrogates not allowed"),
        ([0] * 200_000, "its result is too large: 400001 bytes of JSON, at most 262144"),
    ],
)
def test_what_is_no_data_or_too_much_fails_the_call(value: object, why: str) -> None:
    """An object, a circle, half a character, a long list: the model is told what is wrong."""
    told = message(giving(value))
    assert told.startswith("its result is")
    assert why in told


def test_a_long_text_is_cut_visibly() -> None:
    """A text may be cut, since what is left of it is still one."""
    result = call(giving("é\n" * 5_000_000)).result
    assert result is not None
    assert len(result) <= LONGEST_RESULT + 100
    kept, _, more = json.loads(result).rpartition("… (")
    assert int(more.removesuffix(" characters more)")) + len(kept) == 10_000_000


# Failures


def test_exceptions_are_told_by_type_and_message() -> None:
    """No traceback: what the host's code looks like is not the model's affair."""

    def fail(how: str) -> None:
        """Fail."""
        if how == "exit":
            sys.exit(3)
        raise {"own": ToolError("no such city"), "other": KeyError("x"), "mute": Mute()}[how]

    assert message(fail, how="own") == "no such city"
    assert message(fail, how="other") == "KeyError: 'x'"
    assert message(fail, how="mute") == "Mute: it cannot say why"
    assert message(fail, how="exit") == "SystemExit: 3"

    async def leave() -> None:
        """Leave."""
        sys.exit(3)

    assert message(leave) == "SystemExit: 3"

    def stop() -> None:
        """Stop."""
        raise KeyboardInterrupt

    assert message(stop) == "KeyboardInterrupt"


class Odd(BaseException):
    """Nothing that one expects of a tool."""


BROKEN: dict[str, BaseException] = {}
"""What a step raises."""


def step(name: str) -> None:
    if name in BROKEN:
        raise BROKEN[name]


class Blocking:
    """Breaks."""

    def check_argument(self, name: str, value: object) -> None:  # noqa: ARG002
        step("check_argument")

    def prepare(self) -> None:
        step("prepare")

    def on_argument(self, name: str, value: object) -> None:  # noqa: ARG002
        step("on_argument")

    def __call__(self, x: int) -> int:
        step("__call__")
        return x

    def close(self) -> None:
        step("close")


class Async:
    """Breaks."""

    async def prepare(self) -> None:
        step("prepare")

    async def on_argument(self, name: str, value: object) -> None:  # noqa: ARG002
        step("on_argument")

    async def __call__(self, x: int) -> int:
        step("__call__")
        return x

    async def close(self) -> None:
        step("close")


ODD = [
    SystemExit(3),
    KeyboardInterrupt("no"),
    GeneratorExit(),
    BaseExceptionGroup("two", [Odd()]),
    asyncio.CancelledError(),
]


@pytest.mark.parametrize("problem", ODD, ids=lambda it: type(it).__name__)
@pytest.mark.parametrize(
    ("kind", "where"),
    [
        *((Blocking, name) for name in ("check_argument", "prepare", "on_argument", "__call__")),
        *((Async, name) for name in ("prepare", "on_argument", "__call__")),
    ],
)
def test_no_exception_ends_the_program(
    kind: type[Any], where: str, problem: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the tool raises it, the model can be told, and the next call runs."""

    async def both() -> tuple[Answer, Answer]:
        function = function_tool(tool(effects="pure")(kind), "given")
        with monkeypatch.context() as broken:
            for name in (where, "close"):
                broken.setitem(BROKEN, name, problem)
            early = await function.take_early("x", 1)
            one = early if early.failure else await function.call({"x": 1})
            await function.close()
        return one, await function.call({"x": 2})

    one, other = asyncio.run(both())
    assert one.failure is not None
    assert type(problem).__name__ in one.failure.message
    assert other == Answer("2")


class Mute(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise ValueError("mute")


def test_a_long_message_is_cut() -> None:
    """A page of HTML in an exception does not fill the conversation."""

    def fail() -> None:
        """Fail."""
        raise ValueError("x" * 1_000_000)

    assert message(fail).endswith("… (998012 characters more)")


def test_a_function_that_hangs_is_given_up() -> None:
    """Async or blocking; what it goes on doing keeps neither the call nor the loop waiting."""

    @tool(timeout=0.1)
    def block() -> None:
        """Block."""
        time.sleep(5)

    @tool(timeout=0.1)
    async def wait() -> None:
        """Wait."""
        await asyncio.sleep(5)

    for target in (block, wait):
        began = time.monotonic()
        answer = call(target)
        assert time.monotonic() - began < 2
        assert answer.failure is not None
        assert (answer.failure.kind, answer.failure.message) == (
            "timeout",
            "no answer within 0.1 s",
        )


def test_what_goes_on_when_it_is_cancelled_is_left_to_itself() -> None:
    """Neither the call nor the end of the loop waits for it; whoever cancels again, less so."""
    tries = 0

    @tool(timeout=0.1)
    async def insist() -> None:
        """Insist."""
        nonlocal tries
        while True:
            with suppress(BaseException):
                tries += 1
                await asyncio.sleep(0.05)

    async def stopped() -> None:
        calling = asyncio.create_task(function_tool(insist, "given").call({}))
        await asyncio.sleep(0.2)  # its time is over by then
        calling.cancel()
        await asyncio.wait([calling])
        assert calling.cancelled()

    assert message(insist) == "no answer within 0.1 s"
    asyncio.run(stopped())
    assert tries > 10


def test_a_tools_own_timeout_is_its_own() -> None:
    """A `TimeoutError` of the function is no timeout of ours."""

    def fail() -> None:
        """Fail."""
        raise TimeoutError("the server is slow")

    assert message(fail) == "TimeoutError: the server is slow"


def test_cancelling_cancels_an_async_function() -> None:
    """It can clean up; the loop goes on."""
    seen = []

    async def wait() -> None:
        """Wait."""
        try:
            await asyncio.sleep(5)
        finally:
            seen.append("cancelled")

    async def main() -> None:
        task = asyncio.create_task(function_tool(wait, "given").call({}))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(main())
    assert seen == ["cancelled"]


def test_blocking_functions_run_side_by_side() -> None:
    """Each in a thread of its own, all of which meet."""
    meeting = threading.Barrier(8, timeout=5)

    def meet() -> int:
        """Meet."""
        return meeting.wait()

    async def main() -> list[Answer]:
        made = function_tool(meet, "given")
        return await asyncio.gather(*(made.call({}) for _ in range(8)))

    answers = asyncio.run(main())
    assert sorted(answer.result or "" for answer in answers) == list("01234567")


def test_a_wrapped_coroutine_is_awaited() -> None:
    """A decorator that knows nothing of async functions hides that it is one."""

    async def inner(x: int) -> int:
        return 2 * x

    def outer(x: int) -> Any:
        """Twice as much."""
        return inner(x)

    assert call(outer, x=2).result == "4"
