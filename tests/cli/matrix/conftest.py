"""Servers for the matrix of tools, the same as for the tools' own tests, each when it is wanted."""

from __future__ import annotations

from tests.tools.conftest import postgres, postgres_server, searx
from tests.tools.web.conftest import web

__all__ = ["postgres", "postgres_server", "searx", "web"]
