"""The `http` tool against a real nginx, over TLS, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path
from typing import Any

import pytest

from conveyor_tools.errors import TemporaryError, ToolError
from conveyor_tools.function import Effects
from tests.tools.web.client import LOCAL, Client, run
from tests.tools.web.nginx import BIG, Nginx
from tests.tools.web.rude import rude


def client(web: Nginx, *hosts: str, **options: Any) -> Client:
    named = [f"{host}:{web.tls}" for host in hosts or ("api.test",)]
    return Client(LOCAL, hosts=named, private=True, ca=web.ca, **options)


def fetched(web: Nginx, path: str, **rest: Any) -> dict[str, Any]:
    async def work() -> dict[str, Any]:
        async with client(web) as http:
            return await http.get(web.url(path), **rest)

    return run(work)


def refused(web: Nginx, path: str, **rest: Any) -> str:
    with pytest.raises(ToolError) as caught:
        fetched(web, path, **rest)
    return str(caught.value)


# Answers


def test_an_answer_has_status_headers_and_text(web: Nginx) -> None:
    """Over TLS, to a name."""
    assert fetched(web, "/hello") == {
        "status": 200,
        "headers": {"content-type": "text/plain"},
        "body": f"hello api.test:{web.tls}",
    }


def test_json_is_a_value(web: Nginx) -> None:
    """Code need not parse it."""
    assert fetched(web, "/json")["body"] == {"rows": [1, 2.5, None]}


def test_broken_json_is_text_with_a_note(web: Nginx) -> None:
    answer = fetched(web, "/badjson")
    assert answer["body"] == '{"rows": [1,'
    assert "not the JSON" in answer["note"]


@pytest.mark.parametrize(("path", "status"), [("/missing", 404), ("/late", 503)])
def test_an_error_status_is_an_answer(web: Nginx, path: str, status: int) -> None:
    answer = fetched(web, path)
    assert answer["status"] == status
    assert answer["headers"].get("retry-after") == ("7" if status == 503 else None)


def test_a_charset_is_followed_and_one_that_is_no_charset_is_not(web: Nginx) -> None:
    assert fetched(web, "/latin")["body"] == "Grüße"
    assert fetched(web, "/odd")["body"] == "plain"


def test_what_is_no_text_is_named_only(web: Nginx) -> None:
    answer = fetched(web, "/image")
    assert (answer["body"], answer["note"]) == (None, "image/png, 508 bytes: not shown")


def test_ten_megabytes_are_cut_visibly(web: Nginx) -> None:
    """And are not read: the connection is dropped."""
    answer = fetched(web, "/big")
    assert len(answer["body"]) == 64_000
    assert answer["note"] == f"the body was cut: the first 64000 of {BIG} bytes are shown"


def test_a_gzip_bomb_is_unpacked_no_further_than_shown(web: Nginx) -> None:
    """200 MB from 200 kB: the process does not grow by a tenth of that."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = fetched(web, "/bomb")
    assert len(answer["body"]) == 64_000
    assert answer["note"].startswith("the body was cut: the first 64000 bytes")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_encodings(web: Nginx) -> None:
    assert fetched(web, "/packed")["body"] == "unpacked"
    assert "br" in refused(web, "/brotli")
    assert "not gzip, as it says" in refused(web, "/nogzip")


def test_head_has_no_body(web: Nginx) -> None:
    answer = fetched(web, "/big", method="head")
    assert (answer["status"], answer["body"]) == (200, "")


# Requests


def test_a_body_is_sent_as_text_or_json(web: Nginx) -> None:
    """Unless the model says what it is."""
    told = fetched(web, "/told", method="POST", body={"a": 1})["body"]
    assert told == "POST key= cookie= length=7 type=application/json"
    told = fetched(web, "/told", method="PUT", body="ab", headers={"Content-Type": "text/csv"})
    assert told["body"].endswith("length=2 type=text/csv")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "other.test"},
        {"content-length": "5"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "upgrade"},
        {"Cookie": "a=1"},
        {"Proxy-Authorization": "x"},
        {"X-Key": "a\r\nHost: other.test"},
        {"X-Key": "a\nb"},
        {"X-Key\r\nHost": "other.test"},
        {"": "a"},
        {"X Y": "a"},
        {"X-Key": "a" * 9000},
        {f"X-{number}": "a" for number in range(51)},
    ],
)
def test_headers_that_are_not_the_models(web: Nginx, headers: dict[str, str]) -> None:
    before = len(web.log())
    refused(web, "/told", headers=headers)
    with pytest.raises(ToolError):
        client(web).tool.check_argument("headers", headers)
    assert len(web.log()) == before


