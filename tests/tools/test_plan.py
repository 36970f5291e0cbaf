"""Plans run side by side, and come to what they would one step after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conveyor_sandbox.reports import (
    Ended,
    Finished,
    Outcome,
    Output,
    Progressed,
    Report,
    RolledBack,
    Skipped,
    Started,
    Status,
    UnitKey,
)
from conveyor_tools.errors import ToolError
from conveyor_tools.function import Effects, FunctionTool, function_tool, tool
from conveyor_tools.hearing import hearing
from conveyor_tools.place import Place
from conveyor_tools.plan import PlanSession, PlanTool
from conveyor_tools.splitters.base import Unit
from tests.tools.splitters.feeding import pieces


@dataclass
class World:
    """Tools whose calls are noted, and last as long as a test wants."""

    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a tool was cancelled."""
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refused: str | None = None
    asks_about_all: bool = False

    def functions(self) -> dict[str, FunctionTool]:
        @tool(effects="pure", timeout=60)
        async def work(
            name: str, turns: int = 0, *, fails: bool = False, uses: tuple[Any, ...] = ()
        ) -> Any:
            """Work for so many turns of the loop."""
            return await self.work(name, turns, fails, list(uses))

        @tool(effects="external", timeout=60)
        async def send(name: str, turns: int = 0, *, fails: bool = False) -> Any:
            """Send something."""
            return await self.work(name, turns, fails, [])

        @tool(effects="pure", timeout=60)
        async def give(value: Any) -> Any:
            """The value itself."""
            return value

        @tool(effects="pure", timeout=60)
        async def wait(name: str) -> str:
            """Wait until the test says so."""
            ear = hearing.get()
            assert ear is not None
            self.begun.append(name)
            ear.progress("waiting", None)
            try:
                await self.gates.setdefault(name, asyncio.Event()).wait()
            except asyncio.CancelledError:
                self.cancelled.append(name)
                ear.progress("stopped", None)
                self.stopped.set()
                raise
            return name

        @tool(effects="pure", timeout=0.01)
        async def hang() -> None:
            """Never answer."""
            await asyncio.Event().wait()

        tools = [work, send, give, wait, hang]
        return {it.__name__: function_tool(it, "") for it in tools}

    async def work(self, name: str, turns: int, fails: bool, uses: list[Any]) -> Any:  # noqa: FBT001
        self.begun.append(name)
        for _ in range(turns):
            await asyncio.sleep(0)
        if fails:
            raise ToolError(f"{name} failed")
        self.ended.append(name)
        return {"name": name, "uses": uses}

    async def refusal(self, tool: str, effects: Effects, arguments: str) -> str | None:
        if effects is Effects.PURE and not self.asks_about_all:
            return None
        self.asked.append(f"{tool} {arguments}")
        return self.refused


class Conversation:
    """A session that is fed as the engine does it: effects are held until the plan is complete."""

    def __init__(self, world: World) -> None:
        self.place = Place(functions=world.functions(), refusal=world.refusal)
        self.session: PlanSession = PlanTool().open(self.place)
        self.session.listen(self._hear)
        self.reports: list[Report] = []
        self.units: list[Unit] = []
        self.over: asyncio.Event = asyncio.Event()
        self._watchers: list[tuple[Callable[[Report], bool], asyncio.Event]] = []
        self._splitter = PlanTool().splitter(self.place)
        self._held: list[Unit] = []

    def _hear(self, report: Report) -> None:
        self.reports.append(report)
        if isinstance(report, Ended):
            self.over.set()
        for matches, event in self._watchers:
            if matches(report):
                event.set()

    async def seen(self, matches: Callable[[Report], bool]) -> None:
        """Wait until such a report has come."""
        event = asyncio.Event()
        self._watchers.append((matches, event))
        if not any(map(matches, self.reports)):
            await asyncio.wait_for(event.wait(), 60)

    def write(self, text: str, *, hold: bool = False) -> None:
        self._take(self._splitter.feed(text), hold=hold)
        assert self._splitter.problem is None, self._splitter.problem

    def _take(self, units: list[Unit], *, hold: bool) -> None:
        for unit in units:
            self.units.append(unit)
            if unit.blank:
                continue
            if hold or unit.external:
                self._held.append(unit)
            else:
                self.session.run(UnitKey(1, unit.index), unit)

    async def close(self, *, complete: bool = True) -> Outcome:
        """The plan is complete, or is not and never will be. Returns how it ended."""
        if complete:
            self._take(self._splitter.flush(), hold=False)
        for unit in self._held:
            if complete:
                self.session.run(UnitKey(1, unit.index), unit)
        self.session.end(1)
        await asyncio.wait_for(self.over.wait(), 60)
        return self.outcome

    @property
    def outcome(self) -> Outcome:
        (outcome,) = [it.outcome for it in self.reports if isinstance(it, Ended)]
        return outcome

    @property
    def output(self) -> str:
        return "".join(it.text for it in self.reports if isinstance(it, Output))

    def indices(self, kind: type[Started | Finished | Skipped]) -> list[int]:
        return [it.unit.index for it in self.reports if isinstance(it, kind)]

    def summary(self) -> tuple[Outcome, str, int | None]:
        """What the model is told: how it ended, what it gave, the step that failed."""
        failed = [it.unit.index for it in self.reports
                  if isinstance(it, Finished) and it.outcome.ends_call]  # fmt: skip
        return self.outcome, self.output, failed[0] if failed else None


