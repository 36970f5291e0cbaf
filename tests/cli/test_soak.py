"""A thousand runs in one process, one after another and sixteen at once: it ends as it began.

Whole runs by the engine's own parts, each with a fresh sandbox and a journal; only the model is a
script. Most are in local sandboxes, every twentieth is in Docker where an engine answers.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from conveyor_cli.backends.scripted import ScriptedBackend
from conveyor_cli.compose import make_parts, make_run
from conveyor_cli.engine.events import RunStatus
from conveyor_cli.engine.fanout import Fanout
from conveyor_cli.engine.journal import Journal
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.performance import end_parts
from conveyor_cli.task import PoolOptions, SandboxOptions, Task
from conveyor_sandbox.owner import OWNER_LABEL, owner_label
from tests.cli.command import docker, engine_answers

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

RUNS = 1000
AT_ONCE = 16
ROUNDS = 4
WARM_UP = 40
_DOCKER_SHARE = 20
_BLOCKS_A_RUN = 3
"""What a run may leave on average; one small object with a list in it is that many."""
_SETTLES = 4
"""MB by which memory may still settle in each half: 8 kB a run."""
_RESPONSES = (
    "```python\nprint(sum(n * n for n in range(1000)))\nopen('f', 'w').write('x' * 9999)\n```",
    "```python\nx = (1\n```",  # to be rolled back
    "```python\n1 / 0\n```",
    "Done.",
)


@dataclass(frozen=True)
class Held:
    """What this process holds. `memory` is resident, in MB, without what is free and merely kept
    by the C library, for each thread that ever was; open files by what they are.

    `blocks` of Python's allocator show what grows with each run more sharply than memory does:
    that settles, in steps, for a thousand runs.
    """

    memory: float
    blocks: int
    files: list[str]
    threads: int
    children: list[str]
    containers: list[str]


def held() -> Held:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = []
    for path in list(Path("/proc/self/fd").iterdir()):
        with suppress(OSError):  # the listing's own is no more
            files.append(str(path.readlink()).partition(":[")[0])
    label = f"label={OWNER_LABEL}={owner_label()}"
    return Held(
        round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1),
        sys.getallocatedblocks(),
        sorted(files),
        threading.active_count(),
        Path(f"/proc/self/task/{os.getpid()}/children").read_text().split(),
        docker("ps", "-aq", "--filter", label).split() if engine_answers() else [],
    )


async def one_run(number: int, folder: Path) -> None:
    """From its parts to its end."""
    kind = "docker" if number % _DOCKER_SHARE == 0 and engine_answers() else "local"
    options = SandboxOptions(kind=kind, pool=PoolOptions(size=number % 2))
    task = Task(name="soak", prompt="go", sandbox=options)
    timeline, fanout = Timeline(), Fanout(_raise)
    path = folder / f"{number}.jsonl"
    with closing(fanout), closing(Journal(path, _raise)) as journal:
        fanout.add(timeline.apply)
        fanout.add(journal.apply)
        backend = ScriptedBackend(list(_RESPONSES), rate=10_000, chunk=8)
        parts = make_parts(task, lambda _text, _fraction: None, backend)
        parts.pool.fill()
        try:
            run = make_run(task, str(number), parts, fanout.emit, lambda _text, _fraction: None)
            ending = await run.run(task.prompt, 60)
        finally:
            await end_parts(parts)
    assert ending.status is RunStatus.DONE
    statuses = [call.outcome.status.value for call in timeline.calls.values() if call.outcome]
    assert statuses == ["ok", "rolled_back", "error"]
    path.unlink()


async def at_once(begin: int, folder: Path) -> None:
    """Sixteen in one event loop."""
    await asyncio.gather(*(one_run(begin + it, folder) for it in range(AT_ONCE)))


def _raise(problem: Exception) -> None:
    raise problem


@pytest.fixture
def after_warm_up(tmp_path: Path) -> Iterator[Held]:
    """Afterwards all is as it was when the first runs were over."""
    for number in range(WARM_UP):
        asyncio.run(one_run(number, tmp_path))
    asyncio.run(at_once(WARM_UP, tmp_path))
    before = held()
    yield before
    now = held()
    print(f"\n{before.memory} MB before, {now.memory} MB after; {len(now.files)} files")  # noqa: T201
    assert now.files == before.files
    assert now.threads == before.threads
    assert now.children == before.children == []
    assert now.containers == before.containers == []
    assert now.memory - before.memory <= 2 * _SETTLES


def test_one_after_another(after_warm_up: Held, tmp_path: Path) -> None:
    """A thousand, each in an event loop of its own. The second half leaves nothing that grows."""
    assert after_warm_up.threads >= 1
    at = {}
    for number in range(RUNS):
        if number in (0, RUNS // 2):
            at[number] = held()
        asyncio.run(one_run(number, tmp_path))
    half, now = at[RUNS // 2], held()
    blocks = (now.blocks - half.blocks) / (RUNS / 2)
    print(f"\n{at[0].memory}, {half.memory}, {now.memory} MB; {blocks} blocks a run")  # noqa: T201
    assert blocks <= _BLOCKS_A_RUN
    assert now.memory - half.memory <= _SETTLES


def test_sixteen_at_once(after_warm_up: Held, tmp_path: Path) -> None:
    """In one event loop, again and again."""
    assert after_warm_up.threads >= 1
    for count in range(ROUNDS):
        asyncio.run(at_once(count * AT_ONCE, tmp_path))
