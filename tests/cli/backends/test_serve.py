"""A real server with the real default model: `transformers serve`."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tiny_models import silent

from conveyor_cli.backends.base import Finish, Message, Role, SaidCall, Sampling
from conveyor_cli.backends.openai import OpenAIBackend
from conveyor_cli.errors import ModelError

pytestmark = pytest.mark.model

HI = [Message(Role.USER, "Count from one to twenty.")]
TOOL = {
    "type": "function",
    "function": {
        "name": "python",
        "description": "Runs code.",
        "parameters": {"type": "object", "properties": {"code": {"type": "string"}}},
    },
}


@pytest.fixture(scope="module")
def server(model_folder: Path) -> Iterator[str]:
    """The address of a server, which has the model loaded."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    program = Path(sys.executable).with_name("transformers")
    process = subprocess.Popen(
        [program, "serve", model_folder, "--host", "127.0.0.1", "--port", str(port)],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        give_up = time.monotonic() + 240
        while True:
            assert process.poll() is None
            assert time.monotonic() < give_up
            try:
                httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.5)
            else:
                break
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def test_a_real_stream(server: str, model_folder: Path) -> None:
    """Token by token, up to the limit; then one that is stopped, and one after it."""

    async def main() -> None:
        backend = OpenAIBackend(server, str(model_folder), timeout=120)
        await backend.load(silent)
        try:
            response = backend.respond(HI, Sampling(max_new_tokens=12))
            deltas = [delta async for delta in response]
            assert response.finish is Finish.LENGTH
            assert sum(delta.tokens for delta in deltas) == 12
            assert len(deltas) > 3
            stopped = backend.respond(HI, Sampling(max_new_tokens=1000))
            async for _ in stopped:
                stopped.stop()
            assert stopped.finish is Finish.STOPPED
            again = backend.respond(HI, Sampling(max_new_tokens=12))
            texts = [delta.text async for delta in again]
            assert "".join(texts) == "".join(delta.text for delta in deltas)
        finally:
            await backend.close()

    asyncio.run(main())


def test_a_conversation_with_calls_is_taken(server: str, model_folder: Path) -> None:
    """With the tools, a call, and what it came to; though this model knows none of it."""
    conversation = [
        *HI,
        Message(Role.ASSISTANT, "", (SaidCall("t0001c000", "python", '{"code": "1"}'),)),
        Message(Role.TOOL, "Result: 1", answers="t0001c000"),
    ]

    async def main() -> Finish | None:
        backend = OpenAIBackend(server, str(model_folder), timeout=120)
        await backend.load(silent)
        try:
            response = backend.respond(conversation, Sampling(max_new_tokens=3), [TOOL])
            assert [delta async for delta in response]
            return response.finish
        finally:
            await backend.close()

    assert asyncio.run(main()) in (Finish.LENGTH, Finish.EOS)


def test_a_wrong_address(server: str) -> None:
    """The server's own refusal, in our words."""

    async def main() -> None:
        backend = OpenAIBackend(server.removesuffix("/v1"), "m", timeout=120)
        await backend.load(silent)
        try:
            async for _ in backend.respond(HI, Sampling()):
                pass
        finally:
            await backend.close()

    with pytest.raises(ModelError, match=r"address is wrong .*; most addresses end in /v1"):
        asyncio.run(main())