def run_plan(
    plan: str, world: World | None = None, *, chunk: int = 0, hold: bool = False
) -> Conversation:
    """A whole plan, whose text comes in such pieces with a turn of the loop after each."""

    async def run() -> Conversation:
        talk = Conversation(world or World())
        for piece in pieces(plan, chunk or len(plan)):
            talk.write(piece, hold=hold)
            await asyncio.sleep(0)
        await talk.close()
        return talk

    return asyncio.run(run())


def test_values_flow() -> None:
    """Parts of results, as values and in strings; the last result is the plan's."""
    talk = run_plan(
        '$1 = give([{"a b": "x", "n": 1.5}, null])\n'
        '$2 = give({"first": $1[0], "text": "${1[0]["a b"]}/${1[0].n}/${1[-1]}/${1}"})\n'
        "$3 = give($2.text)"
    )
    assert talk.outcome.status is Status.OK
    assert talk.outcome.result == 'x/1.5/null/[{"a b": "x", "n": 1.5}, null]'
    assert talk.output.splitlines()[0] == '$1 = [{"a b":"x","n":1.5},null]'


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("give($1.b)", "$1 has no field 'b': it is {\"a\": [1]}"),
        ("give($1.a.b)", "$1.a has no field 'b': it is [1]"),
        ("give($1.a[1])", "$1.a has no item 1: it has 1"),
        ("give($1[0])", '$1 is not a list: it is {"a": [1]}'),
        ("give($1.__class__)", "$1 has no field '__class__'"),
        ("work($1)", "name: must be a string, not an object"),
    ],
)
def test_what_a_result_does_not_hold(step: str, message: str) -> None:
    """The step fails, and says why."""
    talk = run_plan(f'$1 = give({{"a": [1]}})\n$2 = {step}\n$3 = give(1)\n')
    assert talk.outcome.status is Status.ERROR
    assert talk.outcome.failure is not None
    assert talk.outcome.failure.kind == "exception"
    assert message in talk.outcome.failure.message
    assert talk.output == '$1 = {"a":[1]}\n'
    assert talk.summary()[2] == 1


def test_independent_steps_run_side_by_side() -> None:
    """While the text still comes: a step waits for its line and its inputs, for nothing else."""

    async def run() -> None:
        world = World()
        talk = Conversation(world)
        talk.write('$1 = wait("a")\n$2 = wait("b")\n$3 = wait("${1}c")\n$4 = wait("')
        await talk.seen(lambda it: isinstance(it, Progressed) and it.unit.index == 1)
        assert world.begun == ["a", "b"]
        world.gates["a"].set()
        await talk.seen(lambda it: isinstance(it, Progressed) and it.unit.index == 2)
        assert world.begun == ["a", "b", "ac"]
        talk.write('d")\n')
        await talk.seen(lambda it: isinstance(it, Started) and it.unit.index == 3)
        for gate in ("d", "ac", "b"):
            world.gates.setdefault(gate, asyncio.Event()).set()
            await asyncio.sleep(0)
        await talk.close()
        assert talk.output == '$1 = "a"\n$2 = "b"\n$3 = "ac"\n$4 = "d"\n'

    asyncio.run(run())


