"""What the model is told: its instructions, and what became of its calls.

The words depend only on what ran and how it ended, never on when: so partial and sequential
execution give the same conversation.
"""

from __future__ import annotations

from collections.abc import Sequence

from conveyor_sandbox.reports import Failure, Outcome, Status, Stream
from conveyor_tools.splitters.base import Unit

_SHOWN = 4000
"""Characters of each part that the model is shown; of longer ones, the beginning and the end."""


_QUIET = {"python": "The code ran without output. Use print() to see a value."}
"""What is said of code that shows nothing, by its language."""
_ASK = "What is the answer?"
"""What follows a success. Without a question, small models write the same code again."""


def system_prompt(own: str | None, instructions: str) -> str:
    """The task's own system text, and what the model is told of its tools."""
    return "\n\n".join(filter(None, (own, instructions)))


def observation(
    outcome: Outcome,
    units: Sequence[Unit],
    last_unit: int | None,
    output: dict[Stream, str],
    *,
    language: str,
    crashed: bool,
    lost: Sequence[str],
    not_undone: Sequence[str],
    ask: bool,
) -> str:
    """What became of a call, for the model.

    `last_unit` is the unit that ended the call early, if one did. `crashed`: the interpreter was
    lost and is as it was before the call. `lost` is what of earlier calls is gone, `not_undone`
    what stays of one that was taken back, in words. `ask` for the answer after a success.
    """
    parts = []
    if outcome.status not in (Status.ROLLED_BACK, Status.CANCELLED):  # else nothing was written
        if output[Stream.STDOUT]:
            parts.append(f"Output:\n{shorten(output[Stream.STDOUT])}")
        if output[Stream.STDERR]:
            parts.append(f"Standard error:\n{shorten(output[Stream.STDERR])}")
    if outcome.result is not None:
        parts.append(f"Result: {shorten(outcome.result)}")
    if outcome.failure is not None:
        parts.append(_failure(outcome, outcome.failure, language, units, last_unit))
    elif parts and ask:
        parts.append(_ASK)
    elif not parts:
        parts.append(_QUIET.get(language, "It ran without output."))
    if crashed and not _sandbox_died(outcome):
        but = ", but for what is gone" if lost else ""
        parts.append(f"Variables are what they were before this code{but}; files stay as they are.")
    parts += [f"Gone, too: {', '.join(lost)}."] if lost else []
    parts += [f"Not undone: {', '.join(not_undone)}."] if not_undone else []
    return "\n\n".join(parts)


def _failure(
    outcome: Outcome,
    failure: Failure,
    language: str,
    units: Sequence[Unit],
    last_unit: int | None,
) -> str:
    whole = _of_the_whole(outcome, failure)
    if whole is not None:
        return whole
    if language == "json":
        return f"Error: {shorten(failure.message)}"
    why = shorten((failure.traceback or f"{failure.type}: {failure.message}").strip())
    if outcome.status is Status.ROLLED_BACK:
        return f"The code is not valid, so none of it counts as run:\n{why}"
    failed = next((unit for unit in units if unit.index == last_unit), None)
    if failed is None:
        return f"Error:\n{why}"
    first, last = failed.span
    where = f"line {first}" if first == last else f"lines {first} to {last}"
    before = " Lines before it were run." if first > 1 else ""
    return f"Error at {where}.{before} Nothing after it was run.\n{why}"


def _of_the_whole(outcome: Outcome, failure: Failure) -> str | None:
    """Of a failure that is not one of a place in the call."""
    if _sandbox_died(outcome):
        return (
            f"The sandbox was lost while the code ran ({failure.message}). It was replaced by a "
            "fresh one: variables and files of earlier code are gone."
        )
    if outcome.status is Status.CANCELLED or failure.kind == "cut_off":
        return f"None of it counts as run: {failure.message}."
    if failure.kind in ("unknown_tool", "arguments"):
        return f"The call is not valid, so none of it counts as run: {shorten(failure.message)}."
    return f"It was not run: {failure.message}." if failure.kind == "denied" else None


def _sandbox_died(outcome: Outcome) -> bool:
    return outcome.failure is not None and outcome.failure.kind == "sandbox_died"


def shorten(text: str) -> str:
    """The beginning and the end of a text that is too long to show."""
    if len(text) <= _SHOWN:
        return text
    half = _SHOWN // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
