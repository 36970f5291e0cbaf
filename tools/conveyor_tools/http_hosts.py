"""The hosts that a task lets the `http` tool reach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import ip_address

import httpx

from conveyor_tools.errors import ToolError
from conveyor_tools.http_address import is_odd_number

_LONGEST_URL = 8000
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65535
_ANY = "*"


class Standing(Enum):
    """What the task says of a host."""

    NAMED = auto()
    """It is named as it is: reads of it are pure, and connections to it may be made early."""
    WITHIN = auto()
    """It is in a domain that is named (`*.example.org`). A part of its name is the model's own
    choice, which a connection tells, so none is made early."""
    ANY = auto()
    """The task allows any host on the internet, this one among them."""
    NONE = auto()
    """It may not be reached."""


@dataclass(frozen=True, slots=True)
class Host:
    """An entry of the list. Without a port, it allows the usual one of each scheme."""

    name: str
    port: int | None
    domain: bool
    """Whether it stands for all hosts below `name`, not for `name` itself."""

    @classmethod
    def parse(cls, text: str) -> Host:
        """Read an entry. Raises ValueError."""
        domain = text.startswith("*.")
        try:
            url = httpx.URL(f"any://{text.removeprefix('*.')}")
            name = _name(url)
        except (httpx.InvalidURL, ToolError) as error:
            raise ValueError(f"{text!r} is not a host: {error}") from None
        extra = url.path not in ("", "/") or url.query or url.fragment or url.userinfo
        if not name or extra or "*" in name:
            raise ValueError(
                f"{text!r} is not a host: write api.example.org, *.example.org or localhost:8080"
            )
        if domain and ("." not in name or _is_address(name)):
            raise ValueError(f"{text!r} is too wide: a whole domain is written *.example.org")
        if url.port is not None and url.port > _LAST_PORT:
            raise ValueError(f"{text!r} is not a host: a port is at most {_LAST_PORT}")
        return cls(name, url.port, domain)

    def covers(self, scheme: str, name: str, port: int) -> bool:
        """Whether a URL's host is meant."""
        allowed = _DEFAULT_PORTS.get(scheme) if self.port is None else self.port
        if port != allowed:
            return False
        return name.endswith(f".{self.name}") if self.domain else name == self.name


class Hosts:
    """The list of a task. An empty one allows nothing."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Read the list. Raises ValueError."""
        entries = list(entries)
        self._any = _ANY in entries
        self._hosts = [Host.parse(entry) for entry in entries if entry != _ANY]
        self._shown = ", ".join(entries)

    def standing(self, url: httpx.URL) -> Standing:
        """What the list says of the URL's host and port."""
        name, port = _name(url), port_of(url)
        found = [host for host in self._hosts if host.covers(url.scheme, name, port)]
        if any(not host.domain for host in found):
            return Standing.NAMED
        if found:
            return Standing.WITHIN
        usual = port == _DEFAULT_PORTS.get(url.scheme)
        return Standing.ANY if self._any and usual else Standing.NONE

    def names(self, host: str, port: int | None = None) -> bool:
        """Whether the host is named, by itself or by its domain, in whatever scheme.

        `host` may hold the port.
        """
        suffix = f":{port}" if port else ""
        for scheme in _DEFAULT_PORTS:
            try:
                url = self.checked(httpx.URL(f"{scheme}://{host}{suffix}"))
            except (httpx.InvalidURL, ToolError):
                continue
            if self.standing(url) in (Standing.NAMED, Standing.WITHIN):
                return True
        return False

    def read(self, text: str) -> httpx.URL:
        """A URL that the model wrote, in the one form that all that follows uses.

        Raises:
            ToolError: it is none, or its host may not be reached.
        """
        if len(text) > _LONGEST_URL:
            raise ToolError(f"the URL is longer than {_LONGEST_URL} characters")
        try:
            url = httpx.URL(text)
        except (httpx.InvalidURL, ValueError) as error:
            raise ToolError(f"not a URL: {error}") from None
        return self.checked(url)

    def checked(self, url: httpx.URL) -> httpx.URL:
        """The URL without what is not sent, if its host may be reached. Raises ToolError."""
        if url.scheme not in _DEFAULT_PORTS:
            instead = f", not {url.scheme[:20]!r}" if url.scheme else ""
            raise ToolError(f"the URL must begin with https:// or http://{instead}")
        if url.userinfo:
            raise ToolError("the URL must not hold a name or a password")
        name = _name(url)
        if not name:
            raise ToolError("the URL has no host")
        if url.port == 0:
            raise ToolError("there is no port 0")
        plain = url.copy_with(host=name, fragment=None)
        if self.standing(plain) is Standing.NONE:
            raise ToolError(self._refusal(plain))
        return plain

    def _refusal(self, url: httpx.URL) -> str:
        where = f"{shown_host(url)} is not among the hosts that the task allows"
        if self._shown:
            return f"{where}: {self._shown}"
        return f"{where}: it names none (the user can: tools: [{{http: {{hosts: [HOST]}}}}])"


def _name(url: httpx.URL) -> str:
    """The host as it is looked up: lower case, in ASCII, without a dot at its end.

    Raises:
        ToolError: it is an address in an odd form, or one with a zone.
    """
    name = url.raw_host.decode("ascii").lower().rstrip(".")
    if "%" in name:
        raise ToolError("a host has no spaces or percent signs, an address no zone")
    if ":" in name:
        try:
            return str(ip_address(name))
        except ValueError:
            raise ToolError(f"{name[:60]!r} is no address") from None
    if is_odd_number(name):
        raise ToolError(f"{name[:60]!r} is no host: write an address as four decimal numbers")
    return name


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def port_of(url: httpx.URL) -> int:
    """The port that is connected to."""
    return url.port or _DEFAULT_PORTS.get(url.scheme, 0)


def shown_host(url: httpx.URL) -> str:
    """Host and, where it is not the usual one, port, as a task would write them."""
    return url.netloc.decode("ascii")[:100]
