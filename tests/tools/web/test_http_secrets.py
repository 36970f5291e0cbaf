"""A server repeats what it was sent: the task's key reaches the model in no way, whole or cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conveyor_tools.errors import ToolError
from tests.tools.web.client import Client, run
from tests.tools.web.rude import rude

KEY = "s3cret-0123456789-Abcdefgh"
NUMBER = "314159265358"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NET_TEST_KEY", f"{KEY}\n")  # as `$(cat file)` does not, but files do
    monkeypatch.setenv("NET_TEST_NUMBER", NUMBER)


def told(head: str, body: str, **options: Any) -> str:
    """All that the model is told of an answer."""

    async def ask() -> str:
        content = body.encode()
        answer = f"HTTP/1.1 {head}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content
        async with rude(answer) as server:
            host = f"api.test:{server.port}"
            own = {
                host: {"Authorization": "Bearer ${NET_TEST_KEY}", "X-Number": "${NET_TEST_NUMBER}"}
            }
            async with Client(hosts=[host], private=True, headers=own, **options) as http:
                try:
                    return json.dumps(await http.get(f"http://{host}/"), ensure_ascii=False)
                except ToolError as error:
                    return str(error)

    return run(ask)


@pytest.mark.parametrize("kept", range(1, len(KEY) + 1))
def test_no_piece_of_it_is_left_where_a_body_is_cut(kept: int) -> None:
    text = told("200 OK\r\nContent-Type: text/plain", f"key: {KEY} and more", max_bytes=5 + kept)
    assert KEY[:3] not in text
    assert "key: " in text


@pytest.mark.parametrize("begin", range(len(KEY) - 3))
def test_no_piece_of_it_is_left_where_a_part_begins(begin: int) -> None:
    """The model may ask for a part of an answer."""
    text = told("206 Partial Content\r\nContent-Type: text/plain", f"{KEY[begin:]} and more")
    assert KEY[-3:] not in text
    assert " and more" in text


WAYS = {
    "a body": ("200 OK\r\nContent-Type: text/plain", f"Bearer {KEY}"),
    "without its scheme": ("200 OK\r\nContent-Type: text/plain", KEY),
    "in small letters": ("200 OK\r\nContent-Type: text/plain", KEY.lower()),
    "a number": ("200 OK\r\nContent-Type: application/json", f'{{"a": [{NUMBER}]}}'),
    "a name": ("200 OK\r\nContent-Type: application/json", f'{{"{KEY}": 1}}'),
    "a header": (f"200 OK\r\nETag: {KEY}", ""),
    "a header that is cut": (f"200 OK\r\nETag: {'x' * 490}{KEY}", ""),
    "a type": (f"200 OK\r\nContent-Type: image/{KEY}", "x"),
    "a type that is cut": (f"200 OK\r\nContent-Type: image/{'x' * 84}{KEY}", "x"),
    "an encoding": (f"200 OK\r\nContent-Encoding: {KEY}", "x"),
    "a redirect": (f"302 Found\r\nLocation: https://{KEY}.example/", ""),
    "no HTTP": (f"{KEY} {KEY}", ""),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_it_is_hidden_wherever_it_stands(way: str) -> None:
    text = told(*WAYS[way]).lower()
    assert KEY[:8].lower() not in text
    assert NUMBER not in text


def test_control() -> None:
    """What is no key is shown."""
    assert "s3c and 31415" in told("200 OK\r\nContent-Type: text/plain", "s3c and 31415")
