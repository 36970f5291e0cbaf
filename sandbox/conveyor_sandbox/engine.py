"""The Docker engine of the environment: where it listens, a client of it, and streams to it.

It is found as the `docker` command finds it: `DOCKER_HOST` (`unix`, `tcp`, `ssh`) with
`DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH`, else `DOCKER_CONTEXT` or the context in use, else the
socket on this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from conveyor_sandbox.errors import SandboxUnavailable
from conveyor_sandbox.ssh import Ssh

if TYPE_CHECKING:
    import docker

_TIMEOUT = 30
"""Seconds that an engine has for an answer."""
_ASK = "1.24"
"""The version of the protocol in which an engine is asked for its own."""


def connect() -> docker.DockerClient:
    """A client of the engine of the environment. Raises SandboxUnavailable, saying why."""
    return Engine.find().client()


class Engine:
    """An engine. Its streams end when its client is closed, at the latest."""

    def __init__(self, url: str, tls: Any = None) -> None:
        """`url` as in `DOCKER_HOST`; `tls`: a `docker.tls.TLSConfig`, or None."""
        from docker.utils import parse_host  # noqa: PLC0415 - slow to import

        self._where = url
        self._tls = tls
        plain = url if url.startswith("ssh://") else str(parse_host(url, tls=bool(tls)))
        self._url: SplitResult = urlsplit(plain)
        self._ssh = Ssh(url) if self._url.scheme == "ssh" else None

    @classmethod
    def find(cls) -> Engine:
        """The engine of the environment. Raises SandboxUnavailable if it cannot be told."""
        from docker.errors import DockerException, TLSParameterError  # noqa: PLC0415
        from docker.utils import kwargs_from_env  # noqa: PLC0415

        try:
            named: dict[str, Any] = {**kwargs_from_env()}
            if "base_url" not in named:
                named |= _context()
            return cls(named.get("base_url", ""), named.get("tls"))
        except TLSParameterError as error:
            folder = os.environ.get("DOCKER_CERT_PATH") or "~/.docker"
            why = f"for TLS, {folder} needs ca.pem, cert.pem and key.pem: see DOCKER_CERT_PATH"
            raise SandboxUnavailable(_no_engine(why)) from error
        except DockerException as error:
            raise SandboxUnavailable(_no_engine(" ".join(str(error).split()))) from error

    @property
    def shares_files(self) -> bool:
        """Whether it can be on this machine, and mount folders of ours."""
        return self._url.scheme == "http+unix"

    def client(self) -> docker.DockerClient:
        """A client that has been answered. Raises SandboxUnavailable, saying why not."""
        from docker.errors import DockerException  # noqa: PLC0415
        from requests import RequestException  # noqa: PLC0415

        try:
            with contextlib.closing(self._client(_ASK)) as asking:
                version = str(asking.version(api_version=False)["ApiVersion"])
            return self._client(version)
        except (DockerException, RequestException, OSError, KeyError) as error:
            why = (self._ssh and self._ssh.complaint) or _cause(error)
            raise SandboxUnavailable(_no_engine(why, self._where)) from error

    def _client(self, version: str) -> docker.DockerClient:
        import docker  # noqa: PLC0415

        if self._ssh is None:
            url, tls = self._url.geturl(), self._tls or False
            client = docker.DockerClient(url, version, _TIMEOUT, tls)
            # Else REQUESTS_CA_BUNDLE would stand in for the authority that the user named.
            client.api.trust_env = False
            return client
        from conveyor_sandbox.ssh_http import SshAdapter  # noqa: PLC0415

        client = docker.DockerClient("tcp://engine:1", version, _TIMEOUT)
        client.api.mount("http://", SshAdapter(self._ssh, _TIMEOUT))
        return client

    async def stream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection of our own to it. Raises OSError."""
        if self._ssh is not None:
            return await asyncio.open_unix_connection(sock=self._ssh.dial())
        if self.shares_files:
            return await asyncio.open_unix_connection(self._url.path)
        secret = _secrecy(self._tls) if self._tls else None
        return await asyncio.open_connection(self._url.hostname, self._url.port, ssl=secret)


def _context() -> dict[str, Any]:
    """What the context in use says. Raises SandboxUnavailable if there is none of that name."""
    from docker.context import ContextAPI  # noqa: PLC0415
    from docker.context.config import get_current_context_name  # noqa: PLC0415

    name = os.environ.get("DOCKER_CONTEXT") or get_current_context_name()
    if ContextAPI.get_context(name) is None:
        raise SandboxUnavailable(_no_engine(f"there is no docker context {name!r}"))
    return dict(ContextAPI.kwargs_from_context(name))


def _secrecy(tls: Any) -> ssl.SSLContext:
    """The same that the client does with its options."""
    context = ssl.create_default_context(cafile=tls.ca_cert or None)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert:
        context.load_cert_chain(*tls.cert)
    return context


def _no_engine(why: str, where: str = "") -> str:
    at = f" at {where}" if where else ""
    return f"no Docker engine answers{at} ({why}): start one, or use --sandbox local"


def _cause(error: BaseException) -> str:
    """What the system said, below the layers of libraries that repeat it."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {below.verify_message}"
        if isinstance(below, ssl.SSLError):
            reason = (below.reason or "").replace("_", " ").lower()
            return f"TLS failed: {reason or 'no reason given'}"
        if isinstance(below, OSError) and below.strerror:
            return below.strerror
        below = below.__cause__ or below.__context__ or _wrapped(below)
    if "HTTP request to an HTTPS server" in str(error):
        return "it wants TLS: set DOCKER_TLS_VERIFY and DOCKER_CERT_PATH"
    return " ".join(str(error).split())


def _wrapped(error: BaseException) -> BaseException | None:
    """urllib3 keeps the reason of a failed connection in an attribute, requests as an argument."""
    inner = getattr(error, "reason", None) or next(iter(error.args), None)
    return inner if isinstance(inner, BaseException) else None
