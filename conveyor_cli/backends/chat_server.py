"""Talking HTTP with a server of chat completions, and what can go wrong with it in words."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from httpx_sse import EventSource, SSEError

from conveyor_cli.backends.chat_stream import error_text
from conveyor_cli.errors import ModelError

_CONNECT = 10.0
"""Seconds in which a connection must be made."""
_SHOWN = 300
"""Characters that an error repeats of what the server says."""
_LARGEST = 64 * 1024
"""Bytes that are read of an answer that is an error."""


def place(base_url: str) -> str:
    """Host and port of an address: all of it that is shown, since the rest may hold a secret."""
    url = httpx.URL(base_url)
    return f"{url.host}:{url.port}" if url.port else url.host


class ChatServer:
    """A server, with its connections. `key` is never shown, nor written anywhere."""

    def __init__(self, base_url: str, key: str | None, timeout: float) -> None:
        self.place = place(base_url)
        self._base_url = base_url.rstrip("/")
        self._key = key
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout, connect=_CONNECT),
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def models(self) -> list[str]:
        """The models that it lists, as far as it does.

        Raises:
            ModelError: it cannot be reached, or wants another key.
        """
        with self._in_words():
            response = await self._client.get(f"{self._base_url}/models")
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise self._refused(response, "")
        try:
            listed = response.json()["data"]
            return [it["id"] for it in listed if isinstance(it["id"], str)]
        except (ValueError, LookupError, TypeError):
            return []

    @asynccontextmanager
    async def complete(self, request: dict[str, Any]) -> AsyncIterator[httpx.Response]:
        """Ask for a completion: its answer, whose body is still to be read. Raises ModelError."""
        with self._in_words():
            response = await self._send(request)
            try:
                yield response
            finally:
                await response.aclose()

    async def _send(self, body: dict[str, Any]) -> httpx.Response:
        """Send a request; once more, where the other end had just closed a connection kept open."""
        url = f"{self._base_url}/chat/completions"
        request = self._client.build_request("POST", url, json=body)
        try:
            return await self._client.send(request, stream=True)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            return await self._client.send(request, stream=True)

    async def events(self, response: httpx.Response) -> AsyncIterator[str]:
        """The data of the answer's events. A connection that ends in its middle just ends them.

        Raises:
            ModelError: the answer is none, or does not go on.
        """
        source = EventSource(response)
        try:
            async for event in source.aiter_sse():
                yield event.data
        except SSEError:
            kind = response.headers.get("content-type", "no type")
            raise ModelError(f"{self.place} does not stream: it answers with {kind}") from None
        except (httpx.ReadError, httpx.RemoteProtocolError):
            return

    def wait_asked(self, response: httpx.Response, tries: int) -> float:
        """How many seconds to wait before it is asked again."""
        try:
            return max(0.0, float(response.headers["retry-after"]))
        except (KeyError, ValueError):
            return float(2 ** (tries - 1))

    async def refusal(self, response: httpx.Response, request: dict[str, Any]) -> ModelError:
        """What is wrong, of an answer that is an error."""
        body = b""
        async for part in response.aiter_bytes():
            body += part
            if len(body) > _LARGEST:
                break
        said = self._words(body) or response.reason_phrase
        match response.status_code:
            case httpx.codes.UNAUTHORIZED | httpx.codes.FORBIDDEN:
                return self._refused(response, said)
            case httpx.codes.NOT_FOUND:
                hint = "" if self._base_url.endswith("/v1") else "; most addresses end in /v1"
                return ModelError(
                    f"{self.place} has no model {request['model']!r}, or the address is wrong "
                    f"({said}){hint}"
                )
            case httpx.codes.TOO_MANY_REQUESTS:
                after = response.headers.get("retry-after")
                when = f"; it asks to wait for {after[:40]} s" if after else ""
                return ModelError(f"{self.place} has too many requests ({said}){when}")
            case code if code >= httpx.codes.INTERNAL_SERVER_ERROR:
                return ModelError(f"{self.place} failed with status {code} ({said})")
            case code:
                hint = "; if it knows no tools: -c model.dialect=fences"
                return ModelError(
                    f"{self.place} refuses the request with status {code} ({said})"
                    f"{hint if 'tools' in request else ''}"
                )

    def _refused(self, response: httpx.Response, said: str) -> ModelError:
        wanted = "is not the right one" if self._key else "is not set"
        status = f"status {response.status_code}" + (f" ({said})" if said else "")
        return ModelError(f"{self.place} refuses with {status}: OPENAI_API_KEY {wanted}")

    def _words(self, body: bytes) -> str:
        """What the body of an error says, without the key, which some servers repeat."""
        text = body.decode("utf-8", "replace")
        with contextlib.suppress(ValueError, RecursionError):
            answer = json.loads(text)
            text = error_text(answer) if isinstance(answer, dict) else text
        if self._key:
            text = text.replace(self._key, "…")
        text = " ".join(text.split())
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        """Says what httpx raises as a ModelError."""
        try:
            yield
        except httpx.ConnectTimeout:
            raise ModelError(f"{self.place} does not answer within {_CONNECT:g} s") from None
        except httpx.TimeoutException:
            raise ModelError(f"{self.place} has sent nothing for {self._timeout:g} s") from None
        except httpx.ConnectError as error:
            raise ModelError(f"no server can be reached at {self.place} ({error})") from None
        except httpx.HTTPError as error:
            what = str(error) or type(error).__name__
            raise ModelError(f"{self.place} does not speak HTTP as it should ({what})") from None
