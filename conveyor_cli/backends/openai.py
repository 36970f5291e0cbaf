"""The backend for servers of chat completions as OpenAI has them: vLLM, llama.cpp, Ollama, ….

One request a response, streamed as server-sent events. Stopping a response closes its connection,
at which servers stop decoding. Not covered: the model's chat template, which only the server has.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from conveyor_cli.backends.base import Delta, Finish, Message, Progress, Sampling, ToolOffer
from conveyor_cli.backends.chat_stream import ChunkReader
from conveyor_cli.errors import ModelError

if TYPE_CHECKING:
    import httpx

    from conveyor_cli.backends.chat_server import ChatServer

KEY = "OPENAI_API_KEY"
"""The environment variable that holds the server's key, if it wants one."""
_TRIES = 3
"""How often a response is asked for where the server is too busy."""
_BUSY = frozenset({429, 502, 503, 504})
_LONGEST_WAIT = 30.0
"""Seconds that a busy server may ask for; beyond that the run ends."""
_REST = 2.0
"""Seconds that may pass between the model's last token and the end of the stream."""


class OpenAIBackend:
    """A model behind a server.

    Args:
        base_url: where its `/chat/completions` is, e.g. `http://localhost:8000/v1`.
        model: what the server calls it; None: the first that it lists.
        timeout: seconds in which the server must send something; the first token may take long.
    """

    def __init__(self, base_url: str, model: str | None, *, timeout: float) -> None:
        self._base_url = base_url
        self._model = model
        self._timeout = timeout
        self._server: ChatServer | None = None
        self._response: OpenAIResponse | None = None

    @property
    def label(self) -> str:
        """E.g. `qwen3-8b at localhost:8000`."""
        from conveyor_cli.backends.chat_server import place  # noqa: PLC0415 - httpx is slow

        return f"{self._model or 'the model'} at {place(self._base_url)}"

    @property
    def template(self) -> str | None:
        """It is the server's, and nobody is told."""
        return None

    async def load(self, progress: Progress) -> None:
        """Connect, so that a wrong address or key is found at once. Raises ModelError."""
        if self._server is not None:
            return
        from conveyor_cli.backends.chat_server import ChatServer  # noqa: PLC0415 - httpx is slow

        server = ChatServer(self._base_url, os.environ.get(KEY), self._timeout)
        progress(f"connecting to {server.place}", None)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(server.close)
            listed = await server.models()
            if self._model is None and not listed:
                raise ModelError(f"{server.place} lists no models: say which one with --model ID")
            stack.pop_all()
        self._model = self._model or listed[0]
        self._server = server

    def respond(
        self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[ToolOffer] = ()
    ) -> OpenAIResponse:
        """Ask for a response. Returns at once."""
        from conveyor_cli.backends.chat_request import chat_request  # noqa: PLC0415

        if self._server is None or self._model is None:
            raise RuntimeError("the backend is not loaded")
        request = chat_request(self._model, messages, sampling, tools)
        self._response = OpenAIResponse(self._server, request)
        return self._response

    async def forget(self) -> None:
        """Nothing is kept here: each request holds its whole conversation."""

    async def close(self) -> None:
        """Close the connections. A response still running is stopped."""
        if self._response is not None:
            self._response.stop()
            await self._response.closed()
        if self._server is not None:
            await self._server.close()
        self._server = self._response = None


class OpenAIResponse:
    """One response, read in a task of its own, so that it can be stopped while it waits."""

    def __init__(self, server: ChatServer, request: dict[str, Any]) -> None:
        self._server = server
        self._request = request
        self._finish: Finish | None = None
        self._arrived: asyncio.Queue[Delta | Finish | ModelError] = asyncio.Queue()
        self._task = asyncio.create_task(self._read())

    @property
    def finish(self) -> Finish | None:
        """Why it ended; None until the iteration has ended."""
        return self._finish

    def stop(self) -> None:
        """Close the connection; deltas not yet taken are dropped."""
        self._task.cancel()
        if self._finish is None:
            self._finish = Finish.STOPPED
            self._arrived.put_nowait(Finish.STOPPED)  # wakes an iteration that waits

    async def closed(self) -> None:
        """Wait until its connection is given back."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([self._task])

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """The deltas. Leaving the iteration early stops the response."""
        try:
            while True:
                arrived = await self._arrived.get()
                if self._finish is not None:
                    return
                if isinstance(arrived, Finish):
                    self._finish = arrived
                    return
                if isinstance(arrived, ModelError):
                    raise arrived
                yield arrived
        finally:
            self.stop()

    async def _read(self) -> None:
        try:
            self._arrived.put_nowait(await self._stream())
        except ModelError as error:
            self._arrived.put_nowait(error)
        except Exception as error:  # noqa: BLE001 - raised where the deltas are taken
            failed = ModelError(f"the response could not be read: {error!r}")
            failed.__cause__ = error
            self._arrived.put_nowait(failed)

    async def _stream(self) -> Finish:
        """Ask until the server is not too busy, then read the response to its end."""
        for tries in range(1, _TRIES + 1):
            async with self._server.complete(self._request) as response:
                if response.is_success:
                    return await self._deltas(response)
                wait = self._server.wait_asked(response, tries)
                if response.status_code not in _BUSY or tries == _TRIES or wait > _LONGEST_WAIT:
                    raise await self._server.refusal(response, self._request)
            await asyncio.sleep(wait)
        raise AssertionError("the last try ends in one way or the other")

    async def _deltas(self, response: httpx.Response) -> Finish:
        reader = ChunkReader()
        with contextlib.suppress(TimeoutError):  # the model had ended: only the stream had not
            async with asyncio.timeout(None) as patience:
                async for data in self._server.events(response):
                    for delta in reader.feed(data, time.monotonic()):
                        self._arrived.put_nowait(delta)
                    if reader.done:
                        break
                    if reader.finish is not None and patience.when() is None:
                        patience.reschedule(asyncio.get_running_loop().time() + _REST)
        for delta in reader.end(time.monotonic()):
            self._arrived.put_nowait(delta)
        assert reader.finish is not None
        return reader.finish
