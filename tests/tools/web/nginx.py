"""A real nginx on loopback, over TLS and without, with pages that are hard to read."""

from __future__ import annotations

import gzip
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

NAMES = ("api.test", "other.test", "a.pages.test", "localhost", "127.0.0.1")
BIG = 10_000_000
BOMB = 200_000_000

_CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  log_format told '$request_method $scheme://$http_host$request_uri [$http_x_key] [$http_cookie]'
                  ' $connection';
  access_log {folder}/access.log told;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; scgi_temp_path {folder}/scgi; uwsgi_temp_path {folder}/uwsgi;
  server {{
    listen 127.0.0.1:{tls} ssl; listen 127.0.0.1:{plain};
    ssl_protocols TLSv1.3;  # its servers speak first: session tickets
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    root {folder}/pages; default_type text/plain;
    keepalive_timeout 60s;
    location /status {{ stub_status; access_log off; }}
    location /hello {{ return 200 "hello $http_host"; }}
    location /json {{ default_type application/json; return 200 '{{"rows": [1, 2.5, null]}}'; }}
    location /badjson {{ default_type application/json; return 200 '{{"rows": [1,'; }}
    location /latin {{ types {{}} default_type "text/plain; charset=iso-8859-1"; }}
    location /odd {{ types {{}} default_type "text/plain; charset=zlib_codec"; }}
    location /image {{ types {{}} default_type image/png; }}
    location /bomb {{ types {{}} default_type text/plain; add_header Content-Encoding gzip; }}
    location /packed {{ types {{}} default_type text/plain; add_header Content-Encoding gzip; }}
    location /brotli {{ add_header Content-Encoding br; return 200 "no"; }}
    location /nogzip {{ add_header Content-Encoding gzip; return 200 "no"; }}
    location /drip {{ limit_rate 100; alias {folder}/pages/big; }}
    location /to {{ return 302 $arg_u; }}
    location /see {{ return 303 $arg_u; }}
    location /keep {{ return 307 $arg_u; }}
    location /loop {{ return 301 /loop; }}
    location /told {{ return 200 "$request_method key=$http_x_key cookie=$http_cookie {rest}"; }}
    location /cookie {{ add_header Set-Cookie "id=1; Path=/"; return 200 "set"; }}
    location /missing {{ return 404 "not here"; }}
    location /late {{ add_header Retry-After 7 always; return 503 "busy"; }}
  }}
}}
"""

_REST = "length=$content_length type=$content_type"


@dataclass(frozen=True)
class Nginx:
    """One that runs. Hosts that a test wants are names of its certificate."""

    tls: int
    plain: int
    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def url(self, path: str, host: str = "api.test") -> str:
        return f"https://{host}:{self.tls}{path}"

    def log(self) -> list[str]:
        """The requests that it answered."""
        return (self.folder / "access.log").read_text().splitlines()

    def accepted(self) -> int:
        """Connections that it took so far, this question's own not counted."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.plain}/status") as answer:
            found = re.search(r"\n (\d+)", answer.read().decode())
        assert found is not None
        asked = self.folder / "asked"
        own = int(asked.read_text()) + 1 if asked.exists() else 1
        asked.write_text(str(own))
        return int(found[1]) - own


@contextmanager
def nginx(folder: Path) -> Iterator[Nginx]:
    """An nginx of its own in the folder."""
    tls, plain = _free_ports(2)
    server = Nginx(tls, plain, folder)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(server.ca))
    certificate = authority.issue_cert(*NAMES)
    certificate.private_key_pem.write_to_path(str(folder / "server.key"))
    for part in certificate.cert_chain_pems:
        part.write_to_path(str(folder / "server.pem"), append=True)
    _write_pages(folder / "pages")
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, tls=tls, plain=plain, rest=_REST))
    process = subprocess.Popen(
        ["nginx", "-e", folder / "error.log", "-p", folder, "-c", config],
        stderr=subprocess.PIPE,
    )
    try:
        _wait_for(process, tls)
        yield server
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _write_pages(pages: Path) -> None:
    pages.mkdir()
    (pages / "big").write_bytes(b"0123456789" * (BIG // 10))
    (pages / "latin").write_bytes("Grüße".encode("latin-1"))
    (pages / "odd").write_bytes(b"plain")
    (pages / "image").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    (pages / "bomb").write_bytes(gzip.compress(bytes(BOMB), 9))
    (pages / "packed").write_bytes(gzip.compress(b"unpacked"))


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"nginx ended: {process.communicate()[1].decode()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("nginx does not listen")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
