"""Nested calls: who may run when. With real sandboxes: `tests/cli/test_tools.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from conveyor_cli.engine import events as ev
from conveyor_cli.engine.approval import Approval, Approve
from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.nested import NestedCalls
from conveyor_sandbox.reports import Called, Checked, Dropped, Report, UnitKey
from conveyor_tools.function import function_tool, tool
from conveyor_tools.splitters.base import Unit

RAN: list[str] = []


@tool(effects="pure")
async def look(at: str) -> str:
    """Look."""
    RAN.append(f"look {at}")
    return at


@tool(effects="reversible")
async def draft(to: str) -> str:
    """Draft."""
    RAN.append(f"draft {to}")
    return to


@tool(effects="external")
async def send(to: str) -> str:
    """Send."""
    RAN.append(f"send {to}")
    return to


@tool(effects="external")
class Fetch:
    """Fetch; a read is pure."""

    def effects_of(self, arguments: dict[str, str]) -> str:
        return "pure" if arguments["how"] == "read" else "external"

    async def __call__(self, how: str) -> str:
        RAN.append(f"fetch {how}")
        return how


class Desk:
    """A call, and the session that its code calls from: what it is told, in order."""

    number = 1

    def __init__(self, approve: Approve, ask: Callable[[str], bool] | None) -> None:
        self.completed: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.clock = RunClock()
        self.events: list[ev.Event] = []
        self.replies: dict[int, tuple[bool, str]] = {}
        self.checked: list[str] = []
        approval = Approval(approve)
        if ask is not None:

            async def answer(name: str, _arguments: str) -> bool:
                return ask(name)

            approval.ask = answer
        functions = {it.__name__: function_tool(it, "") for it in (look, draft, send, Fetch)}
        self.nested = NestedCalls(functions, approval, self)
        self.nested.open(self)
        RAN.clear()

    def emit(self, event: ev.Event) -> None:
        self.events.append(event)

    # The session

    def reply(self, number: int, text: str, *, ok: bool) -> None:
        self.replies[number] = (ok, text)

    def check(self, call: int, text: str) -> None:
        assert call == self.number
        self.checked.append(text)

    def listen(self, listener: Callable[[Report], None]) -> None: ...
    def run(self, key: UnitKey, unit: Unit) -> None: ...
    def end(self, call: int) -> None: ...
    def cancel(self, call: int) -> None: ...
    def roll_back(self, call: int) -> None: ...

    # What happens

    async def call(self, number: int, name: str, arguments: str, *, call: int = 1) -> None:
        self.nested.hear(Called(number, UnitKey(call, 0), name, arguments, True, 0.0))  # noqa: FBT003
        await settle()

    async def complete(self, text: str | None, *, problem: str | None = "") -> None:
        self.completed.set_result(text)
        await settle()
        if problem is not None:
            self.nested.hear(Checked(self.number, problem, 0.0))
            await settle()


async def settle() -> None:
    """Let everything run that can, threads that encode results too."""
    await asyncio.sleep(0.05)


def at_desk(
    approve: Approve = Approve.NEVER, ask: Callable[[str], bool] | None = None
) -> Callable[[Callable[[Desk], object]], None]:
    """Runs a test at a desk."""

    def run(work: Callable[[Desk], object]) -> None:
        async def main() -> None:
            await work(Desk(approve, ask))  # type: ignore[misc]

        asyncio.run(main())

    return run


def test_only_pure_functions_run_before_the_call_is_complete_and_valid() -> None:
    """The text is checked once, however many wait for it."""

    @at_desk()
    async def _(desk: Desk) -> None:
        await desk.call(1, "look", '{"at": "a"}')
        await desk.call(2, "draft", '{"to": "b"}')
        await desk.call(3, "send", '{"to": "c"}')
        assert desk.replies == {1: (True, '"a"')}
        await desk.complete("the text", problem=None)
        assert (desk.checked, RAN) == (["the text"], ["look a"])
        desk.nested.hear(Checked(1, "", 0.0))
        await settle()
        assert sorted(RAN) == ["draft b", "look a", "send c"]
        assert desk.replies[3] == (True, '"c"')


def test_what_a_call_does_can_depend_on_its_arguments() -> None:
    """The tool says so; arguments that it cannot make sense of are not pure."""

    @at_desk()
    async def _(desk: Desk) -> None:
        for number, arguments in enumerate(('{"how": "read"}', '{"how": "write"}', "{}"), 1):
            await desk.call(number, "Fetch", arguments)
        assert (RAN, [*desk.replies]) == (["fetch read"], [1])
        await desk.complete("text")
        assert RAN == ["fetch read", "fetch write"]


@pytest.mark.parametrize(
    ("text", "problem", "why"),
    [
        (None, "", "the code is not complete"),
        ("bad", "line 3", "the code is not valid: line 3"),
    ],
)
def test_a_call_that_does_not_count_calls_nothing(text: str | None, problem: str, why: str) -> None:
    """Cut off, or invalid further down."""

    @at_desk()
    async def _(desk: Desk) -> None:
        await desk.call(1, "draft", '{"to": "a"}')
        await desk.complete(text, problem=problem)
        await desk.call(2, "send", '{"to": "a"}')
        assert desk.checked == ([] if text is None else [text])
        assert RAN == []
        assert desk.replies[1][0] is False
        assert desk.replies[2] == (False, f"send was not called: {why}")


@pytest.mark.parametrize(
    ("approve", "asked"),
    [
        (Approve.NEVER, []),
        (Approve.EXTERNAL, ["send"]),
        (Approve.ALL, ["look", "draft", "send"]),
    ],
)
def test_who_is_asked_about_what(approve: Approve, asked: list[str]) -> None:
    """What the user does not allow does not run, and the code is told."""
    questions: list[str] = []

    def refuse(name: str) -> bool:
        questions.append(name)
        return False

    @at_desk(approve, refuse)
    async def _(desk: Desk) -> None:
        for number, name in enumerate(("look", "draft", "send")):
            argument = "at" if name == "look" else "to"
            await desk.call(number, name, f'{{"{argument}": "x"}}')
        await desk.complete("text")
        assert sorted(questions) == sorted(asked)
        assert sorted(RAN) == sorted(
            f"{it} x" for it in ("look", "draft", "send") if it not in asked
        )
        for number, name in enumerate(("look", "draft", "send")):
            assert desk.replies[number][0] == (name not in asked)


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("nope", "{}", "there is no tool 'nope'"),
        ("x" * 100_000, "{}", "there is no tool 'xxx"),
        ("look", "", "the arguments are not plain data"),
        ("look", "[]", "the arguments are not plain data"),
        ("look", "[" * 500_000, "the arguments are not plain data"),
        ("look", '{"at": ' + "9" * 100_000 + "}", "the arguments are not plain data"),
        ("look", '{"at": NaN}', "at: must be a string, not what begins with 'N' (given: nan)"),
        ("look", '{"at": "a", "at": 1}', "at: must be a string, not a number (given: 1)"),
    ],
)
def test_forged_calls_are_refused(name: str, arguments: str, why: str) -> None:
    """Whatever a sandbox says; and no event grows with it."""

    @at_desk()
    async def _(desk: Desk) -> None:
        await desk.call(1, name, arguments)
        ok, text = desk.replies[1]
        assert not ok
        assert text.startswith(why)
        assert RAN == []
        made, *_, finished = desk.events
        assert isinstance(made, ev.NestedCallMade)
        assert isinstance(finished, ev.NestedCallFinished)
        assert len(made.tool) + len(made.arguments) + len(finished.message) < 2000


def test_numbers_that_are_nobodys_do_nothing() -> None:
    """Dropped twice, never made, checked without a question."""

    @at_desk()
    async def _(desk: Desk) -> None:
        desk.nested.hear(Dropped(7, 0.0))
        desk.nested.hear(Checked(9, "", 0.0))
        await desk.call(1, "send", '{"to": "a"}')
        for _ in range(2):
            desk.nested.hear(Dropped(1, 0.0))
        await desk.complete("text")
        assert (RAN, desk.replies) == ([], {})


def test_a_unit_of_another_run_makes_no_events() -> None:
    """A thread that an earlier call left behind may call; the journal knows nothing of its unit."""

    @at_desk()
    async def _(desk: Desk) -> None:
        await desk.call(1, "look", '{"at": "a"}', call=5)
        assert desk.replies == {1: (True, '"a"')}
        assert desk.events == []
