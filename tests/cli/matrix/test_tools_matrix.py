"""Every tool, in every way that a call can go: usual and cut short, and with a bad other side.

A row is a tool with its real counterpart (`*_sides.py`), a column a test here; both modes each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.matrix import host_sides, net_sides, sandbox_sides, search_sides, sql_sides
from tests.cli.matrix.arena import MODES, Incident, Played, play, stop
from tests.cli.matrix.sides import Side, Try

ROWS: dict[str, Callable[[Path, pytest.FixtureRequest], AbstractContextManager[Side]]] = {
    "python": sandbox_sides.python,
    "shell": sandbox_sides.shell,
    "files": sandbox_sides.files,
    "sqlite": sql_sides.sqlite,
    "duckdb": sql_sides.duck,
    "postgresql": sql_sides.postgresql,
    "search": search_sides.folder_search,
    "searx": search_sides.searx,
    "keyed": search_sides.keyed,
    "http": net_sides.http,
    "mcp": net_sides.mcp,
    "calculator": host_sides.calculator,
    "function": host_sides.function,
    "plan": host_sides.plan,
}
_LONGEST = 600_000
"""Characters of what is kept of an answer, and, below, of what the model is shown of it."""
_LONGEST_TOLD = 10_000
_FEW_LINES = 2
"""Of an error's message."""


@pytest.fixture(params=ROWS)
def side(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Side]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with ROWS[request.param](tmp_path, request) as made:
        yield made


def test_partial_is_sequential_is_a_direct_call(side: Side) -> None:
    """However the text is chopped."""
    plays = [
        play(side.settings, side.plain, mode=mode, chunk=chunk)
        for mode, chunk in (("partial", 1), ("partial", 7), ("sequential", 7))
    ]
    first, *others = (each.results for each in plays)
    assert [each["status"] for each in plays[0].calls] == ["ok"] * len(side.plain)
    assert others == [first, first]
    assert [(it["output"], it["result"]) for it in plays[0].calls] == side.direct()
    assert plays[0].told == plays[1].told == plays[2].told


@pytest.mark.parametrize("mode", MODES)
def test_stopped_in_mid_call(side: Side, mode: str) -> None:
    """Nothing is left of it, on neither side, and the next call goes well."""
    played = struck(side, mode, Incident(side.hangs_at, stop, side.reached, side.left))
    assert played.statuses == ["interrupted", "done"]
    stopped, look = played.calls
    assert (stopped["status"], stopped["output"], stopped["result"]) == ("cancelled", "", None)
    assert (look["status"], shown(look), look["error"]) == ("ok", side.seen, None)


@pytest.mark.parametrize("mode", MODES)
def test_the_other_side_dies_in_mid_call(side: Side, mode: str) -> None:
    """The model is told, in a line; the next call goes well where that can be."""
    if side.death is None:
        pytest.skip("it has no other side that could die")
    played = struck(side, mode, Incident(side.hangs_at, side.death.strike, side.reached))
    assert played.statuses == ["done"]
    failed, look = played.calls
    assert (failed["status"], failed["error"]["kind"]) == ("error", side.death.kind), failed
    assert side.death.says in failed["error"]["message"]
    assert len(failed["error"]["message"].splitlines()) <= _FEW_LINES
    assert look["status"] == side.death.after, look


@pytest.mark.parametrize("mode", MODES)
def test_garbage_from_the_other_side(side: Side, mode: str) -> None:
    """It is told as what it is, and the run goes on."""
    for each in side.garbage:
        expect(side, each, mode)


@pytest.mark.parametrize("mode", MODES)
def test_ten_megabytes(side: Side, mode: str) -> None:
    """They are cut, or refused, visibly; neither the report nor the model gets all of them."""
    for each in side.large:
        played = expect(side, each, mode)
        kept = played.calls[0]
        assert len(kept["output"]) + len(kept["result"] or "") < _LONGEST
        assert len(played.told[0]) < _LONGEST_TOLD


@pytest.mark.parametrize("mode", MODES)
def test_it_takes_too_long(side: Side, mode: str) -> None:
    """It is given up, and the next call goes well."""
    if side.slow is None:
        pytest.skip("it never takes long")
    played = play(side.settings | dict(side.slow), [side.hangs, side.look], mode=mode)
    late, look = played.calls
    assert late["error"] is not None, late
    assert late["status"] == "timeout" or "within" in late["error"]["message"], late
    assert look["status"] == "ok", look
    assert played.statuses == ["done"]


def struck(side: Side, mode: str, incident: Incident) -> Played:
    return play(side.settings, [side.hangs, side.look], mode=mode, incident=incident)


def expect(side: Side, case: Try, mode: str) -> Played:
    """Make the call; what comes of it is what is expected, and nothing in it acts on a terminal."""
    settings: Mapping[str, Any] = side.settings | dict(case.settings)
    played = play(settings, [case.call, case.look or side.look], mode=mode)
    assert played.statuses == ["done"]
    call, look = played.calls
    error = call["error"]
    assert (call["status"], error and error["kind"]) == (case.status, case.kind), call
    said = shown(call) + call["stderr"] if error is None else error["message"]
    assert case.says in said
    assert error is None or len(said.splitlines()) <= _FEW_LINES, said
    assert error is None or "\x1b" not in said
    assert look["status"] == case.after, look
    return played


def shown(call: Mapping[str, Any]) -> str:
    """What the user sees of a call: what it wrote, or else its result."""
    return str(call["output"] or call["result"] or "")
