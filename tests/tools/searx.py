"""A searx server of our own, on loopback, whose one engine searches an SQLite file."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import yaml

_PATIENCE = 60.0
_FILES = Path("/usr/share/python3-searx")
_EMPTY = ("git_url", "git_branch", "issue_url", "docs_url", "public_instances", "wiki_url",
          "twitter_url")  # fmt: skip


def find_searx() -> str | None:
    """The program, if it is installed."""
    return shutil.which("searx-run")


class Searx:
    """The server. `pages` are (title, url, content)."""

    def __init__(self, program: str, folder: Path, pages: list[tuple[str, str, str]]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        with contextlib.closing(sqlite3.connect(folder / "pages.db")) as database:
            database.execute("CREATE TABLE pages (title, url, content)")
            database.executemany("INSERT INTO pages VALUES (?, ?, ?)", pages)
            database.commit()
        settings = folder / "settings.yml"
        settings.write_text(yaml.safe_dump(self._settings(folder)), encoding="utf-8")
        environment = {**os.environ, "SEARX_SETTINGS_PATH": str(settings)}
        for name in ("PYTHONPATH", "VIRTUAL_ENV"):
            environment.pop(name, None)
        self._log = (folder / "log").open("wb")
        self._server = subprocess.Popen(
            [program], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, env=environment
        )
        self._wait(folder)

    def _settings(self, folder: Path) -> dict[str, object]:
        query = "SELECT title, url, content FROM pages WHERE content LIKE '%' || :query || '%'"
        return {
            "use_default_settings": False,
            "general": {"debug": False, "instance_name": "test", "contact_url": False},
            "brand": dict.fromkeys(_EMPTY, ""),
            "search": {
                "safe_search": 0, "autocomplete": "", "default_lang": "", "ban_time_on_fail": 0,
                "max_ban_time_on_fail": 0, "formats": ["html", "json"],
            },
            "server": {
                "port": self.port, "bind_address": "127.0.0.1", "secret_key": "x",
                "base_url": False, "image_proxy": False, "http_protocol_version": "1.1",
                "method": "GET", "default_http_headers": {},
            },
            "ui": {
                "static_path": str(_FILES / "static"), "templates_path": str(_FILES / "templates"),
                "default_theme": "oscar", "default_locale": "", "theme_args": {},
            },
            "outgoing": {
                "request_timeout": 2.0, "useragent_suffix": "", "pool_connections": 4,
                "pool_maxsize": 4,
            },
            "engines": [{
                "name": "pages", "engine": "sqlite", "database": str(folder / "pages.db"),
                "shortcut": "pg", "disabled": False, "categories": "general", "query_str": query,
                "limit": 20,
            }],
            "locales": {"en": "English"},
            "doi_resolvers": {"none": "http://127.0.0.1/"},
            "default_doi_resolver": "none",
        }  # fmt: skip

    def _wait(self, folder: Path) -> None:
        until = time.monotonic() + _PATIENCE
        while True:
            with contextlib.suppress(URLError, ConnectionError):
                urlopen(f"{self.url}/robots.txt", timeout=5).close()
                return
            gone = self._server.poll() is not None or time.monotonic() > until
            log = (folder / "log").read_text(encoding="utf-8", errors="replace")
            assert not gone, f"searx did not start:\n{log[-2000:]}"
            time.sleep(0.2)

    def stop(self) -> None:
        """End it."""
        self._server.terminate()
        self._server.wait()
        self._log.close()
