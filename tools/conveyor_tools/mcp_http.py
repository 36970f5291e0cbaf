"""An MCP server by URL: what it sends is limited, as what a child process sends is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from conveyor_tools.mcp_stdio import LONGEST_MESSAGE

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams


@asynccontextmanager
async def streamable(
    url: str, headers: Mapping[str, str], seconds: float
) -> AsyncIterator[TransportStreams]:
    """The streams to and from a server that speaks streamable HTTP."""
    timeout = httpx2.Timeout(seconds)
    client = _client(headers=dict(headers), timeout=timeout)
    async with client, streamable_http_client(url, http_client=client) as streams:
        yield streams


def sse(
    url: str, headers: Mapping[str, str], seconds: float
) -> AbstractAsyncContextManager[TransportStreams]:
    """The streams to and from a server that speaks the older way."""
    return sse_client(url, dict(headers), timeout=seconds, httpx_client_factory=_client)


def _client(
    headers: dict[str, str] | None = None,
    timeout: httpx2.Timeout | None = None,
    auth: httpx2.Auth | None = None,
) -> httpx2.AsyncClient:
    headers = {"accept-encoding": "identity", **(headers or {})}
    return httpx2.AsyncClient(
        headers=headers, timeout=timeout, auth=auth, trust_env=False, transport=_Limited()
    )


class _Limited(httpx2.AsyncHTTPTransport):
    """Gives up answers that are too long, or packed, so that nobody knows how long they are.

    Streams of events have no end; the SDK limits each event.
    """

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            await response.aclose()
            raise httpx2.DecodingError("the answer is packed, which was not asked for")
        kind = response.headers.get("content-type", "")
        if not kind.startswith("text/event-stream"):
            response.stream = _Counted(response.stream)
        return response


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for chunk in self._stream:
            taken += len(chunk)
            if taken > LONGEST_MESSAGE:
                raise httpx2.ReadError(f"an answer of more than {LONGEST_MESSAGE} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
