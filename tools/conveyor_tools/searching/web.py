"""Search servers: SearXNG and searx, Brave, Tavily."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from typing import Any
from urllib.parse import urlsplit

import httpx

from conveyor_tools.errors import TemporaryError, ToolError
from conveyor_tools.searching.base import Hit
from conveyor_tools.searching.html_text import unescaped

_LONGEST_ANSWER = 4 * 1024 * 1024
_SHOWN = 600
"""Characters of a text that a server gives."""
_TAG = re.compile(r"</?[a-zA-Z][^>]{0,200}>")
_TOO_MANY = 429
_SERVER_ERRORS = 500
_REFUSED = (401, 403)


class WebSearch:
    """A server that is asked over one connection, which is opened beforehand."""

    name = "the server"
    refused = "it refuses to answer"

    def __init__(self, base: str, timeout: float, headers: dict[str, str] | None = None) -> None:
        """`timeout` is in seconds. Raises ValueError: not a URL."""
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("write a URL such as https://searx.example")
        self._base = base.rstrip("/")
        self._where = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
        self._timeout = timeout
        self._headers = {"accept": "application/json", "accept-encoding": "identity"}
        self._headers |= headers or {}
        self._client: httpx.AsyncClient | None = None

    async def prepare(self) -> None:
        """Connect, by asking for something small. A failure is the search's to tell."""
        with contextlib.suppress(httpx.HTTPError, TimeoutError):
            async with asyncio.timeout(self._timeout):
                await self._open().head(f"{self._base}/robots.txt", headers={})

    async def find(self, query: str, limit: int) -> list[Hit]:
        try:
            async with asyncio.timeout(self._timeout):  # httpx's own is for each piece alone
                found = await self._ask(query, limit)
        except (httpx.TimeoutException, TimeoutError):
            raise TemporaryError(f"{self.name} did not answer within {self._timeout:g} s") from None
        except httpx.ConnectError as error:
            why = f"cannot be reached at {self._where}: {error}"
            raise TemporaryError(f"{self.name} {why}") from None
        except httpx.HTTPError as error:
            raise TemporaryError(f"{self.name}: {type(error).__name__}") from None
        if not isinstance(found, list):
            raise ToolError(f"{self.name} does not answer as it should: it lists no results")
        hits = (self._hit(it) for it in found if isinstance(it, dict))
        return [hit for hit in hits if hit.where][:limit]

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _ask(self, query: str, limit: int) -> Any:
        """The list of what was found, as the server writes it."""
        raise NotImplementedError

    def _hit(self, found: dict[str, Any]) -> Hit:
        return Hit(
            _plain(found.get("title")), _plain(found.get("url")), _plain(found.get("content"))
        )

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._timeout)
        return self._client

    async def _answer(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """The JSON object that the server answers. Raises ToolError, httpx.HTTPError."""
        url = f"{self._base}{path}"
        parts, size = list[bytes](), 0
        client = self._open()
        async with client.stream(method, url, headers=self._headers, **options) as response:
            self._check(response.status_code)
            if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
                # A few bytes, packed twice, would be gigabytes at once.
                raise ToolError(f"{self.name} packs its answer, which was not asked for")
            async for part in response.aiter_raw():
                parts.append(part)
                size += len(part)
                if size > _LONGEST_ANSWER:
                    raise ToolError(f"{self.name} answers more than {_LONGEST_ANSWER} bytes")
        try:
            answer = json.loads(b"".join(parts))
        except (ValueError, RecursionError):
            raise ToolError(f"{self.name} does not answer in JSON") from None
        if not isinstance(answer, dict):
            raise ToolError(f"{self.name} does not answer as it should")
        return answer

    def _check(self, status: int) -> None:
        if status == httpx.codes.OK:
            return
        if status in _REFUSED:
            raise ToolError(f"{self.name}: {self.refused} (status {status})")
        kind = TemporaryError if status == _TOO_MANY or status >= _SERVER_ERRORS else ToolError
        raise kind(f"{self.name} answers with status {status}")


class Searxng(WebSearch):
    """A SearXNG or searx server, by its JSON format."""

    name = "the search server"
    refused = "it refuses: its settings must allow the format `json`"

    async def _ask(self, query: str, limit: int) -> Any:  # noqa: ARG002 - it has none
        params = {"q": query, "format": "json"}
        return (await self._answer("GET", "/search", params=params)).get("results")


class Brave(WebSearch):
    """The search API of Brave. The key is the environment's `BRAVE_API_KEY`."""

    name = "Brave"
    refused = "it refuses the key in BRAVE_API_KEY"

    def __init__(self, timeout: float, base: str = "https://api.search.brave.com") -> None:
        super().__init__(base, timeout, {"X-Subscription-Token": _key("BRAVE_API_KEY")})

    async def _ask(self, query: str, limit: int) -> Any:
        params: dict[str, str | int] = {"q": query, "count": min(limit, 20)}
        web = (await self._answer("GET", "/res/v1/web/search", params=params)).get("web")
        return web.get("results") if isinstance(web, dict) else []  # it leaves out what is empty

    def _hit(self, found: dict[str, Any]) -> Hit:
        return super()._hit({**found, "content": found.get("description")})


class Tavily(WebSearch):
    """The search API of Tavily. The key is the environment's `TAVILY_API_KEY`."""

    name = "Tavily"
    refused = "it refuses the key in TAVILY_API_KEY"

    def __init__(self, timeout: float, base: str = "https://api.tavily.com") -> None:
        super().__init__(base, timeout, {"Authorization": f"Bearer {_key('TAVILY_API_KEY')}"})

    async def _ask(self, query: str, limit: int) -> Any:
        body = {"query": query, "max_results": min(limit, 20)}
        return (await self._answer("POST", "/search", json=body)).get("results")


def _key(name: str) -> str:
    key = os.environ.get(name, "").strip()
    if not key:
        raise ValueError(f"the environment variable {name} is not set")
    return key


def _plain(text: Any) -> str:
    """A server's text without tags, on one line, shortened."""
    if not isinstance(text, str):
        return ""
    words = " ".join(unescaped(_TAG.sub("", text[: 8 * _SHOWN])).split())
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…"
