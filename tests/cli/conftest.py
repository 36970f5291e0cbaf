"""The installed command, run for real: as a process of its own, with a home of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import Command, adopt_orphans


@pytest.fixture
def conveyor(tmp_path: Path) -> Iterator[Command]:
    """The `conveyor` command. After the test, nothing of what it started may be left."""
    with adopt_orphans() as orphans:
        command = Command(tmp_path)
        yield command
        command.end()
        left = command.left_behind(orphans)
        command.forget()
        assert left == []