def test_the_first_failure_in_the_text_counts() -> None:
    """Not the first in time: what stands before it goes on, what stands behind it is stopped."""

    async def run() -> None:
        world = World()
        talk = Conversation(world)
        talk.write(
            '$1 = wait("a")\n$2 = work("b", 5, fails=true)\n$3 = wait("c")\n'
            '$4 = give(4)\n$5 = work("d", fails=true)\n'
        )
        await talk.seen(lambda it: isinstance(it, Started) and it.unit.index == 2)
        await asyncio.wait_for(world.stopped.wait(), 60)
        assert world.cancelled == ["c"]
        assert not any(isinstance(it, Finished) and it.unit.index == 1 for it in talk.reports)
        talk.write("$6 = give(6)\n")
        world.gates["a"].set()
        await talk.close()
        outcome, output, failed = talk.summary()
        assert (output, failed) == ('$1 = "a"\n', 1)
        assert outcome.failure is not None
        assert outcome.failure.message == "b failed"
        assert {3, 5} <= set(talk.indices(Skipped))  # the results that were there do not count
        assert 5 not in talk.indices(Started)
        ended = {it.unit.index: it.outcome.status for it in talk.reports
                 if isinstance(it, Finished)}  # fmt: skip
        assert (ended[1], ended[2]) == (Status.ERROR, Status.CANCELLED)

    asyncio.run(run())


def test_effects_wait_for_all_before_them_and_for_the_plan() -> None:
    """They run in the order of the text, each after the user was asked."""
    world = World()
    talk = run_plan(
        '$1 = work("a", 9)\n$2 = send("b${1.name}")\n$3 = send("c")\n$4 = work("d")\n',
        world,
        chunk=5,
    )
    assert world.begun[:2] == ["a", "d"]
    assert world.ended[-2:] == ["ba", "c"]
    assert world.asked == ['send {"name": "ba"}', 'send {"name": "c"}']
    assert talk.output.splitlines()[3].startswith('$4 = {"name":"d"')


def test_an_effect_does_not_happen_after_a_failure() -> None:
    """Nor is anyone asked, also where the failed step is no input of it."""
    world = World()
    talk = run_plan('$1 = work("a", 9, fails=true)\n$2 = send("b")\n', world)
    assert (world.begun, world.asked) == (["a"], [])
    assert talk.indices(Skipped) == [1]


def test_a_failure_behind_an_effect_waits_for_it() -> None:
    """The effect happens, as it would have, and only then the plan fails."""
    world = World()
    talk = run_plan(
        '$1 = send("a", 9)\n$2 = work("b", fails=true)\n$3 = send("c")\n', world, chunk=3
    )
    assert world.begun == ["b", "a"]
    assert talk.summary()[2] == 1
    assert talk.output.startswith('$1 = {"name":"a"')


def test_what_is_refused_fails() -> None:
    world = World(refused="the user said no")
    talk = run_plan('$1 = give(1)\n$2 = send("a")\n$3 = give($2)\n', world)
    assert world.begun == []
    assert talk.outcome.failure is not None
    assert (talk.outcome.failure.kind, talk.outcome.failure.message) == (
        "denied",
        "the user said no",
    )


def test_who_asks_about_all_asks_about_pure_steps_too() -> None:
    world = World(refused="the user said no", asks_about_all=True)
    talk = run_plan("$1 = give(1)\n", world)
    assert talk.outcome.failure is not None
    assert (world.asked, talk.outcome.failure.kind) == (['give {"value": 1}'], "denied")


def test_a_plan_that_is_not_complete() -> None:
    """Effects were never let through: what waits for them is skipped, and the plan ends."""

    async def run() -> None:
        world = World()
        talk = Conversation(world)
        talk.write('$1 = work("a")\n$2 = send("b")\n$3 = give($2)\n$4 = work("c")\n')
        await talk.close(complete=False)
        assert world.begun == ["a", "c"]
        assert 2 in talk.indices(Skipped)

    asyncio.run(run())


