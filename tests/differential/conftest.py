"""The three ways to run a program: started once, used by every test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from conveyor_cli.engine.policy import Mode
from conveyor_sandbox.image import DEFAULT_IMAGE
from tests.differential.arms import Arm, Pieces, in_fences
from tests.differential.chopping import ragged, whole
from tests.differential.oracle import Oracle, open_oracle
from tests.differential.programs import Program
from tests.differential.results import Result


@dataclass
class Bench:
    """Partial, sequential, and the oracle."""

    runner: asyncio.Runner
    partial: Arm
    sequential: Arm
    oracle: Oracle

    def run(self, program: Program, pieces: Pieces | None = None) -> tuple[Result, Result, Result]:
        """What came of a program in all three; partial gets it in these pieces, or random ones."""
        return self.runner.run(self._run(program, pieces))

    async def _run(
        self, program: Program, pieces: Pieces | None
    ) -> tuple[Result, Result, Result]:
        response = in_fences(program.text)
        awaits = "awaits" in program.marks
        return await asyncio.gather(
            self.partial.run(pieces or ragged(response, program.name)),
            self.sequential.run(whole(response)),
            asyncio.to_thread(self.oracle.run, program.text, awaits=awaits),
        )


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    with asyncio.Runner() as runner, open_oracle(DEFAULT_IMAGE) as oracle:
        bench = Bench(runner, Arm(Mode.PARTIAL), Arm(Mode.SEQUENTIAL), oracle)
        try:
            runner.run(bench.partial.start())
            runner.run(bench.sequential.start())
            yield bench
        finally:
            runner.run(bench.partial.stop())
            runner.run(bench.sequential.stop())
