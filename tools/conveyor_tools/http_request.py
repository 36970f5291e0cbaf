"""What the `http` tool sends: the model's headers and body, and the task's own headers."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import httpx
from pydantic_core import to_json

from conveyor_tools.errors import ToolError
from conveyor_tools.http_hosts import Host, port_of
from conveyor_tools.variables import filled, variables

_OURS = frozenset({
    "accept-encoding", "connection", "content-length", "cookie", "expect", "host", "keep-alive",
    "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
"""Headers that say how the message is sent, and to whom: not for the model to choose."""
_OVERRIDES = re.compile(r"x-(http-)?method(-override)?")
"""Headers that make some servers take a GET for something else."""
_HARMLESS = frozenset({"accept", "accept-language", "range", "user-agent"})
"""The model's headers that go along to another host."""
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_MOST_HEADERS = 50
_LONGEST_VALUE = 8000
_SHORTEST_SECRET = 6
"""Shorter values are too likely to be part of something else."""
_SHORTEST_PIECE = 3
"""The same for a part of one, where a text was cut."""
_HIDDEN = "•••"

Body = str | dict[str, Any] | list[Any] | None


def is_read(method: str, headers: Mapping[str, Any], body: Any) -> bool:
    """Whether the request only asks for something, as far as HTTP says."""
    if method.upper() not in ("GET", "HEAD") or body is not None:
        return False
    return not any(_OVERRIDES.fullmatch(str(name).lower()) for name in headers)


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise ToolError if a header is not the model's to set, or not one at all."""
    if len(headers) > _MOST_HEADERS:
        raise ToolError(f"more than {_MOST_HEADERS} headers")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ToolError(f"{name[:60]!r} is no name of a header")
        if name.lower() in _OURS:
            raise ToolError(f"the header {name} cannot be set")
        if len(value) > _LONGEST_VALUE or not value.isprintable():
            raise ToolError(f"the header {name} must be one line of at most {_LONGEST_VALUE}")


def encoded(body: Body) -> tuple[bytes | None, dict[str, str]]:
    """A body as bytes, and the headers that say what it is unless the model does."""
    if body is None:
        return None, {}
    if isinstance(body, str):
        return body.encode("utf-8", "replace"), {"content-type": "text/plain; charset=utf-8"}
    return to_json(body), {"content-type": "application/json"}


def for_another_host(headers: Mapping[str, str]) -> dict[str, str]:
    """What is left of the model's headers when a redirect leads elsewhere."""
    return {name: value for name, value in headers.items() if name.lower() in _HARMLESS}


class OwnHeaders:
    """The task's headers for hosts that it names: keys and tokens, mostly.

    Values may hold `${NAME}`, the environment variable. They are sent to their own host only, and
    where a server repeats them, they are hidden from the model and the journal. Not covered: what
    a server makes of them, encoded in some other way.
    """

    def __init__(self, headers: Mapping[str, Mapping[str, str]]) -> None:
        """Read them. Raises ValueError."""
        self.hosts = list(headers)
        """The hosts, as the task wrote them."""
        self._by_host = [
            (Host.parse(host), {name: filled(value) for name, value in own.items()})
            for host, own in headers.items()
        ]
        if any(host.domain for host, _ in self._by_host):
            raise ValueError("headers are for one host each, not for a domain")
        known = {
            secret
            for own in headers.values()
            for value in own.values()
            for secret in (*(os.environ[name].strip() for name in variables(value)), filled(value))
            if len(secret) >= _SHORTEST_SECRET
        }
        self._secrets = sorted(known, key=len, reverse=True)
        spelled = "|".join(map(re.escape, self._secrets)) or "(?!)"
        self._spelled = re.compile(spelled, re.IGNORECASE)

    def of(self, url: httpx.URL, *, private: bool) -> dict[str, str]:
        """Those for the URL's host.

        Raises:
            ToolError: they would go over the network as plain text.
        """
        name, port = url.raw_host.decode("ascii"), port_of(url)
        covering = (own for host, own in self._by_host if host.covers(url.scheme, name, port))
        own = next(covering, {})
        if own and url.scheme != "https" and not private:
            raise ToolError(f"{url.host} is asked with a key: that needs https://")
        return own

    def hide(self, text: str) -> str:
        """The text without the secrets, in whatever case."""
        return self._spelled.sub(_HIDDEN, text)

    def hide_in_piece(self, text: str) -> str:
        """The same for a piece of a text, which may begin or end within a secret."""
        text = self.hide(text)
        for secret in self._secrets:
            for length in range(min(len(secret) - 1, len(text)), _SHORTEST_PIECE - 1, -1):
                if text.endswith(secret[:length]):
                    text = text[:-length] + _HIDDEN
                    break
            for length in range(min(len(secret) - 1, len(text)), _SHORTEST_PIECE - 1, -1):
                if text.startswith(secret[-length:]):
                    text = _HIDDEN + text[length:]
                    break
        return text
