"""What tools say of how far they have come."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from typing import Any

import pytest

from conveyor_sandbox.reports import Ended, Progressed, Report, UnitKey
from conveyor_tools.argument_tool import ArgumentTool
from conveyor_tools.function import tool
from conveyor_tools.place import Place
from conveyor_tools.progress import progress
from tests.tools.calling import Heard, made


def reports_of(target: Callable[..., Any], text: str, *, partial: bool) -> list[Report]:
    """What is reported of one call, made ready as soon as its name is known if it is `partial`."""

    async def call() -> list[Report]:
        function = ArgumentTool(made(target))
        splitter, session = function.splitter(Place()), function.open(Place())
        session.listen(heard := Heard())
        if partial:
            session.prepare(1)
            await asyncio.sleep(0.05)
        for unit in (*splitter.feed(text), *splitter.flush()):
            session.run(UnitKey(1, unit.index), unit)
        session.end(1)
        await heard.until(Ended)
        await session.close()
        return heard.reports

    return asyncio.run(call())


def told(reports: list[Report]) -> list[tuple[str, float | None]]:
    return [(it.text, it.fraction) for it in reports if isinstance(it, Progressed)]


def test_of_a_function_in_a_thread() -> None:
    """At once the first time; a flood is thinned; all of it in plain words."""

    @tool(effects="pure")
    def count(to: int) -> int:
        """Count."""
        for number in range(to):
            progress(f"\x1b[31mat\n{number}\u202e " + "x" * 999, number - 1)
        return to

    reports = reports_of(count, '{"to": 5000}', partial=True)
    assert 1 <= len(told(reports)) < 100
    text, fraction = told(reports)[0]
    assert (text[:11], fraction) == ("[31mat 0 xx", 0.0)
    assert len(text) == 201
    kinds = [type(it).__name__ for it in reports]
    assert kinds == ["Started", *["Progressed"] * len(told(reports)), "Finished", "Ended"]


@pytest.mark.parametrize(("given", "shown"), [(None, None), (math.nan, None), (7, 1.0), (0.5, 0.5)])
def test_of_a_coroutine(given: float | None, shown: float | None) -> None:
    """A part that is no part of one is not shown as one."""

    @tool(effects="pure")
    async def work() -> str:
        """Work."""
        progress("half way", given)
        return "done"

    assert told(reports_of(work, "{}", partial=False)) == [("half way", shown)]


@pytest.mark.parametrize("partial", [True, False])
def test_while_it_gets_ready(*, partial: bool) -> None:
    """It is told with the unit that waits for it, also what was said before that began."""

    @tool(effects="pure")
    class Slow:
        """Waits."""

        async def prepare(self) -> None:
            progress("reading", 0.1)
            await asyncio.sleep(0.4)
            progress("read")

        async def __call__(self, x: int) -> int:
            return x

    reports = reports_of(Slow, '{"x": 1}', partial=partial)
    assert told(reports) == [("reading", 0.1), ("read", None)]
    assert type(reports[0]).__name__ == "Started"


def test_from_elsewhere() -> None:
    """Where no call runs, and after its end, it is nothing to anybody."""
    progress("nobody hears this")
    ended, said = threading.Event(), threading.Event()

    @tool(effects="pure")
    def quick() -> str:
        """Be quick."""
        from contextvars import copy_context  # noqa: PLC0415

        context = copy_context()

        def late() -> None:
            ended.wait(60)
            context.run(progress, "late")
            said.set()

        threading.Thread(target=late, daemon=True).start()
        return "done"

    reports = reports_of(quick, "{}", partial=False)
    ended.set()
    assert said.wait(60)
    assert told(reports) == []
