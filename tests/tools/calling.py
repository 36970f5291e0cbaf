"""Function tools for tests, and calls of them as the engine makes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

from pydantic import Field

from conveyor_sandbox.reports import (
    Ended,
    Finished,
    Report,
    Skipped,
    Started,
    Status,
    UnitKey,
)
from conveyor_tools.argument_tool import ArgumentTool
from conveyor_tools.arguments import ArgumentSplitter
from conveyor_tools.errors import ToolError
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


def units_of(function: FunctionTool, text: str) -> list[Unit]:
    return [unit for unit in cut(function, [text])[0] if not unit.blank]
