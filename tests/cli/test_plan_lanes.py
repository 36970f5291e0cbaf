"""Random plans on several databases, through the whole engine: both modes come to the same."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conveyor_cli.backends.scripted import ScriptedBackend
from conveyor_cli.compose import make_parts, make_run
from conveyor_cli.engine.approval import Approve
from conveyor_cli.engine.metrics import measure
from conveyor_cli.engine.policy import Mode
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.performance import end_parts
from conveyor_cli.report import run_report
from conveyor_cli.task import Expectation, LimitOptions, ModelOptions, Task
from conveyor_cli.toolbox import Toolbox
from conveyor_tools.argument_tool import ArgumentTool
from conveyor_tools.errors import ToolError
from conveyor_tools.function import function_tool, tool
from conveyor_tools.host_session import HostSession
from conveyor_tools.place import Place
from conveyor_tools.plan import PlanTool
from conveyor_tools.sql import SqlTool

DATABASES = ("left", "right")


@dataclass(frozen=True)
class Line:
    """A step: on a database, of a function that works, or of one that sends."""

    number: int
    tool: str
    turns: int
    fails: bool
    uses: tuple[int, ...]

    def __str__(self) -> str:
        uses = "".join(f" ${{{it}}}" for it in self.uses)
        if self.tool not in DATABASES:
            return (
                f"${self.number} = {self.tool}('{self.number}{uses}', {self.turns}, {self.fails})"
            )
        count = "SELECT nope" if self.fails else f"SELECT {self.number} AS n"
        more = f"SELECT n + 1 FROM i WHERE n < {self.turns}"
        rows = f"WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL {more})"
        insert = f"INSERT INTO log SELECT {self.number} FROM i WHERE n = {self.turns}"
        return f'${self.number} = {self.tool}("{rows} {insert}; {count} /*{uses} */")'


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[Line], str]:
    """Steps, and a last line, which may be wrong."""
    lines = []
    for number in range(1, draw(st.integers(1, 7)) + 1):
        name = draw(st.sampled_from((*DATABASES, "work", "send")))
        inputs = [it.number for it in lines if it.tool not in DATABASES]
        uses = draw(st.sets(st.sampled_from(inputs), max_size=2)) if inputs else set[int]()
        turns = draw(st.integers(0, 2000 if name in DATABASES else 30))
        fails = draw(st.integers(0, 15)) == 15
        lines.append(Line(number, name, turns, fails, tuple(sorted(uses))))
    return lines, draw(st.sampled_from(["", "", "", "$99 = work(5)\n"]))


@dataclass
class Shop:
    """Two databases with an empty table, and what was sent."""

    folder: Path
    sent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in DATABASES:
            path = self.folder / name
            path.unlink(missing_ok=True)
            with contextlib.closing(sqlite3.connect(path)) as database:
                database.execute("CREATE TABLE log (step INTEGER)")
                database.commit()

    def logged(self, name: str) -> list[int]:
        with contextlib.closing(sqlite3.connect(self.folder / name)) as database:
            return [step for (step,) in database.execute("SELECT step FROM log ORDER BY rowid")]

    def toolbox(self) -> Toolbox:
        @tool(effects="pure")
        async def work(name: str, turns: int, fails: bool) -> str:  # noqa: FBT001
            """Work for so many turns of the loop."""
            for _ in range(turns):
                await asyncio.sleep(0)
            if fails:
                raise ToolError(f"{name} failed")
            return name

        @tool(effects="external")
        async def send(name: str, turns: int, fails: bool) -> str:  # noqa: FBT001
            """The same, for good."""
            self.sent.append(name)
            return str(await work(name, turns, fails))

        toolbox = Toolbox()
        toolbox.add(PlanTool())
        for name in DATABASES:
            toolbox.add(SqlTool(url=f"sqlite:///{self.folder / name}", write=True, name=name))
        toolbox.add(function_tool(work, ""))
        toolbox.add(function_tool(send, ""))
        return toolbox


def run(folder: Path, text: str, mode: Mode, chunk: int) -> tuple[dict[str, Any], Shop]:
    """A run of one plan: its call, and what it left."""
    shop = Shop(folder)
    return answer(shop.toolbox(), text, mode, chunk), shop


def answer(
    toolbox: Toolbox, text: str, mode: Mode, chunk: int = 1, approve: Approve = Approve.NEVER
) -> dict[str, Any]:
    """The call of a run of one plan."""
    tokens = 100_000
    model = ModelOptions(
        backend="scripted", script=Path("-"), dialect="plan", max_new_tokens=tokens
    )
    task = Task(
        name="lanes",
        prompt="-",
        model=model,
        mode=mode,
        approve=approve,
        limits=LimitOptions(tokens=tokens),
    )
    script = ScriptedBackend([f">>>\n{text}<<<\n", "Done."], rate=None, chunk=chunk)
    timeline = Timeline()

    async def whole() -> None:
        parts = make_parts(task, lambda *_: None, script, toolbox=toolbox)
        try:
            await make_run(task, "lanes", parts, timeline.apply, lambda *_: None).run("-", 60)
        finally:
            await end_parts(parts)

    asyncio.run(whole())
    (call,) = run_report(timeline, measure(timeline), Expectation(), None)["calls"]
    found: dict[str, Any] = call
    return found


def told(call: dict[str, Any]) -> dict[str, Any]:
    """What the model is told, and which step failed."""
    told = {key: call[key] for key in ("status", "error", "result", "output")}
    ends = ("error", "timeout")
    return {**told, "failed": [it["index"] for it in call["units"] if it["status"] in ends]}


@given(plans(), st.sampled_from([1, 7, 1000]))
@settings(max_examples=150)
def test_random_plans_come_to_the_same_in_both_modes(
    plan: tuple[list[Line], str], chunk: int
) -> None:
    """The first failure in the text is told; then the databases are as before, else all is kept."""
    lines, last = plan
    text = "".join(f"{line}\n" for line in lines) + last
    with tempfile.TemporaryDirectory() as name:
        calls = {}
        for mode in Mode:
            call, shop = run(Path(name), text, mode, chunk)
            calls[mode] = told(call), shop.sent, [shop.logged(it) for it in DATABASES]
    assert calls[Mode.PARTIAL] == calls[Mode.SEQUENTIAL]
    call, sent, logged = calls[Mode.PARTIAL]
    failed = next((line for line in lines if line.fails), None)
    if failed is None and not last:
        assert call["status"] == "ok"
        for name, steps in zip(DATABASES, logged, strict=True):
            assert steps == [line.number for line in lines if line.tool == name]
        return
    assert call["status"] in ("rolled_back", "error")
    assert logged == [[], []]
    sends = [line.number for line in lines if line.tool == "send" and not last]
    counted = [number for number in sends if failed is None or number <= failed.number]
    assert [int(text.split()[0]) for text in sent] == counted


class Own:
    """Tools that are classes, with sessions of their own."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def toolbox(self) -> Toolbox:
        @tool(effects="external")
        def send(text: str, times: int = 1) -> dict[str, int]:
            """Send something."""
            self.sent += [text] * times
            return {"sent": times}

        @tool(effects="pure")
        def look(text: str) -> str:
            """Look something up."""
            return text.upper()

        toolbox = Toolbox()
        for each in (PlanTool(), ArgumentTool(function_tool(send, ""))):
            toolbox.add(each)
        toolbox.add(ArgumentTool(function_tool(look, "")))
        return toolbox