def test_no_cookies_are_kept(web: Nginx) -> None:
    async def work() -> str:
        async with client(web) as http:
            await http.get(web.url("/cookie"))
            return (await http.get(web.url("/told")))["body"]

    assert "cookie= " in run(work)


def test_methods_can_be_limited(web: Nginx) -> None:
    async def work() -> None:
        async with client(web, methods=["get"]) as http:
            await http.get(web.url("/hello"))
            await http.get(web.url("/hello"), method="POST")

    with pytest.raises(ToolError, match="'POST' is none of GET"):
        run(work)


# Own headers


def test_a_key_goes_to_its_host_and_nowhere_else(
    web: Nginx, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the model see it where the server repeats it."""
    monkeypatch.setenv("NET_TEST_KEY", "s3cret-s3cret")
    keys = {f"api.test:{web.tls}": {"X-Key": "Bearer ${NET_TEST_KEY}"}}

    async def work() -> list[dict[str, Any]]:
        async with client(web, "api.test", "other.test", headers=keys) as http:
            first = await http.get(web.url("/told"))
            other = await http.get(web.url("/told", "other.test"))
            sent_on = await http.get(web.url(f"/to?u={web.url('/told', 'other.test')}"))
            own = await http.get(web.url("/told"), headers={"X-Key": "mine"})
            return [first, other, sent_on, own]

    first, other, sent_on, own = run(work)
    assert first["body"].startswith("GET key=••• ")
    assert own["body"].startswith("GET key=••• ")
    assert other["body"].startswith("GET key= ")
    assert sent_on["body"].startswith("GET key= ")
    assert "[Bearer s3cret-s3cret]" in web.log()[-1]


def test_the_models_own_key_is_not_sent_on_to_another_host(web: Nginx) -> None:
    async def work() -> tuple[dict[str, Any], dict[str, Any]]:
        async with client(web, "api.test", "other.test") as http:
            mine = {"X-Key": "mine"}
            same = await http.get(web.url("/to?u=/told"), headers=mine)
            elsewhere = web.url(f"/to?u={web.url('/told', 'other.test')}")
            return same, await http.get(elsewhere, headers=mine)

    same, elsewhere = run(work)
    assert same["body"].startswith("GET key=mine ")
    assert elsewhere["body"].startswith("GET key= ")


def test_a_key_is_not_sent_in_plain_text() -> None:
    async def work() -> None:
        keys = {"api.test": {"X-Key": "abcdef"}}
        async with Client({}, hosts=["api.test"], headers=keys) as http:
            await http.get("http://api.test/")

    with pytest.raises(ToolError, match="https"):
        run(work)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"hosts": ["https://api.test"]}, "not a host"),
        ({"hosts": ["*.test"]}, "too wide"),
        ({"hosts": ["a.*.test"]}, "not a host"),
        ({"hosts": ["api.test/path"]}, "not a host"),
        ({"hosts": [""]}, "not a host"),
        ({"hosts": ["127.1"]}, "not a host"),
        ({"hosts": ["api.test:99999"]}, "not a host: a port is at most 65535"),
        ({"methods": ["FETCH"]}, "'FETCH'"),
        ({"headers": {"api.test": {"X-Key": "a"}}}, "not named under hosts"),
        ({"hosts": ["*.a.test"], "headers": {"*.a.test": {"X-Key": "a"}}}, "one host each"),
        ({"ca": Path("nowhere.pem")}, "ca: nowhere.pem: No such file"),
        ({"ca": Path(__file__)}, "ca: .*: "),
        ({"hosts": ["a.test"], "headers": {"a.test": {"X": "${NET_NOT_SET}"}}}, "NET_NOT_SET"),
    ],
)
def test_options_that_will_not_do(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Client(**options)


# Effects


def test_only_plain_reads_of_named_hosts_are_pure() -> None:
    tool = Client(hosts=["api.test", "*.pages.test", "*"]).tool
    reads = ["https://api.test/a", "https://a.pages.test/"]
    for url in reads:
        assert tool.effects_of({"url": url}) is Effects.PURE
        assert tool.effects_of({"url": url, "method": "head", "headers": None}) is Effects.PURE
    for arguments in [
        {"url": reads[0], "method": "POST"},
        {"url": reads[0], "method": "OPTIONS"},
        {"url": reads[0], "body": "x"},
        {"url": reads[0], "headers": {"X-HTTP-Method-Override": "DELETE"}},
        {"url": reads[0], "headers": {"x-method-override": "DELETE"}},
        {"url": "https://elsewhere.test/"},
        {"url": "https://api.test:8443/"},
        {"url": "nonsense"},
    ]:
        assert tool.effects_of(arguments) is Effects.EXTERNAL, arguments


# Early


def test_the_connection_is_there_before_the_request(web: Nginx) -> None:
    """With its TLS; the request then goes over it, and a second one too."""

    async def work() -> list[int]:
        async with client(web) as http:
            counts = [web.accepted()]
            await http.tool.on_argument("url", web.url("/hello"))
            counts.append(web.accepted())
            for _ in range(2):
                await http.get(web.url("/hello"))
            await http.tool.on_argument("url", web.url("/hello"))
            counts.append(web.accepted())
            return counts

    before, connected, after = run(work)
    assert (connected - before, after - before) == (1, 1)
    numbers = [line.rpartition(" ")[2] for line in web.log()[-2:]]
    assert numbers[0] == numbers[1]


def test_no_connection_is_made_early_to_hosts_that_are_not_named() -> None:
    """The model chose them: nothing of its choice leaves before the call is closed."""

    async def work() -> Client:
        async with Client(hosts=["*.pages.test", "*"]) as http:
            await http.tool.on_argument("url", "https://a.pages.test/")
            await http.tool.on_argument("url", "https://example.test/")
            await http.tool.on_argument("method", "GET")
            return http

    http = run(work)
    assert (http.looked_up, http.wire.tried) == ([], [])


def test_an_early_connection_that_fails_or_was_closed_is_made_again(web: Nginx) -> None:
    async def work() -> str:
        flaky = {"api.test": [["10.0.0.1"], ["127.0.0.1"]]}
        named = [f"api.test:{web.tls}"]
        async with Client(flaky, hosts=named, private=True, ca=web.ca) as http:
            await http.tool.on_argument("url", web.url("/hello"))
            return (await http.get(web.url("/hello")))["body"]

    assert run(work).startswith("hello")

    async def closed() -> dict[str, Any]:
        hello = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
        async with rude(hello) as server:
            url = f"http://localhost:{server.port}/"
            async with Client({}, hosts=[f"localhost:{server.port}"], private=True) as http:
                await http.tool.on_argument("url", url)
                (early,) = http.tool._open()._network._early.values()
                await (await early).aclose()
                return await http.get(url)

    assert run(closed)["body"] == "hi"


# Redirects


def test_a_redirect_is_followed_and_the_last_url_told(web: Nginx) -> None:
    answer = fetched(web, "/to?u=/hello")
    assert (answer["status"], answer["url"]) == (200, web.url("/hello"))


def test_a_loop_of_redirects_ends(web: Nginx) -> None:
    assert "more than 5 redirects" in refused(web, "/loop")


@pytest.mark.parametrize(
    ("path", "method", "status", "told"),
    [
        ("/see?u=/told", "POST", 200, "GET key= cookie= length= type="),
        ("/to?u=/told", "POST", 200, "GET key= cookie= length= type="),
        ("/keep?u=/told", "POST", 200, "POST key= cookie= length=2 type=text/plain"),
        ("/to?u=/told", "PUT", 200, "PUT key= cookie= length=2 type=text/plain"),
    ],
)
def test_methods_after_redirects(
    web: Nginx, path: str, method: str, status: int, told: str
) -> None:
    answer = fetched(web, path, method=method, body="ab")
    assert (answer["status"], answer["body"].partition(";")[0]) == (status, told)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("https://elsewhere.test/", "not among the hosts"),
        ("http://api.test:{tls}/", "from https to http"),
        ("file:///etc/passwd", "must begin with https"),
        ("https://api.test:{tls}@other.test/", "name or a password"),
        ("https://[::1/", ""),
        ("gopher://api.test:{tls}/", "must begin with"),
    ],
)
def test_redirects_that_are_not_followed(web: Nginx, target: str, why: str) -> None:
    """The redirect itself is the answer."""
    answer = fetched(web, "/to?u=" + target.format(tls=web.tls))
    assert answer["status"] == 302
    assert answer["note"].startswith("the redirect was not followed: ")
    assert why in answer["note"]
    assert "url" not in answer


def test_what_is_sent_is_not_sent_on_to_another_host(web: Nginx) -> None:
    async def work() -> dict[str, Any]:
        async with client(web, "api.test", "other.test") as http:
            url = web.url(f"/keep?u={web.url('/told', 'other.test')}")
            return await http.get(url, method="POST", body="x")

    answer = run(work)
    assert (answer["status"], answer["note"]) == (
        307, "the redirect was not followed: a POST is not sent on to another host",
    )  # fmt: skip


# What goes wrong


async def _garbled(answer: Any, **options: Any) -> dict[str, Any]:
    async with rude(answer) as server:
        named = [f"localhost:{server.port}"]
        async with Client({}, hosts=named, private=True, **options) as http:
            return await http.get(f"http://localhost:{server.port}/")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\xff" * 1000 + b"\r\n\r\n",
        b"HTTP/9.9 what\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 100_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08",
    ],
)
def test_garbage_is_an_error_in_one_line(answer: bytes) -> None:
    with pytest.raises(ToolError) as caught:
        run(lambda: _garbled(answer))
    message = str(caught.value)
    assert "\n" not in message
    assert 10 < len(message) < 500


def test_the_connection_is_lost_in_mid_answer() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhello")
        await writer.drain()
        writer.transport.abort()

    with pytest.raises(TemporaryError):
        run(lambda: _garbled(answer))


async def _nothing(_: asyncio.StreamWriter) -> None:
    return


async def _drops(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b".")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("answer", [_nothing, _drops])
def test_a_server_that_never_ends_is_given_up(answer: Any) -> None:
    """Whether it says nothing, or a little for ever."""
    with pytest.raises(ToolError, match=r"no whole answer within 0\.5 s"):
        run(lambda: _garbled(answer, timeout=0.5))


def test_a_slow_page_is_given_up(web: Nginx) -> None:
    async def work() -> None:
        async with client(web, timeout=1) as http:
            await http.get(web.url("/drip"))

    with pytest.raises(ToolError, match="no whole answer within 1 s"):
        run(work)


def test_cancelling_hangs_up() -> None:
    async def work() -> None:
        async with rude(_nothing) as server:
            named = [f"localhost:{server.port}"]
            async with Client({}, hosts=named, private=True) as http:
                asked = asyncio.create_task(http.get(f"http://localhost:{server.port}/"))
                await server.asked.wait()
                asked.cancel()
                await asyncio.wait([asked])
                assert asked.cancelled()
                await asyncio.wait_for(server.hung_up.wait(), 30)

    run(work)


def test_a_certificate_that_nobody_vouches_for(web: Nginx) -> None:
    async def work() -> None:
        async with Client(LOCAL, hosts=[f"api.test:{web.tls}"], private=True) as http:
            await http.get(web.url("/hello"))

    with pytest.raises(ToolError, match="certificate verify failed"):
        run(work)


def test_a_certificate_for_another_name(web: Nginx) -> None:
    """Though the name resolves to the right server."""

    async def work() -> None:
        names = {"wrong.test": ["127.0.0.1"]}
        named = [f"wrong.test:{web.tls}"]
        async with Client(names, hosts=named, private=True, ca=web.ca) as http:
            await http.get(web.url("/hello", "wrong.test"))

    with pytest.raises(ToolError, match="Hostname mismatch"):
        run(work)


def test_a_server_without_tls_is_called_that(web: Nginx) -> None:
    async def work() -> None:
        async with Client(LOCAL, hosts=[f"api.test:{web.plain}"], private=True) as http:
            await http.get(f"https://api.test:{web.plain}/status")

    with pytest.raises(ToolError, match=r"it speaks no TLS there: try http://"):
        run(work)


def test_a_url_without_a_scheme_is_told_what_it_lacks(web: Nginx) -> None:
    async def work() -> None:
        async with Client(LOCAL, hosts=[f"api.test:{web.tls}"], private=True) as http:
            await http.get("api.test/hello")

    with pytest.raises(ToolError, match=r"the URL must begin with https:// or http://$"):
        run(work)


def test_nobody_listens_and_nobody_is_called_that() -> None:
    async def work(url: str, host: str) -> None:
        async with Client({"nobody.test": []}, hosts=[host], private=True) as http:
            await http.get(url)

    with pytest.raises(TemporaryError, match="cannot connect to localhost at port 1"):
        run(lambda: work("http://localhost:1/", "localhost:1"))
    with pytest.raises(TemporaryError, match=r"nobody\.test cannot be found"):
        run(lambda: work("http://nobody.test/", "nobody.test"))


def test_proxies_of_the_environment_are_not_used(
    web: Nginx, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:1")
    assert fetched(web, "/hello")["status"] == 200
