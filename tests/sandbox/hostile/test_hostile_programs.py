"""Hostile programs, one property each, in both real sandboxes; each with its control."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.conftest import KINDS
from tests.sandbox.hostile.arena import Arena, open_arena
from tests.sandbox.hostile.programs import TABLES


@pytest.fixture(scope="module", params=KINDS)
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOST_SECRET", "secret")
        with open_arena(request.param) as arena:
            yield arena


@pytest.mark.parametrize(
    ("table", "name"), [(table, name) for table, programs in TABLES.items() for name in programs]
)
def test_is_stopped(arena: Arena, table: str, name: str) -> None:
    program = TABLES[table][name]
    if arena.kind not in program.kinds:
        pytest.skip("meant for the other sandbox")
    arena.judge(program)
