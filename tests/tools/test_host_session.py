"""Calls of function tools by the model itself: run while they are written, and reported."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from conveyor_sandbox.reports import (
    Ended,
    RolledBack,
    Status,
    UnitKey,
)
from conveyor_tools.answer import encode
from conveyor_tools.argument_tool import ArgumentTool
from conveyor_tools.calculator import calculator
from conveyor_tools.errors import TemporaryError, ToolError
from conveyor_tools.function import FunctionTool, function_tool, tool
from conveyor_tools.later import Later
from conveyor_tools.place import Place
from tests.tools.calling import Heard, calling, made, page, search, units_of

TEXTS = st.fixed_dictionaries(
    {"query": st.text(max_size=5)},
    optional={"limit": st.integers(1, 99), "kind": st.sampled_from(["all", "new"])},
).flatmap(lambda it: st.permutations(list(it.items())).map(lambda items: json.dumps(dict(items))))


# Running


@given(TEXTS, st.integers(1, 9))
@settings(max_examples=60)
def test_partial_is_sequential_is_a_direct_call(text: str, chunk: int) -> None:
    """The result is the same whenever the call starts, and in whatever order it is written."""
    function = made(search)
    direct = asyncio.run(function.call(json.loads(text)))
    one, _ = calling(function, text, partial=True, chunk=chunk)
    other, _ = calling(function, text, partial=False)
    assert one == other
    assert one.result == direct.shown
    arguments = json.loads(text)
    expected = (arguments["query"], arguments.get("limit", 10), arguments.get("kind", "all"))
    assert direct.shown == "{} {} {}".format(*expected)


def test_a_call_starts_while_its_arguments_are_written() -> None:
    """It is over before the last argument is there, if it does not ask for it."""

    @tool(effects="pure", ready_when={"query"})
    async def quick(query: str, note: Later[str] = Later("")) -> str:  # noqa: ARG001, B008
        """Search."""
        return query

    _, told = calling(made(quick), '{"query": "a", "note": "b"}', partial=True)
    assert told[:3] == [("Started", 0, None), ("Finished", 0, Status.OK), ("Started", 1, None)]
    assert told[-1] == ("Ended", None, Status.OK)


def test_hooks_come_in_their_order() -> None:
    """Prepared first, told of early arguments before the call, closed at the end."""
    text = '{"url": "example", "method": "PUT", "body": "x"}'
    for partial in (True, False):
        function = made(page)
        outcome, _ = calling(function, text, partial=partial)
        assert outcome.result == "PUT example"
        seen: list[object] = function.function.seen  # type: ignore[attr-defined]
        early, call = ("url", "example"), ("PUT", "example", "x")
        assert seen == ["prepared", early, call, "closed"]


def test_what_was_used_is_closed_once() -> None:
    """Whoever closes it; what was not used has nothing to give back."""

    async def main() -> None:
        function = made(page)
        await function.close()
        await function.call({"url": "example"})
        await function.close()
        await function.close()
        assert function.function.seen == ["prepared", ("GET", "example", ""), "closed"]  # type: ignore[attr-defined]

    asyncio.run(main())


def test_what_gets_ready_for_nothing_is_ended_before_it_is_closed() -> None:
    """Its call came to nothing, and was over before it."""
    seen: list[str] = []

    @tool(effects="pure")
    class Slow:
        """Take long to get ready."""

        async def prepare(self) -> None:
            seen.append("begun")
            try:
                await asyncio.sleep(60)
            finally:
                seen.append("ended")

        async def __call__(self) -> None: ...

        async def close(self) -> None:
            seen.append("closed")

    async def main() -> None:
        session = ArgumentTool(function_tool(Slow, "slow")).open(Place())
        over = asyncio.Event()
        session.listen(lambda it: over.set() if isinstance(it, Ended) else None)
        session.prepare(1)
        session.end(1)
        await over.wait()
        session.commit()
        await session.close()

    asyncio.run(main())
    assert seen == ["begun", "ended", "closed"]


def test_a_failed_hook_fails_the_call() -> None:
    """And the call itself does not run."""

    @tool(effects="pure")
    class Failing:
        """Fails."""

        async def on_argument(self, name: str, value: object) -> None:
            raise ToolError(f"no {name} {value}")

        async def __call__(self, x: int) -> int:
            raise AssertionError(f"it ran: {x}")

    outcome, told = calling(made(Failing), '{"x": 1}', partial=True)
    assert (outcome.status, outcome.failure.message) == (Status.ERROR, "no x 1")
    assert told[-2:] == [("Skipped", 1, None), ("Ended", None, Status.ERROR)]

    @tool(effects="pure")
    class Unprepared:
        """Fails."""

        async def prepare(self) -> None:
            raise TemporaryError("no route")

        async def __call__(self, x: int) -> int:
            raise AssertionError(f"it ran: {x}")

    for partial in (True, False):
        outcome, _ = calling(made(Unprepared), '{"x": 1}', partial=partial)
        assert (outcome.failure.kind, outcome.failure.message) == ("connection", "no route")


def test_a_text_is_shown_as_it_is_and_data_as_json() -> None:
    def give(what: Literal["text", "data"]) -> Any:
        """Give it."""
        return 'say "é"\n' if what == "text" else {"é": [1]}

    function = made(give)
    assert calling(function, '{"what": "text"}', partial=True)[0].result == 'say "é"\n'
    assert calling(function, '{"what": "data"}', partial=True)[0].result == '{"é":[1]}'


def test_a_long_answer_is_cut_visibly_and_other_data_refused() -> None:
    """Ten megabytes do not fill the conversation, nor keep the loop from other calls."""

    @tool(effects="pure", result_limit=1000)
    def much(what: Literal["text", "list"]) -> Any:
        """Give much."""
        return "é" * 10_000_000 if what == "text" else [0] * 5_000_000

    outcome, _ = calling(made(much), '{"what": "text"}', partial=True)
    kept, _, more = outcome.result.rpartition("… (")
    assert len(kept) <= 1000
    assert int(more.removesuffix(" characters more)")) + len(kept) == 10_000_000
    outcome, _ = calling(made(much), '{"what": "list"}', partial=True)
    assert outcome.failure.message.startswith("its result is too large: 10000001 bytes")


@pytest.mark.parametrize(
    "text", ["é" * 2000, "\0" * 1000 + "a" * 100_000, "a" * 100_000 + "\0" * 1000, "é\0" * 2000]
)
def test_a_text_is_cut_to_so_many_bytes_as_json(text: str) -> None:
    """Also where what is kept takes more of them than what is cut."""
    kept, _, more = json.loads(encode(text, 1000)).rpartition("… (")
    assert text.startswith(kept)
    assert int(more.removesuffix(" characters more)")) + len(kept) == len(text)
    assert len(to_json(kept)) <= 1000 + len('""')


@pytest.mark.parametrize("expression", ["0.1 + 0.2", "3 km in miles", "1/0", "2 x"])
def test_the_calculator_by_itself_and_called_by_a_model(expression: str) -> None:
    """Directly, sequentially, partially: the same result, or the same mistake."""
    text = json.dumps({"expression": expression})
    try:
        direct = (calculator(expression), None)
    except ToolError as error:
        direct = (None, str(error))
    for partial in (True, False):
        outcome, told = calling(made(calculator), text, partial=partial)
        assert (outcome.result, outcome.failure and outcome.failure.message) == direct
        assert told[0] == ("Started", 0, None)


async def in_session(
    function: FunctionTool, script: Callable[[Any, Heard], Awaitable[None]]
) -> list[tuple[str, int | None, Status | None]]:
    session = ArgumentTool(function).open(Place())
    session.listen(heard := Heard())
    await script(session, heard)
    await session.close()
    return heard.told


def test_cancelling_in_mid_call_cancels_the_function() -> None:
    """It can clean up; what was not begun is skipped; the call ends as cancelled."""
    seen = []
    begun = asyncio.Event()

    @tool(effects="pure", ready_when={"x"})
    async def wait(x: int, y: Later[int] = Later(0)) -> int:  # noqa: B008
        """Wait."""
        begun.set()
        try:
            return x + await y
        finally:
            seen.append("cancelled")

    units = units_of(made(wait), '{"x": 1, "y": 2}')

    async def script(session: Any, heard: Heard) -> None:
        session.run(UnitKey(1, 0), units[0])
        await begun.wait()
        session.cancel(1)
        session.run(UnitKey(1, 1), units[1])
        session.end(1)
        await heard.until(Ended)
        session.roll_back(1)
        await heard.until(RolledBack)

    told = asyncio.run(in_session(made(wait), script))
    assert seen == ["cancelled"]
    assert sorted(told[1:3], key=str) == [("Finished", 0, Status.CANCELLED), ("Skipped", 1, None)]
    assert told[3:] == [("Ended", None, Status.CANCELLED), ("RolledBack", None, None)]


def test_closing_ends_what_runs() -> None:
    """And reports nothing any more."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hang(x: int) -> int:
        """Hang."""
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        ended.set()
        return x

    async def script(session: Any, _heard: Heard) -> None:
        session.run(UnitKey(1, 0), units_of(made(hang), '{"x": 1}')[0])
        await begun.wait()

    assert asyncio.run(in_session(made(hang), script)) == [("Started", 0, None)]
    assert ended.is_set()