def test_cancelling_stops_what_runs() -> None:
    """For real; what it did is named when the plan is taken back."""

    async def run() -> None:
        world = World()
        talk = Conversation(world)
        talk.write('$1 = give(1)\n$2 = wait("a")\n$3 = give($2)\n')
        await talk.seen(lambda it: isinstance(it, Progressed))
        talk.session.cancel(1)
        talk.write("$4 = give(1)\n")
        assert (await talk.close()).status is Status.CANCELLED
        await asyncio.wait_for(world.stopped.wait(), 60)
        assert [it.text for it in talk.reports if isinstance(it, Progressed)] == ["waiting"]
        assert talk.indices(Skipped) == [2, 3]
        assert sorted(talk.indices(Finished)) == [0, 1]
        talk.session.roll_back(1)
        last = talk.reports[-1]
        assert isinstance(last, RolledBack)
        assert last.lost == ()

    asyncio.run(run())


def test_effects_cannot_be_taken_back() -> None:
    """They are named."""

    async def run() -> None:
        talk = Conversation(World())
        talk.write('$1 = send("a")\n')
        await talk.close()
        talk.session.roll_back(1)
        last = talk.reports[-1]
        assert isinstance(last, RolledBack)
        assert (last.lost, last.not_undone) == ((), ("what send did ($1)",))

    asyncio.run(run())


def test_a_tool_that_does_not_answer() -> None:
    assert run_plan("$1 = hang()\n").outcome.status is Status.TIMEOUT


def test_an_empty_plan() -> None:
    talk = run_plan("# nothing\n")
    assert talk.outcome == Outcome(Status.OK)


def test_long_results_are_cut_in_the_output_only() -> None:
    talk = run_plan(f"$1 = give('{'x' * 5000}')\n")
    assert len(talk.output) < 1100
    assert talk.outcome.result == "x" * 5000


@st.composite
def plans(draw: st.DrawFn) -> str:
    """Steps with random inputs, durations and failures, some of them with effects."""
    lines = []
    for number in range(1, draw(st.integers(1, 8)) + 1):
        inputs = draw(st.lists(st.integers(1, number - 1), max_size=3)) if number > 1 else []
        turns = draw(st.integers(0, 30))
        fails = draw(st.integers(0, 9)) == 0
        if draw(st.integers(0, 3)) == 0:
            names = "".join(f"${{{it}.name}}" for it in inputs)
            lines.append(f"${number} = send('s{number}{names}', {turns}, fails={fails})")
        else:
            uses = ", ".join(f"${it}" for it in inputs)
            lines.append(f"${number} = work('w{number}', {turns}, fails={fails}, uses=[{uses}])")
        if draw(st.integers(0, 5)) == 0:
            lines.append("# a comment")
    return "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n99. join()\n"]))


def one_by_one(plan: str) -> tuple[str | None, list[str]]:
    """The plan, each step run alone when the one before it has ended: the failure, and effects."""
    world = World()

    async def run() -> str | None:
        place = Place(functions=world.functions())
        units = PlanTool().splitter(place)
        found = [*units.feed(plan), *units.flush()]
        session = PlanTool().open(place)
        for unit in found:
            if unit.blank:
                continue
            ended = asyncio.Event()
            failure: list[str] = []

            def hear(
                report: Report, ended: asyncio.Event = ended, why: list[str] = failure
            ) -> None:
                if isinstance(report, Finished):
                    why += [report.outcome.failure.message] if report.outcome.failure else []
                    ended.set()

            session.listen(hear)
            session.run(UnitKey(1, unit.index), unit)
            await ended.wait()
            if failure:
                return failure[0]
        return None

    failed = asyncio.run(run())
    return failed, [name for name in world.ended if name.startswith("s")]


@given(plans(), st.sampled_from([1, 3, 10, 1000]))
@settings(max_examples=300)
def test_any_plan_comes_to_what_it_would_step_by_step(plan: str, chunk: int) -> None:
    """Streamed or as one batch: the same outcome, output, failed step and effects."""
    streamed, batch = World(), World()
    one, other = run_plan(plan, streamed, chunk=chunk), run_plan(plan, batch, hold=True)
    assert one.summary() == other.summary()
    failure, effects = one_by_one(plan)
    told = one.outcome.failure
    assert (told.message if told else None) == failure
    assert [name for name in streamed.ended if name.startswith("s")] == effects
    assert [name for name in batch.ended if name.startswith("s")] == effects
    assert sorted({*one.indices(Finished), *one.indices(Skipped)}) == [
        unit.index for unit in one.units if not unit.blank
    ]
