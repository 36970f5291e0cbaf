"""Rule 4: what is cut off, invalid as a whole or cancelled leaves everything as if it never ran."""

from __future__ import annotations

import asyncio
import random

import pytest

from conveyor_cli.backends.base import Finish
from conveyor_cli.engine.events import StopReason
from conveyor_sandbox.reports import Status
from tests.differential.arms import UNTIL_IT_RAN, Arm, Pieces, in_fences
from tests.differential.chopping import ragged, whole
from tests.differential.conftest import Bench
from tests.differential.cutting import BEFORE, LOOK, SPOIL, cut_somewhere
from tests.differential.programs import Program, corpus
from tests.differential.results import differences

pytestmark = pytest.mark.docker

VERSION = (3, 11)
"""Of the splitter that finds where to cut: any will do."""
_UNDOABLE = [it for it in corpus() if cut_somewhere(it, 0, VERSION) and "unseen" not in it.marks]
_INVALID = [it for it in _UNDOABLE if it.name.startswith("invalid: ")]
CUT = random.Random(4).sample(_UNDOABLE, 30)
"""Programs that are cut off somewhere; the place depends on their number."""
VALID = [program for program in CUT if not program.name.startswith("invalid: ")]
SOME_INVALID = random.Random(4).sample(_INVALID, 10)


def ids(program: Program) -> str:
    return program.name


async def set_up(arm: Arm) -> object:
    """A fresh interpreter with something in it; returns what is seen there."""
    await arm.begin()
    result = await arm.call(whole(in_fences(BEFORE)))
    assert result.error is None, result.error
    return await arm.observe()


async def hidden(arm: Arm) -> object:
    """What only a program can find out, by changing it."""
    result = await arm.call(whole(in_fences(LOOK)))
    return result.error or result.shown


def chopped(cut: str, seed: int) -> Pieces:
    """In random pieces. Every second one ends so soon that a unit may be just starting."""
    pieces = [*ragged(cut, seed, delays=True)]
    return [*pieces, (UNTIL_IT_RAN, "")] if seed % 2 else pieces


async def check_undone(arm: Arm, pieces: Pieces, finish: Finish, status: Status) -> None:
    """A call, after which all must be as it was before; then it is as if it had never been."""
    await set_up(arm)
    expected = await hidden(arm)
    before = await set_up(arm)
    await arm.call(pieces, finish)
    assert arm.outcome.status is status
    assert differences(await arm.observe(), before) == []
    assert await hidden(arm) == expected


@pytest.mark.parametrize("number", range(10))
def test_spoilt_state_comes_back(bench: Bench, number: int) -> None:
    """A call that changes all it can, cut off at a random place."""
    cut = cut_somewhere(Program("spoil", SPOIL), number, VERSION)
    assert cut is not None
    pieces = chopped(cut, number)
    bench.runner.run(check_undone(bench.partial, pieces, Finish.LENGTH, Status.ROLLED_BACK))


@pytest.mark.parametrize("program", CUT, ids=ids)
def test_cut_off(bench: Bench, program: Program) -> None:
    """Any program, cut off at a random place: the call counts as never run."""
    cut = cut_somewhere(program, len(program.name), VERSION)
    assert cut is not None
    pieces = chopped(cut, len(program.name))
    bench.runner.run(check_undone(bench.partial, pieces, Finish.LENGTH, Status.ROLLED_BACK))


@pytest.mark.parametrize("program", SOME_INVALID, ids=ids)
def test_invalid(bench: Bench, program: Program) -> None:
    """A call that turns out to be invalid as a whole, in either mode."""
    text = in_fences(SPOIL + program.text)
    for arm in (bench.partial, bench.sequential):
        bench.runner.run(
            check_undone(arm, ragged(text, program.name), Finish.EOS, Status.ROLLED_BACK)
        )


@pytest.mark.parametrize("program", VALID[:12], ids=ids)
def test_sent_again(bench: Bench, program: Program) -> None:
    """Cut off and then sent whole, a program ends as if it had been sent once."""
    cut = cut_somewhere(program, len(program.name) + 1, VERSION)
    assert cut is not None

    async def run() -> None:
        arm, text = bench.partial, in_fences(program.text)
        await set_up(arm)
        once = await arm.call(whole(text))
        left = await arm.observe()
        await set_up(arm)
        await arm.call(ragged(cut, program.name, delays=True), Finish.LENGTH)
        again = await arm.call(whole(text))
        assert differences(again.ending, once.ending) == []
        assert differences(await arm.observe(), left) == []

    bench.runner.run(run())


def test_cancelled(bench: Bench) -> None:
    """So does a call that the user stops while it runs."""

    async def run() -> None:
        arm = bench.partial
        await set_up(arm)
        expected = await hidden(arm)
        before = await set_up(arm)
        text = in_fences(f"{SPOIL}import time; time.sleep(30)\n").removesuffix("```\n")
        calling = asyncio.create_task(arm.call([(0.0, text), (30.0, "x")]))
        while len(arm.finished) < SPOIL.count("\n"):  # noqa: ASYNC110 - they are a plain list
            await asyncio.sleep(0.01)
        arm.halt(StopReason.CANCELLED)
        await calling
        assert arm.outcome.status is Status.CANCELLED
        assert differences(await arm.observe(), before) == []
        assert await hidden(arm) == expected

    bench.runner.run(run())