@pytest.mark.parametrize("mode", Mode)
def test_any_tool_with_a_session_is_a_step(mode: Mode) -> None:
    """By the arguments of its schema; what it does for good waits for the plan and the user."""
    own = Own()
    steps = '$1 = look("a")\n$2 = send(text="${1}", times=2)\n$3 = look("${2.sent}")\n'
    call = answer(own.toolbox(), steps, mode)
    assert (call["status"], call["result"], own.sent) == ("ok", "2", ["A", "A"])
    assert call["output"] == '$1 = A\n$2 = {"sent":2}\n$3 = 2\n'
    for wrong in ("$4 = look(5)\n", "$4 = look()\n", '$4 = send("x", times="y")\n'):
        own = Own()
        assert answer(own.toolbox(), steps + wrong, mode)["status"] == "rolled_back"
        assert own.sent == []
    own = Own()
    call = answer(own.toolbox(), steps, mode, approve=Approve.EXTERNAL)
    assert (call["status"], call["error"]["kind"], own.sent) == ("error", "denied", [])


class Broken(ArgumentTool):
    """Its session cannot be had."""

    def open(self, place: Place) -> HostSession:  # noqa: ARG002
        raise OSError("no session today")


@pytest.mark.parametrize("mode", Mode)
def test_a_tool_that_breaks_fails_its_step(mode: Mode) -> None:
    toolbox = Own().toolbox()
    look = toolbox.tools["look"]
    assert isinstance(look, ArgumentTool)
    toolbox.tools["look"] = Broken(look.function)
    call = answer(toolbox, '$1 = look("a")\n$2 = look("b")\n', mode)
    assert call["status"] == "error"
    assert "no session today" in call["error"]["message"]
