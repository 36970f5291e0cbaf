"""How the `http` tool connects: to addresses that were checked, and early where it may."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx

from conveyor_tools.apart import in_thread
from conveyor_tools.errors import TemporaryError, ToolError
from conveyor_tools.http_address import Address, may_be_allowed, why_not

Resolve = Callable[[str], Awaitable[list[Address]]]
MayBePrivate = Callable[[str, int], bool]

_CONNECT_S = 5.0
"""Seconds for one address. A host may have several."""
_MOST_ADDRESSES = 4
_MOST_EARLY = 8
"""Connections made early that no request has taken."""
_FRESH_S = 4.0
"""Seconds for which a connection with TLS counts as open without a look."""


async def resolve(host: str) -> list[Address]:
    """The addresses of a host, in the order to try them.

    In a thread that the program does not wait for when it ends.

    Raises:
        OSError: nobody knows the host.
    """
    found = await in_thread(lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    texts = dict.fromkeys(str(entry[4][0]) for entry in found)
    return [ip_address(text) for text in texts]


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to a host's addresses, none of them one that is not allowed.

    A host is looked up once for each connection, and that very address is connected to: a name
    that resolves to something else a moment later has no say in it. Every connection comes through
    here, those after redirects too.

    `may_be_private` says of a host whether it may be on this machine or in the networks around it.
    """

    def __init__(
        self, context: ssl.SSLContext, may_be_private: MayBePrivate, find: Resolve = resolve
    ) -> None:
        self._context = context
        self._may_be_private = may_be_private
        self._find = find
        self._plain = httpcore.AnyIOBackend()
        self._early: dict[tuple[str, int], asyncio.Task[httpcore.AsyncNetworkStream]] = {}

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - httpcore's signature
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """A connection for a request: the one made early, if it is still open, or a new one."""
        early = self._early.pop((host, port), None)
        stream = await _opened(early) if early is not None else None
        return stream if stream is not None else await self._connect(host, port)

    async def prepare(self, scheme: str, host: str, port: int) -> None:
        """Connect now, for a request that will come. What goes wrong is the request's affair."""
        key = host, port
        if key not in self._early:
            if len(self._early) >= _MOST_EARLY:
                await _close(self._early.pop(next(iter(self._early))))
            work = self._connect_early(host, port, tls=scheme == "https")
            self._early[key] = asyncio.create_task(work)
        await asyncio.wait([self._early[key]])

    async def close(self) -> None:
        """Close the connections that no request has taken."""
        early, self._early = [*self._early.values()], {}
        for task in early:
            await _close(task)

    async def _connect_early(
        self, host: str, port: int, *, tls: bool
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._connect(host, port)
        if not tls:
            return stream
        self._context.set_alpn_protocols(["http/1.1"])
        return _Secured(await stream.start_tls(self._context, host, _CONNECT_S), host)

    async def _connect(self, host: str, port: int) -> httpcore.AsyncNetworkStream:
        problem: Exception | None = None
        for address in await self._allowed(host, port):
            try:
                return await self._plain.connect_tcp(str(address), port, timeout=_CONNECT_S)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        why = "it does not answer" if isinstance(problem, httpcore.ConnectTimeout) else problem
        raise TemporaryError(f"cannot connect to {host} at port {port}: {why}") from problem

    async def _allowed(self, host: str, port: int) -> list[Address]:
        """The addresses of the host that may be connected to: one at least.

        Raises:
            ToolError: there is none.
        """
        private = self._may_be_private(host, port)
        try:
            found = await self._find(host)
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise TemporaryError(f"{host} cannot be found: {why}") from None
        allowed = [it for it in found if why_not(it, private=private) is None]
        if allowed:
            return allowed[:_MOST_ADDRESSES]
        if not found:
            raise TemporaryError(f"{host} cannot be found: it has no address")
        raise ToolError(_refusal(host, found[0], private=private))


def _refusal(host: str, address: Address, *, private: bool) -> str:
    at = "" if host == str(address) else f" is at {address}, and"
    message = f"{host}{at} may not be connected to: {why_not(address, private=private)}"
    if private or not may_be_allowed(address):
        return message
    return f"{message} (the user can allow that for hosts that the task names: private: true)"


async def _opened(
    task: asyncio.Task[httpcore.AsyncNetworkStream],
) -> httpcore.AsyncNetworkStream | None:
    """What came of connecting early; None if nothing did, or the other side has hung up."""
    await asyncio.wait([task])
    if task.cancelled() or task.exception() is not None:
        return None
    stream = task.result()
    if isinstance(stream, _Secured) and stream.is_fresh:
        return stream
    # A server says nothing before it is asked, but for TLS 1.3: there it sends tickets first. Then
    # an open connection is closed here too, which costs no more than a new one.
    if stream.get_extra_info("is_readable"):
        await stream.aclose()
        return None
    return stream


async def _close(task: asyncio.Task[httpcore.AsyncNetworkStream]) -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and task.exception() is None:
        await task.result().aclose()


class _Secured(httpcore.AsyncNetworkStream):
    """A connection whose TLS is up already, when it is asked to start it."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, host: str) -> None:
        self._stream = stream
        self._host = host
        self._made = time.monotonic()

    @property
    def is_fresh(self) -> bool:
        """Whether it is too new for a server to have given it up."""
        return time.monotonic() - self._made < _FRESH_S

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,  # noqa: ARG002 - httpcore's signature
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        if server_hostname != self._host:
            raise httpcore.ConnectError("the connection was made for another host")
        return self._stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends httpx's requests over a `GuardedNetwork`, by httpcore's public interface only.

    httpx's own transport takes no network backend, and one that was slipped into it could be lost
    with a new version of httpx, in silence. httpcore's exceptions pass through.
    """

    def __init__(self, context: ssl.SSLContext, network: GuardedNetwork) -> None:
        self._network = network
        self._pool = httpcore.AsyncConnectionPool(
            context, max_connections=20, keepalive_expiry=30, network_backend=network
        )

    async def prepare(self, url: httpx.URL, port: int) -> None:
        """Connect to the URL's host now, unless a connection is waiting for requests already."""
        origin = httpcore.Origin(url.raw_scheme, url.raw_host, port)
        waiting = (it.can_handle_request(origin) for it in self._pool.connections if it.is_idle())
        if not any(waiting):
            await self._network.prepare(url.scheme, url.raw_host.decode("ascii"), port)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the answer's body is read later."""
        url = request.url
        sent = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        answer = await self._pool.handle_async_request(sent)
        stream = _Stream(answer)
        return httpx.Response(answer.status, headers=answer.headers, stream=stream)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._network.close()
        await self._pool.aclose()


class _Stream(httpx.AsyncByteStream):
    """The body of an answer, as it comes."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._answer.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()
