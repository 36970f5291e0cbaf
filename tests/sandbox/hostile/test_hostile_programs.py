"""Hostile programs, one property each, in both real sandboxes; each with its control."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.hostile.arena import Arena, open_arena
from tests.sandbox.hostile.programs import BOTH, TABLES

CASES = [
    pytest.param(kind, table, name, marks=[pytest.mark.docker] if kind == "docker" else [])
    for kind in BOTH
    for table, programs in TABLES.items()
    for name, program in programs.items()
    if kind in program.kinds
]


@pytest.fixture(scope="module")
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOST_SECRET", "secret")
        with open_arena(request.param) as arena:
            yield arena


@pytest.mark.parametrize(("arena", "table", "name"), CASES, indirect=["arena"])
def test_is_stopped(arena: Arena, table: str, name: str) -> None:
    arena.judge(TABLES[table][name])
