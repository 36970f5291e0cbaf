"""The `http` tool as tests use it: names are found by a table, and connections are noted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Self, TypeVar

import httpcore

from conveyor_tools.http import Http
from conveyor_tools.http_address import Address
from conveyor_tools.http_network import resolve

LOCAL = {name: ["127.0.0.1"] for name in ("api.test", "other.test", "a.pages.test")}
Result = TypeVar("Result")


class Wire(httpcore.AsyncNetworkBackend):
    """Connects on loopback only, and notes where connections would have gone."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self._real = httpcore.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, **rest: Any) -> httpcore.AsyncNetworkStream:
        self.tried.append(host)
        address = ip_address(host)
        if not (address.is_loopback or host == "::ffff:127.0.0.1"):
            raise httpcore.ConnectError("not from a test")
        return await self._real.connect_tcp(host, port, **rest)


class Client:
    """A tool, its wire and its names. A name's addresses can change at each look-up."""

    def __init__(
        self, names: Mapping[str, Sequence[str] | list[Sequence[str]]] = LOCAL, **options: Any
    ) -> None:
        self.tool = Http(**options)
        self.wire = Wire()
        self.looked_up: list[str] = []
        self._names = {name: _each(found) for name, found in names.items()}
        self.tool._resolve = self._find
        network = self.tool._open()._network
        network._plain = self.wire

    async def _find(self, host: str) -> list[Address]:
        self.looked_up.append(host)
        if host not in self._names:
            return await resolve(host)
        answers = self._names[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [ip_address(each) for each in found]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.tool.close()

    async def get(self, url: str, **rest: Any) -> dict[str, Any]:
        return await self.tool(url, **rest)


def _each(found: Sequence[str] | list[Sequence[str]]) -> list[Sequence[str]]:
    return [found] if not found or isinstance(found[0], str) else list(found)  # type: ignore[list-item]


def run(work: Callable[[], Awaitable[Result]]) -> Result:
    """The result of an async function."""

    async def main() -> Result:
        return await work()

    return asyncio.run(main())
