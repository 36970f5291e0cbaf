"""HTTP over streams of `ssh`, for the client of the Docker engine. Slow to import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

if TYPE_CHECKING:
    from requests import PreparedRequest

    from conveyor_sandbox.ssh import Ssh


class SshAdapter(HTTPAdapter):
    """Sends requests to the engine behind `ssh`, whatever host their addresses name."""

    def __init__(self, ssh: Ssh, timeout: float) -> None:
        super().__init__()
        self._ssh = ssh
        self._pool = _Pool(ssh, timeout)

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: bool | str | None,  # noqa: FBT001 - as its caller passes it
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> urllib3.HTTPConnectionPool:
        """The one pool there is."""
        del request, verify, proxies, cert
        return self._pool

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        """The path alone: no proxy stands between."""
        del proxies
        return str(request.path_url)

    def close(self) -> None:
        """Close what is idle, and wait for the processes."""
        self._pool.close()
        self._ssh.close()
        super().close()


class _Pool(urllib3.HTTPConnectionPool):
    def __init__(self, ssh: Ssh, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._ssh = ssh

    def _new_conn(self) -> _Connection:
        return _Connection(self._ssh)


class _Connection(HTTPConnection):
    def __init__(self, ssh: Ssh) -> None:
        super().__init__("engine")
        self._ssh = ssh

    def connect(self) -> None:
        self.sock = self._ssh.dial()
        self.sock.settimeout(self.timeout)
