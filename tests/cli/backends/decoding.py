"""Loading a backend and taking whole responses from it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tiny_models import silent

from conveyor_cli.backends.base import Delta, Finish, Message, Role, Sampling
from conveyor_cli.backends.models import ModelStore
from conveyor_cli.backends.precision import Dtype, Quantization
from conveyor_cli.backends.transformers import TransformersBackend

T = TypeVar("T")


@dataclass(frozen=True)
class Decoded:
    """A response that has ended."""

    text: str
    deltas: list[Delta]
    finish: Finish | None


async def respond(
    backend: TransformersBackend, prompt: str | list[Message], sampling: Sampling
) -> Decoded:
    """A whole response."""
    messages = [Message(Role.USER, prompt)] if isinstance(prompt, str) else prompt
    response = backend.respond(messages, sampling)
    deltas = [delta async for delta in response]
    return Decoded("".join(delta.text for delta in deltas), deltas, response.finish)


def with_backend(
    model: Path,
    work: Callable[[TransformersBackend], Awaitable[T]],
    *,
    quantization: Quantization = Quantization.NONE,
    dtype: Dtype = Dtype.FP32,
) -> T:
    """Load a model, do the work, close it."""

    async def main() -> T:
        backend = TransformersBackend(
            str(model), store=ModelStore(), quantization=quantization, dtype=dtype
        )
        try:
            await backend.load(silent)
            return await work(backend)
        finally:
            await backend.close()

    return asyncio.run(main())
