"""Calls of function tools by the model itself: cut, run while they are written, reported."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from conveyor_sandbox.reports import (
    Ended,
    Finished,
    Report,
    RolledBack,
    Skipped,
    Started,
    Status,
    UnitKey,
)
from conveyor_tools.argument_tool import ArgumentTool
from conveyor_tools.arguments import ArgumentSplitter, ArgumentUnit, Role
from conveyor_tools.calculator import calculator
from conveyor_tools.errors import TemporaryError, ToolError
from conveyor_tools.function import FunctionTool, function_tool, tool
from conveyor_tools.later import Later
from conveyor_tools.place import Place
from conveyor_tools.splitters.base import Unit


@tool(effects="pure", ready_when={"query"})
async def search(
    query: Annotated[str, Field(max_length=20)],
    limit: Later[Annotated[int, Field(ge=1)]] = Later(10),  # noqa: B008
    kind: Later[Literal["all", "new"]] = "all",  # type: ignore[assignment]
) -> str:
    """Search."""
    return f"{query} {await limit} {await kind}"


class Page:
    """Fetches."""

    def __init__(self, host: str = "example") -> None:
        self.host = host
        self.seen: list[object] = []

    async def prepare(self) -> None:
        await asyncio.sleep(0)
        self.seen.append("prepared")

    def check_argument(self, name: str, value: object) -> None:
        if name == "url" and self.host not in str(value):
            raise ToolError(f"no such host: {value}")

    async def on_argument(self, name: str, value: object) -> None:
        self.seen.append((name, value))

    def effects_of(self, arguments: dict[str, Any]) -> str:
        return "pure" if arguments.get("method", "GET") == "GET" else "external"

    async def __call__(self, url: str, method: str = "GET", body: str = "") -> str:
        self.seen.append((method, url, body))
        return f"{method} {url}"

    async def close(self) -> None:
        self.seen.append("closed")


page = tool(early={"url"})(Page)


def made(target: Callable[..., Any]) -> FunctionTool:
    return function_tool(target, "given")


def cut(function: FunctionTool, deltas: Iterable[str]) -> tuple[list[Unit], str | None, int | None]:
    """The units, the problem, and how many characters were fed when it showed."""
    splitter = ArgumentSplitter(function)
    units, fed = [], 0
    for delta in deltas:
        units += splitter.feed(delta)
        fed += len(delta)
        if splitter.problem is not None:
            return units, splitter.problem.message, fed
    units += splitter.flush()
    return units, splitter.problem and splitter.problem.message, None


class Heard:
    """What a session reports, and waits for it."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self._more = asyncio.Event()

    def __call__(self, report: Report) -> None:
        self.reports.append(report)
        self._more.set()

    async def until(self, kind: type[Report], call: int = 1) -> Any:
        while True:
            for report in self.reports:
                number = report.unit.call if hasattr(report, "unit") else getattr(report, "call", 0)
                if isinstance(report, kind) and number == call:
                    return report
            self._more.clear()
            async with asyncio.timeout(60):
                await self._more.wait()

    @property
    def told(self) -> list[tuple[str, int | None, Status | None]]:
        return [
            (
                type(it).__name__,
                it.unit.index if isinstance(it, Started | Finished | Skipped) else None,
                it.outcome.status if isinstance(it, Finished | Ended) else None,
            )
            for it in self.reports
        ]


def calling(
    function: FunctionTool, text: str, *, partial: bool, chunk: int = 1
) -> tuple[Any, list[tuple[str, int | None, Status | None]]]:
    """The outcome of one call, as the engine makes it, and what was reported."""

    async def call() -> Any:
        made_tool = ArgumentTool(function)
        splitter, session = made_tool.splitter(Place()), made_tool.open(Place())
        session.listen(heard := Heard())
        units: list[Unit] = []
        if partial:
            session.prepare(1)
        for at in range(0, len(text), chunk):
            new = splitter.feed(text[at : at + chunk])
            units += new
            if partial:
                for unit in new:
                    session.run(UnitKey(1, unit.index), unit)
                await asyncio.sleep(0)
        splitter.flush()
        assert splitter.problem is None, splitter.problem
        if not partial:
            for unit in units:
                session.run(UnitKey(1, unit.index), unit)
        session.end(1)
        ended = await heard.until(Ended)
        await session.close()
        return ended.outcome, heard.told

    outcome, told = asyncio.run(call())
    return outcome, told


# Cutting


@pytest.mark.parametrize(
    ("target", "text", "expected"),
    [
        (search, '{"query": "a", "limit": 3}', [(Role.CALL, '{"query": "a"'),
                                                (Role.LATER, ', "limit": 3'), (None, "}")]),
        (search, '{"limit": 3, "query": "a"}\n', [(Role.CALL, '{"limit": 3, "query": "a"'),
                                                  (None, "}\n")]),
        (page, '{"url": "example", "body": "x"}', [(Role.EARLY, '{"url": "example"'),
                                                   (Role.CALL, ', "body": "x"}')]),
        (page, '{"method": "GET", "url": "example"} ', [
            (Role.EARLY, '{"method": "GET", "url": "example"'), (Role.CALL, "}"), (None, " ")]),
    ],
)  # fmt: skip
def test_units_are_released_as_soon_as_their_arguments_are_closed(
    target: Callable[..., Any], text: str, expected: list[tuple[Role | None, str]]
) -> None:
    """And not one character later, however the text is chopped; joined, they are the text."""
    function = made(target)
    units, problem, _ = cut(function, [text])
    assert problem is None
    assert [(getattr(unit, "role", None), unit.text) for unit in units] == expected
    assert [unit.blank for unit in units] == [role is None for role, _ in expected]
    for one, other in itertools.combinations(range(len(text) + 1), 2):
        assert cut(function, [text[:one], text[one:other], text[other:]])[0] == units
    splitter = ArgumentSplitter(function)
    for count, char in enumerate(text, 1):
        for unit in splitter.feed(char):
            late = 1 if '"limit": 3' in unit.text and unit.text[-1] == "3" else 0
            assert splitter.released + late == count


