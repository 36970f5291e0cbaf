"""How long it takes until a sandbox is ready: cold, from the pool, and a bare `docker run`.

Cold and bare are measured in turn, so that both meet the same machine and the same engine.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable

from conveyor_sandbox.errors import SandboxUnavailable
from conveyor_sandbox.pool import Pool
from conveyor_sandbox.sandbox import Sandbox


async def measure_pairs(
    make: Callable[[], Sandbox], image: str, pairs: int
) -> list[tuple[float, float]]:
    """Seconds until a sandbox is ready, and of `docker run` of a Python that ends at once.

    A first pair is not counted. Raises SandboxError.
    """
    found = [
        (await measure_cold(make), await asyncio.to_thread(_run_bare, image))
        for _ in range(pairs + 1)
    ]
    return found[1:]


async def measure_cold(make: Callable[[], Sandbox]) -> float:
    """Seconds from nothing until a sandbox is ready. Raises SandboxError."""
    began = time.perf_counter()
    sandbox = make()
    await sandbox.start(lambda _text, _fraction: None)
    ready = time.perf_counter()
    await sandbox.stop()
    return ready - began


async def measure_pool(make: Callable[[], Sandbox], rounds: int) -> list[float]:
    """Seconds until a sandbox that waits in a pool is there to be used. Raises SandboxError."""
    pool = Pool(make, 1)
    taken = []
    try:
        for _ in range(rounds):
            pool.fill()
            await pool.filled()
            began = time.perf_counter()
            sandbox, _ = await pool.take(lambda _text, _fraction: None)
            taken.append(time.perf_counter() - began)
            await sandbox.stop()
    finally:
        await pool.close()
    return taken


def _run_bare(image: str) -> float:
    began = time.perf_counter()
    command = ["docker", "run", "--rm", "--network", "none", image, "python3", "-c", "pass"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SandboxUnavailable(f"docker run failed: {done.stderr.strip()}")
    return time.perf_counter() - began
