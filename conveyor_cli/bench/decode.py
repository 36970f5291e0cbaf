"""How fast our decode loop is, as a ratio to `model.generate` on the same work in one run.

Speed on a shared machine wanders by a third from run to run, so both are run in turn and only the
ratio of neighbours counts.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import torch

from conveyor_cli.backends.base import Message, Role, Sampling
from conveyor_cli.backends.transformers import TransformersBackend

PROMPT = "Write a long story about a lighthouse keeper and a storm."

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Pair:
    """Tokens per second of both loops, run one after the other (`tokens` each)."""

    tokens: int
    ours: float
    generate: float

    @property
    def ratio(self) -> float:
        """Over 1 where ours is faster."""
        return self.ours / self.generate


@dataclass(frozen=True, slots=True)
class Comparison:
    """What alternated runs gave."""

    label: str
    pairs: tuple[Pair, ...]

    @property
    def median(self) -> float:
        """The median of the pairs' ratios."""
        return statistics.median(pair.ratio for pair in self.pairs)

    @property
    def interval(self) -> tuple[float, float]:
        """The median's 95 % interval, by order statistics; all pairs where they are under six."""
        ratios = sorted(pair.ratio for pair in self.pairs)
        n = len(ratios)
        cut = 0  # how many to leave out on each side
        while 2 * sum(math.comb(n, k) for k in range(cut + 2)) / 2**n <= 1 - _CONFIDENCE:
            cut += 1
        return ratios[cut], ratios[n - 1 - cut]


async def compare_decode(
    backend: TransformersBackend,
    *,
    pairs: int,
    new_tokens: int,
    on_pair: Callable[[Pair], None],
) -> Comparison:
    """Decode the same prompt greedily with both, `pairs` times, changing which one goes first.

    Ours is the whole way to the event loop: thread, detokenizer and deltas included. Each run
    prefills the whole prompt. The backend must be loaded. A first pair warms up and is not counted.
    """
    measured: list[Pair] = []
    for number in range(pairs + 1):
        if number % 2:
            tokens, ours = await _ours(backend, new_tokens)
            _, generate = await _generate(backend, new_tokens)
        else:
            _, generate = await _generate(backend, new_tokens)
            tokens, ours = await _ours(backend, new_tokens)
        if number:
            measured.append(Pair(tokens, ours, generate))
            on_pair(measured[-1])
    return Comparison(backend.label, tuple(measured))


@asynccontextmanager
async def decoding(backend: TransformersBackend) -> AsyncIterator[None]:
    """Decode without end for as long as this lasts, then close the backend. Loads it first."""
    await backend.load(lambda _what, _fraction: None)

    async def decode() -> None:
        while True:
            async for _ in backend.respond(_conversation(), Sampling(max_new_tokens=1000)):
                pass

    task = asyncio.create_task(decode())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await backend.close()


async def _ours(backend: TransformersBackend, new_tokens: int) -> tuple[int, float]:
    await backend.forget()
    began = time.monotonic()
    ended = began
    count = 0
    async for delta in backend.respond(_conversation(), Sampling(max_new_tokens=new_tokens)):
        count += delta.tokens
        ended = delta.at
    return count, count / (ended - began)


async def _generate(backend: TransformersBackend, new_tokens: int) -> tuple[int, float]:
    loaded = backend.loaded

    def run() -> tuple[int, float]:
        began = time.monotonic()
        prompt = torch.tensor([loaded.chat.encode(_conversation())], device=loaded.device)
        # Untyped: `generate` comes to the model by a mixin.
        output = loaded.model.generate(  # type: ignore[operator]
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=new_tokens,
            do_sample=False,
        )
        count = output.shape[1] - prompt.shape[1]
        return count, count / (time.monotonic() - began)

    return await backend.in_decode_thread(run)  # with the same number of CPU threads


def _conversation() -> list[Message]:
    return [Message(Role.USER, PROMPT)]