@pytest.mark.parametrize(
    ("text", "why", "fed"),
    [
        ('{"q', None, None),
        ('{"x', "no argument is called 'x'…", 3),
        ('{"query": 1', "query: must be a string, not a number", 11),
        ('{"query": "' + "x" * 21, "query: must have at most 20 characters", 32),
        ('{"query": "a", "limit": 0', "limit: must be at least 1", 25),
        ('{"query": "a", "kind": "o', "kind: must be one of 'all', 'new', not 'o'…", 25),
        ('{"limit": 1}', "the argument 'query' is missing", 12),
        ('{"query": "a"} x', "the arguments have ended", 16),
        ("[", "expected '{'", 1),
    ],
)
def test_what_cannot_become_valid_is_refused_at_once(
    text: str, why: str | None, fed: int | None
) -> None:
    """At the character that shows it; a text that only ends too early, at its end."""
    _, problem, at = cut(made(search), text)
    assert at == fed
    assert problem is not None
    assert (why or "the object is not complete") in problem


def test_a_tools_own_check_refuses_too() -> None:
    """When the argument is closed; where code calls, before anything is done."""
    function = made(page)
    _, problem, at = cut(function, '{"url": "else", "method": "GET"}')
    assert (problem, at) == ("no such host: else", len('{"url": "else"'))
    answer = asyncio.run(function.call({"url": "else"}))
    assert answer.failure is not None
    assert answer.failure.message == problem


def test_only_what_has_effects_waits_for_the_end() -> None:
    """As the tool says of the arguments at hand."""
    for text, external in (('{"url": "example"}', False),
                           ('{"url": "example", "method": "PUT"}', True)):  # fmt: skip
        units, _, _ = cut(made(page), [text])
        assert [unit.external for unit in units] == [False, external]
        assert [unit.after for unit in units] == [(), None]


def test_a_text_that_ended_earlier_can_be_cut() -> None:
    """What the dialect takes back was never the call's."""
    splitter = ArgumentSplitter(made(search))
    splitter.feed('{"query": "a"}\n``` x')
    assert splitter.problem is not None
    splitter.truncate(14)
    assert splitter.problem is None
    assert splitter.flush()[0].text == "}"
    inside = ArgumentSplitter(made(search))
    inside.feed('{"query": "``` ')
    assert not inside.may_end()


# Running


TEXTS = st.fixed_dictionaries(
    {"query": st.text(max_size=5)},
    optional={"limit": st.integers(1, 99), "kind": st.sampled_from(["all", "new"])},
).flatmap(lambda it: st.permutations(list(it.items())).map(lambda items: json.dumps(dict(items))))


@given(TEXTS, st.integers(1, 9))
@settings(max_examples=60, deadline=None)
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
    assert outcome.failure.message.startswith("its result is too large: 10000001 characters")


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


def units_of(function: FunctionTool, text: str) -> list[Unit]:
    return [unit for unit in cut(function, [text])[0] if not unit.blank]


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


# Declarations


def no_later(query: str, limit: int = 1) -> str:
    """Search."""
    return f"{query}{limit}"


async def no_default(query: str, limit: Later[int]) -> str:
    """Search."""
    return f"{query}{await limit}"


def not_async(query: str, limit: Later[int] = Later(1)) -> str:  # noqa: B008
    """Search."""
    return f"{query}{limit}"


@pytest.mark.parametrize(
    ("declaration", "target", "why"),
    [
        ({"ready_when": {"query"}}, no_later, "'limit' may not be there when it starts"),
        ({"ready_when": {"query"}}, no_default, "'limit' comes later, so it needs a default"),
        ({"ready_when": {"query"}}, not_async, "make it async"),
        ({"ready_when": {"town"}}, no_later, "it has no parameter 'town'"),
        ({"early": {"town"}}, no_later, "it has no parameter 'town'"),
        ({}, not_async, "declares no ready_when"),
        ({"ready_when": {"query", "limit"}}, not_async, "'limit' is in ready_when"),
        ({"effects": "external", "ready_when": {"query"}}, no_later, "only pure tools start early"),
        ({"effects": "external", "retries": 1}, no_later, "pure or idempotent"),
        ({"timeout": 0}, no_later, "timeout and concurrency are more than 0"),
    ],
)
def test_declarations_that_cannot_be_kept_are_refused(
    declaration: dict[str, Any], target: Callable[..., Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        made(tool(**{"effects": "pure", **declaration})(target))


def test_later_values_are_plain_ones_to_who_calls() -> None:
    """In the schema and in the signature that models and code are told."""
    function = made(search)
    assert function.signature.shown == (
        "(query: str, limit: int = 10, kind: Literal['all', 'new'] = 'all') -> str"
    )
    assert function.schema["properties"]["limit"] == {
        "type": "integer", "minimum": 1, "default": 10,
    }  # fmt: skip
    assert isinstance(units_of(function, '{"query": "a"}')[0], ArgumentUnit)
