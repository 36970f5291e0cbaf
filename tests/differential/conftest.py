"""The three ways to run a program: started once, used by every test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from conveyor_cli.engine.policy import Mode
from conveyor_sandbox.image import DEFAULT_IMAGE
from tests.differential.arms import Arm, Pieces, in_fences, in_json
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
    as_json: Arm
    """Partial too, with the code in a string of a JSON object."""
    oracle: Oracle

    def run(self, program: Program, pieces: Pieces | None = None) -> tuple[Result, Result, Result]:
        """What came of a program in all three; partial gets it in these pieces, or random ones."""
        return self.runner.run(self._run(program, pieces))

    def run_as_json(self, program: Program) -> tuple[Result, Result]:
        """What came of a program in a JSON call, whose text comes in random pieces; the oracle."""
        pieces = ragged(in_json(program.text), program.name)
        awaits = "awaits" in program.marks
        expected = self.oracle.run(program.text, awaits=awaits)
        return self.runner.run(self.as_json.run(pieces)), expected

    async def _run(self, program: Program, pieces: Pieces | None) -> tuple[Result, Result, Result]:
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
        partial, as_json = Arm(Mode.PARTIAL), Arm(Mode.PARTIAL, "hermes")
        arms = (partial, Arm(Mode.SEQUENTIAL), as_json)
        try:
            for arm in arms:
                runner.run(arm.start())
            yield Bench(runner, *arms, oracle)
        finally:
            for arm in arms:
                runner.run(arm.stop())
