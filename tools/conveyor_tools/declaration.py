"""What a tool declares of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from conveyor_tools.answer import LONGEST_RESULT

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
    ready_when: frozenset[str] | None = None
    early: frozenset[str] | None = None
    retries: int = 0
    idempotent: bool = False
    concurrency: int = 16
    result_limit: int = LONGEST_RESULT


def tool(
    *bare: Callable[..., Any],
    effects: Effects | str = Effects.EXTERNAL,
    timeout: float = 30.0,
    name: str | None = None,
    ready_when: Iterable[str] | None = None,
    early: Iterable[str] | None = None,
    retries: int = 0,
    idempotent: bool = False,
    concurrency: int = 16,
    result_limit: int = LONGEST_RESULT,
) -> Callable[[Target], Target]:
    """Declare a typed function, or a class whose instances are called, a tool. It stays as it is.

    Args:
        bare: nothing; it is there to tell those who leave out the brackets.
        effects: what a call does to the world; see `Effects`.
        timeout: seconds for a call, retries included; what the model still writes is not counted.
        name: what the model calls it by, if not by the function's name.
        ready_when: the arguments that are enough to start. The others are annotated `Later[…]`.
        early: the arguments of which a class's `on_argument` is told; all, if not given.
        retries: how often a call is tried again after a `TemporaryError`, if it is pure or
            `idempotent`: one that seemed to fail may have had its effect.
        idempotent: whether a second, equal call changes nothing more.
        concurrency: calls that run side by side; more wait.
        result_limit: bytes of a result as JSON; a longer text is cut, visibly.

    Raises:
        TypeError: a value is of another type.
        ValueError: the values do not fit each other.
    """
    if bare:
        raise TypeError("write @tool(…), with what it declares: effects, timeout, …")
    _check_kinds(
        {"ready_when": ready_when, "early": early},
        {"timeout": timeout, "retries": retries, "concurrency": concurrency}
        | {"result_limit": result_limit},
    )
    try:
        effects = Effects(effects)
    except ValueError:
        known = ", ".join(Effects)
        raise ValueError(f"effects is one of {known}, not {effects!r}") from None
    if ready_when is not None and effects is not Effects.PURE:
        raise ValueError("only pure tools start early: ready_when needs effects='pure'")
    if timeout <= 0 or concurrency < 1 or retries < 0 or not 0 < result_limit <= LONGEST_RESULT:
        raise ValueError(
            "timeout and concurrency are more than 0, retries at least 0, and "
            f"result_limit is at most {LONGEST_RESULT}"
        )
    declaration = Declaration(
        effects,
        timeout,
        name,
        None if ready_when is None else frozenset(ready_when),
        None if early is None else frozenset(early),
        retries,
        idempotent,
        concurrency,
        result_limit,
    )

    def declare(target: Target) -> Target:
        setattr(target, _DECLARATION, declaration)
        return target

    return declare


def _check_kinds(names: Mapping[str, object], numbers: Mapping[str, object]) -> None:
    """What would be taken for something else, or fail in other words later. Raises TypeError."""
    for option, value in names.items():
        if isinstance(value, str):  # whose letters would be the names
            raise TypeError(f"{option} is a set of names: write {option}={{{value!r}}}")
    for option, value in numbers.items():
        if not isinstance(value, int | float):
            raise TypeError(f"{option} is a number, not {value!r}")


def declared(target: object) -> Declaration:
    """What was declared of a function or class."""
    found: Declaration = getattr(target, _DECLARATION, Declaration())
    return found
