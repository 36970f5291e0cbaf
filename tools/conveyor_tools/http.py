"""The `http` tool: requests to hosts that the task allows.

What the model may reach is decided by the name, as soon as the URL is written; by the address, when
a connection is made; and by both again after each redirect.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import httpcore
import httpx
from pydantic import Field

from conveyor_tools import http_answer
from conveyor_tools.errors import TemporaryError, ToolError
from conveyor_tools.function import Effects, tool
from conveyor_tools.http_hosts import Hosts, Standing, port_of, shown_host
from conveyor_tools.http_network import GuardedNetwork, GuardedTransport, resolve
from conveyor_tools.http_redirect import Stay, Step, after
from conveyor_tools.http_request import Body, OwnHeaders, check_headers, encoded, is_read

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_MOST_REDIRECTS = 5
_LONGEST_TIMEOUT = 300
_SHOWN = 300
"""Characters of what a library says went wrong."""
_NO_TLS = "WRONG_VERSION_NUMBER"
"""What OpenSSL says of a server that answers in plain text."""


@tool(
    effects=Effects.EXTERNAL, timeout=_LONGEST_TIMEOUT + 10, name="http", early={"url"}, retries=1
)
class Http:
    """Sends an HTTP request and gives the answer: its status, some headers and the body.

    The body is text, or a value where the answer is JSON. What was cut or left out is said in
    `note`. An error status is an answer like any other. To send a body, give text, or a value to
    be sent as JSON.
    """

    def __init__(
        self,
        *,
        hosts: list[str] | None = None,
        private: bool = False,
        methods: list[str] | None = None,
        timeout: Annotated[float, Field(gt=0, le=_LONGEST_TIMEOUT)] = 30.0,
        max_bytes: Annotated[int, Field(ge=1, le=200_000)] = 64_000,
        headers: dict[str, dict[str, str]] | None = None,
        ca: Path | None = None,
    ) -> None:
        """Options of a task.

        `hosts`: which may be reached: `name`, `name:port`, `*.domain`, or `*` for any on the
        internet. None by default. `private`: those that are named may be on this machine or in the
        networks around it. `timeout`: seconds for a request with all its redirects. `max_bytes`:
        how much of a body is read. `headers`: for a host that is named, its own, `${NAME}` being
        an environment variable. `ca`: a file of certificates to trust beside the usual ones.

        Raises:
            ValueError: one of them will not do.
        """
        self._hosts = Hosts(hosts or ())
        self._private = private
        self._methods = [method.upper() for method in methods or _METHODS]
        unknown = [method for method in self._methods if method not in _METHODS]
        if unknown:
            raise ValueError(f"methods: {unknown[0]!r} is none of {', '.join(_METHODS)}")
        self.timeout = timeout
        self._max_bytes = max_bytes
        self._own = OwnHeaders(headers or {})
        for host in self._own.hosts:
            if not self._hosts.names(host):
                raise ValueError(f"headers: {host!r} is not named under hosts")
        if ca is not None:
            _check(ca)
        self._ca = ca
        self._resolve = resolve
        self._transport: GuardedTransport | None = None

    async def prepare(self) -> None:
        """Read the certificates."""
        self._open()

    def check_argument(self, name: str, value: Any) -> None:
        """Refuse what cannot be sent as soon as it is written. Raises ToolError."""
        if name == "url":
            self._hosts.read(value)
        elif name == "method":
            self._method(value)
        elif name == "headers" and value is not None:
            check_headers(value)

    async def on_argument(self, name: str, value: Any) -> None:
        """Connect as soon as the URL is known, if the task names its very host."""
        if name != "url":
            return
        url = self._hosts.read(value)
        if self._hosts.standing(url) is Standing.NAMED:
            await self._open().prepare(url, port_of(url))

    def effects_of(self, arguments: Mapping[str, Any]) -> Effects:
        """Reads of hosts that the task names change nothing; of all else nobody knows."""
        try:
            standing = self._hosts.standing(self._hosts.read(arguments["url"]))
        except ToolError:
            return Effects.EXTERNAL
        method, headers = arguments.get("method", "GET"), arguments.get("headers") or {}
        reads = is_read(method, headers, arguments.get("body"))
        named = standing in (Standing.NAMED, Standing.WITHIN)
        return Effects.PURE if named and reads else Effects.EXTERNAL

    async def __call__(
        self,
        url: str,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: Body = None,
    ) -> dict[str, Any]:
        check_headers(headers or {})
        step = Step(self._hosts.read(url), self._method(method), headers or {}, body)
        where = shown_host(step.url)
        try:
            async with asyncio.timeout(self.timeout):
                answer = await self._follow(step)
        except TimeoutError:
            raise ToolError(f"{where}: no whole answer within {self.timeout:g} s") from None
        except (httpcore.ProtocolError, httpcore.NetworkError, httpcore.TimeoutException) as error:
            why = self._own.hide(str(error))[:_SHOWN] or "the connection was lost"
            if _NO_TLS in why:
                raise ToolError(f"{where}: it speaks no TLS there: try http://") from error
            raise TemporaryError(f"{where}: no valid answer: {why}") from error
        return {name: self._hidden(value) for name, value in answer.items()}

    async def close(self) -> None:
        """Close all connections."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    def _open(self) -> GuardedTransport:
        """The transport itself, not a client around it: that keeps cookies and reads redirects."""
        if self._transport is None:
            context = _context(self._ca)
            network = GuardedNetwork(context, self._may_be_private, self._resolve)
            self._transport = GuardedTransport(context, network)
        return self._transport

    def _may_be_private(self, host: str, port: int) -> bool:
        """Only hosts that the task names may be: not all that `*` lets through."""
        return self._private and self._hosts.names(f"[{host}]" if ":" in host else host, port)

    def _method(self, method: str) -> str:
        if method.upper() not in self._methods:
            raise ToolError(f"the method {method[:20]!r} is none of {', '.join(self._methods)}")
        return method.upper()

    async def _follow(self, step: Step) -> dict[str, Any]:
        """The answer to a request, after all redirects that may be followed."""
        first = step.url
        for _ in range(_MOST_REDIRECTS + 1):
            answer = await self._exchange(step)
            if not isinstance(answer, Step):
                return answer if step.url == first else answer | {"url": str(step.url)}
            step = answer
        raise ToolError(f"{shown_host(first)}: more than {_MOST_REDIRECTS} redirects")

    async def _exchange(self, step: Step) -> Step | dict[str, Any]:
        """What comes of a request: the answer, or the next request to be sent."""
        response = await self._send(step)
        try:
            following = after(step, response, self._hosts)
            if isinstance(following, Step):
                return following
            content = await http_answer.read(response, self._max_bytes)
        finally:
            await response.aclose()
        answer = http_answer.shown(response, content, self._own)
        if isinstance(following, Stay):
            answer["note"] = f"the redirect was not followed: {following.reason}"
        return answer

    async def _send(self, step: Step) -> httpx.Response:
        content, described = encoded(step.body)
        own = self._own.of(step.url, private=self._private)
        headers = httpx.Headers(
            {"accept": "*/*", "accept-encoding": http_answer.ENCODINGS, "user-agent": "conveyor"}
        )
        for more in (described, step.headers, own):
            headers.update(more)
        request = httpx.Request(step.method, step.url, headers=headers, content=content)
        return await self._open().handle_async_request(request)

    def _hidden(self, value: Any) -> Any:
        """The value without the task's secrets, which some servers repeat."""
        if isinstance(value, str):
            return self._own.hide(value)
        if isinstance(value, int | float) and self._own.hide(written := str(value)) != written:
            return self._own.hide(written)
        if isinstance(value, list):
            return [self._hidden(each) for each in value]
        if isinstance(value, dict):
            return {self._own.hide(name): self._hidden(each) for name, each in value.items()}
        return value


def _check(ca: Path) -> None:
    """Raise ValueError if the file holds no certificates."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca)
    except OSError as error:  # an SSLError is one
        raise ValueError(f"ca: {ca}: {error.strerror or 'no certificates'}") from None


@cache
def _context(ca: Path | None) -> ssl.SSLContext:
    """Who is trusted to vouch for hosts. Reading all the certificates takes a while."""
    context = httpx.create_ssl_context(trust_env=False)
    if ca is not None:
        context.load_verify_locations(ca)
    return context
