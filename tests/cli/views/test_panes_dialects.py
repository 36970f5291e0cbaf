"""The model's pane shows all of a response once, in every dialect, however much of it has run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from conveyor_cli.dialects.base import (
    CallText,
    Closed,
    Dialect,
    Invalid,
    Item,
    Opened,
    PieceReader,
    Resumed,
    TextEnded,
    Withdrawn,
)
from conveyor_cli.engine import events as ev
from conveyor_cli.engine.places import Place, place_of
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.engine.written import WrittenText
from conveyor_cli.views.panes import ModelPane
from conveyor_sandbox.reports import UnitKey
from conveyor_tools.arguments import ArgumentSplitter
from conveyor_tools.function import function_tool, tool
from conveyor_tools.later import Later
from conveyor_tools.splitters.base import Unit
from conveyor_tools.splitters.python import PythonSplitter
from tests.cli.dialects.calls import Part, shown_parts, size, split
from tests.cli.dialects.formats import FORMATS


@tool(effects="pure", ready_when={"query"})
async def search(
    query: str,
    *,
    limit: Later[list[int] | None] = None,  # type: ignore[assignment]
    exact: Later[bool] = False,  # type: ignore[assignment]
    where: Later[str | None] = None,  # type: ignore[assignment]
    any: Later[Any] = None,  # type: ignore[assignment] # noqa: A002
) -> str:
    """Starts early."""
    return f"{query}{limit}{exact}{where}{any}"


SEARCH = function_tool(search, "search")


class Shown:
    """A response, read in a dialect, cut and folded as the engine does it."""

    def __init__(self, dialect: Dialect) -> None:
        self.timeline = Timeline()
        self.pane = ModelPane(self.timeline, Console(width=500))
        self._dialect = dialect
        self._calls: list[WrittenText] = []
        self._places: list[Place] = []
        self._in_units: list[int] = []
        self._current: int | None = None
        self.timeline.apply(ev.TurnStarted(0.0, 1))

    def read(self, part: Any) -> None:
        """A delta."""
        text = part if isinstance(part, str) else part[1]
        self.timeline.apply(ev.DeltaDecoded(0.0, 1, text, 1))
        if isinstance(part, str):
            self._act(self._dialect.feed(part))
        else:
            assert isinstance(self._dialect, PieceReader)
            self._act(self._dialect.feed_piece(*part))

    def _act(self, items: Iterable[Item]) -> None:
        for item in items:
            match item:
                case Opened():
                    self._open(item)
                case Resumed(number):
                    self._current = number
                case _ if self._current is not None:
                    self._act_on_call(self._current, item)

    def _open(self, opened: Opened) -> None:
        name = opened.tool
        splitter = ArgumentSplitter(SEARCH) if name == "search" else PythonSplitter()
        self._current = len(self._calls)
        self._calls.append(WrittenText(splitter))
        self._places.append(place_of(self._dialect, opened, self._current))
        self._in_units.append(0)
        number = len(self._calls)
        self.timeline.apply(ev.CallOpened(0.0, 1, number, name, name, opened.start, opened.literal))
        self._dialect.watch(self._calls[-1])

    def _act_on_call(self, place: int, item: Item) -> None:
        written = self._calls[place]
        match item:
            case CallText(text):
                self._take(place, written.feed(text))
            case TextEnded():
                self._take(place, written.flush())
            case Closed() | Withdrawn() | Invalid():
                if isinstance(item, Closed) and item.length is not None:
                    written.truncate(item.length)
                self._take(place, written.flush())
                text = written.text
                closed = ev.CallClosed(0.0, 1, place + 1, text, complete=True)
                self.timeline.apply(replace(closed, end=self._places[place](len(text))))
                self._current = None

    def _take(self, place: int, units: list[Unit]) -> None:
        for unit in units:
            self._in_units[place] += len(unit.text)
            if not unit.blank:
                key, end = (
                    UnitKey(place + 1, unit.index),
                    self._places[place](self._in_units[place]),
                )
                self.timeline.apply(ev.UnitReady(0.0, key, unit.span, unit.text, end=end))

    @property
    def words(self) -> str:
        """What the pane shows, without marks."""
        return words("\n".join(row.plain for row in self.pane.rows(500, 200)))


def words(text: str) -> str:
    """The letters and digits of a text, whether it is JSON, has escapes, or is between tags."""
    text = re.sub(r"\\(u[0-9a-f]{0,3}$|[nt])", "", text)
    text = re.sub(r"<parameter=(\w+)", r"\1", text)
    text = re.sub(r"</?(tool_call|parameter|function(=\w+)?)>", "", text)
    return re.sub(r"[\W_]", "", text).lower()


def by_turns(parts: list[Part]) -> bool:
    """Whether a call goes on behind the beginning of another one."""
    calls = [part[0] for part in parts if not isinstance(part, str)]
    return len(calls) > len(set(calls))


ALL = [
    (dialect, name)
    for dialect, form in FORMATS.items()
    for name, it in form.examples.items()
    if not by_turns(it.parts)
]


@pytest.mark.parametrize(("dialect", "name"), ALL)
def test_all_of_a_response_is_shown_once(dialect: str, name: str) -> None:
    """Nothing is shown twice, and nothing left out, at any character."""
    shown = Shown(FORMATS[dialect].make())
    said = ""
    parts = FORMATS[dialect].examples[name].parts
    for part in shown_parts(split(parts, *range(size(parts)))):
        shown.read(part)
        said += part if isinstance(part, str) else part[1]
        assert shown.words == words(said), said