def test_calls_run_side_by_side_each_with_its_own_values() -> None:
    """What one is given later is not another's."""
    meeting = asyncio.Barrier(2)

    @tool(effects="pure", ready_when={"x"})
    async def meet(x: int, y: Later[int] = Later(0)) -> int:  # noqa: B008
        """Meet."""
        await meeting.wait()
        return 10 * x + await y

    function = made(meet)

    async def script(session: Any, heard: Heard) -> None:
        for call in (1, 2):
            units = units_of(function, f'{{"x": {call}, "y": {call + 2}}}')
            for unit in units:
                session.run(UnitKey(call, unit.index), unit)
        for call in (1, 2):
            session.end(call)
        outcomes = [(await heard.until(Ended, call)).outcome.result for call in (1, 2)]
        assert outcomes == ["13", "24"]
        session.commit()

    asyncio.run(in_session(function, script))


def test_no_more_calls_run_than_the_tool_allows() -> None:
    """The rest waits its turn."""
    running, most = 0, 0

    @tool(effects="pure", concurrency=2)
    async def count(x: int) -> int:
        """Count."""
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        return x

    async def main() -> None:
        function = made(count)
        answers = await asyncio.gather(*(function.call({"x": it}) for it in range(7)))
        assert [answer.result for answer in answers] == list("0123456")

    asyncio.run(main())
    assert most == 2


