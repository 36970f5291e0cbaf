"""One nginx for all tests of a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tools.web.nginx import Nginx, nginx


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with nginx(tmp_path_factory.mktemp("nginx")) as server:
        yield server