def test_the_limit_holds_in_one_program_after_the_other() -> None:
    """A tool that is rehearsed twice is used in two event loops."""

    @tool(effects="pure", concurrency=1)
    async def count(x: int) -> int:
        """Count."""
        await asyncio.sleep(0)
        return x

    function = made(count)

    async def main() -> list[str | None]:
        answers = await asyncio.gather(*(function.call({"x": it}) for it in range(3)))
        return [answer.result for answer in answers]

    for _ in range(2):
        assert asyncio.run(main()) == ["0", "1", "2"]


# Time and retries


def test_waiting_for_the_model_is_no_time_of_the_tools() -> None:
    """An argument that is written after the time limit is still in time."""

    @tool(effects="pure", ready_when={"x"}, timeout=0.2)
    async def wait(x: int, y: Later[int] = Later(0)) -> int:  # noqa: B008
        """Wait."""
        return x + await y

    units = units_of(made(wait), '{"x": 1, "y": 2}')

    async def script(session: Any, heard: Heard) -> None:
        session.run(UnitKey(1, 0), units[0])
        await asyncio.sleep(0.6)
        session.run(UnitKey(1, 1), units[1])
        session.end(1)
        assert (await heard.until(Ended)).outcome.result == "3"

    asyncio.run(in_session(made(wait), script))


def test_a_call_that_takes_too_long_after_a_later_value_times_out() -> None:
    """The limit goes on where it stood still."""

    @tool(effects="pure", ready_when={"x"}, timeout=0.2)
    async def hang(x: int, y: Later[int] = Later(0)) -> int:  # noqa: B008
        """Hang."""
        await y
        await asyncio.Event().wait()
        return x

    outcome, _ = calling(made(hang), '{"x": 1, "y": 2}', partial=True)
    assert (outcome.status, outcome.failure.message) == (Status.TIMEOUT, "no answer within 0.2 s")


@pytest.mark.parametrize(
    ("failures", "retries", "calls", "result"),
    [(0, 2, 1, "done"), (2, 2, 3, "done"), (3, 2, 3, None), (1, 0, 1, None)],
)
def test_what_failed_for_a_time_is_tried_again(
    failures: int, retries: int, calls: int, result: str | None
) -> None:
    """So often, and no more."""
    count = 0

    @tool(effects="pure", retries=retries)
    async def shaky(x: int) -> str:
        """Fail, and then not."""
        nonlocal count
        count += 1
        if count <= failures:
            raise TemporaryError(f"busy {x}")
        return "done"

    outcome, _ = calling(made(shaky), '{"x": 1}', partial=True)
    assert (count, outcome.result) == (calls, result)
    if result is None:
        assert (outcome.failure.kind, outcome.failure.message) == ("connection", "busy 1")


def test_other_errors_and_calls_with_effects_are_not_tried_again() -> None:
    count = 0

    @tool(retries=3, effects="pure")
    class Shaky:
        """Fail."""

        def effects_of(self, arguments: dict[str, Any]) -> str:
            return "external" if arguments["write"] else "pure"

        async def __call__(self, write: bool) -> str:  # noqa: FBT001
            nonlocal count
            count += 1
            raise TemporaryError("busy") if write else ValueError("wrong")

    for write in ("true", "false"):
        count = 0
        calling(made(Shaky), f'{{"write": {write}}}', partial=True)
        assert count == 1


def test_a_preparation_that_failed_for_a_time_is_tried_again() -> None:
    """Before the next try of the call: it would fail for the same reason otherwise."""
    prepared = 0

    @tool(effects="pure", retries=1)
    class Far:
        """Go far."""

        async def prepare(self) -> None:
            nonlocal prepared
            prepared += 1
            if prepared == 1:
                raise TemporaryError("no route yet")

        async def __call__(self, x: int) -> int:
            return x

    for partial in (True, False):
        prepared = 0
        outcome, _ = calling(made(Far), '{"x": 1}', partial=partial)
        assert (prepared, outcome.result) == (2, "1")
