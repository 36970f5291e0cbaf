"""Attacks on the guard of the `http` tool: whatever a URL or a name says, no connection is made to
an address that is not allowed. What was connected to is read off the wire."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import pytest

from conveyor_tools.errors import ToolError
from conveyor_tools.http_address import why_not
from tests.tools.web.client import Client, run
from tests.tools.web.nginx import Nginx
from tests.tools.web.rude import rude

PUBLIC = ("8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8")
ALLOWABLE = (
    "127.0.0.1", "127.255.255.254", "::1", "10.0.0.1", "10.255.255.255", "172.16.0.1",
    "172.31.255.255", "192.168.0.1", "fc00::1", "fdff::1", "169.254.1.1", "fe80::1", "100.64.0.1",
    "100.127.255.255", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1",
)  # fmt: skip
NEVER = (
    "0.0.0.0", "0.1.2.3", "::", "169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
    "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254",
    "fd20:ce::254", "224.0.0.1", "239.255.255.250", "ff02::1", "240.0.0.1", "255.255.255.255",
    "192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "2001:db8::1",
    "2001::1", "2002:7f00:1::", "2002:a00:1::1", "192.88.99.1", "3fff::1", "::7f00:1", "::8.8.8.8",
    "fec0::1", "64:ff9b:1::1", "100::1", "5f00::1", "1::", "4000::1", "::ffff:0:127.0.0.1",
)  # fmt: skip


def attempted(url: str, names: dict[str, Any], **options: Any) -> tuple[list[str], str]:
    """Where the tool would have connected to for a URL, and what the model is told."""

    async def work() -> tuple[list[str], str]:
        async with Client(names, **{"hosts": ["*"], **options}) as http:
            with pytest.raises(ToolError) as caught:
                await http.get(url)
            return http.wire.tried, str(caught.value)

    return run(work)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_connected_to(address: str) -> None:
    """So the guard is not one that lets nothing through."""
    assert why_not(ip_address(address), private=False) is None
    assert attempted("http://x.test/", {"x.test": [address]})[0] == [str(ip_address(address))]


@pytest.mark.parametrize("address", ALLOWABLE)
def test_addresses_around_us_are_connected_to_only_if_allowed(address: str) -> None:
    """By name and written as they are; the model is told what the user can do."""
    literal = f"[{address}]" if ":" in address else address
    for url, names in [("http://x.test/", {"x.test": [address]}), (f"http://{literal}/", {})]:
        tried, told = attempted(url, names, hosts=["x.test", literal, "*"])
        assert tried == []
        assert "private: true" in told
    tried, _ = attempted("http://x.test/", {"x.test": [address]}, hosts=["x.test"], private=True)
    assert tried == [str(ip_address(address))]


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_connected_to(address: str) -> None:
    """Whatever the task allows."""
    literal = f"[{address}]" if ":" in address else address
    for private in (False, True):
        options = {"hosts": ["x.test", literal, "*"], "private": private}
        for url, names in [("http://x.test/", {"x.test": [address]}), (f"http://{literal}/", {})]:
            tried, told = attempted(url, names, **options)
            assert tried == []
            assert "private: true" not in told


ODD = (
    "127.1", "127.0.1", "2130706433", "017700000001", "0177.0.0.1", "0x7f000001", "0x7f.0.0.1",
    "0x7F.1", "127.0.0.0x1", "127.0.0.1.", "127.0.0.01", "0", "0x", "00000", "4294967295",
    "1.2.3.256", "1.2.3.4.5", "3232235521", "0xa9fea9fe", "169.254.43518", "①②⑦.⓪.⓪.①",
    "\uff11\uff12\uff17.0.0.1", "127。0。0。1",
    "[::1%25lo]", "[fe80::1%25eth0]", "[::ffff:7f00:1]", "[0::1]",
    "[::127.0.0.1]", "127.0.0.1%00.x.test", "127.0.0.1%2f.x.test", "%31%32%37.0.0.1",
    "localhost", "LOCALHOST", "localhost.", "ip6-localhost",
)  # fmt: skip


@pytest.mark.parametrize("host", ODD)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_odd_ways_to_write_this_machine(host: str, scheme: str) -> None:
    """Each is looked up for real, by the machine's resolver, where it is not refused before."""
    assert attempted(f"{scheme}://{host}/", {})[0] == []


WRITTEN = (
    "http://x.test@127.0.0.1/", "http://127.0.0.1@x.test/", "http://x.test:80@127.0.0.1/",
    "http://x.test\\@127.0.0.1/", "http://127.0.0.1\\.x.test/", "http://127.0.0.1\t.x.test/",
    "http://127.0.0.1\n/", "http://127.0.0.1\x00.x.test/", "http:127.0.0.1", "http:/127.0.0.1",
    "http:///127.0.0.1", "//127.0.0.1/", "127.0.0.1", "\\\\127.0.0.1\\x", "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_x", "ftp://127.0.0.1/", "data:,x", "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/", "javascript:0", "dict://127.0.0.1:11211/",
    "http://x.test#@127.0.0.1/", "http://127.0.0.1?.x.test/", "http://127.0.0.1;x.test/", "",
    "http://", "http://[::1", "http://[v1.x]/", "http://x.test:0/", "http://x.test:99999/",
    "http://x.test:-1/", "http://x.test:80x/", "http://x.test:22/", "http://x.test:6379/",
    "http://" + "a" * 9000,
)  # fmt: skip


@pytest.mark.parametrize("url", WRITTEN)
def test_urls_that_mean_two_things(url: str) -> None:
    """The one reading is that of the library that sends; what it may mean to others is no matter.

    `x.test` may be reached, and is at a public address: no other one is.
    """
    tried, _ = attempted(url, {"x.test": ["8.8.8.8"]})
    assert set(tried) <= {"8.8.8.8"}


def test_only_the_usual_ports_where_none_is_named() -> None:
    for hosts in (["*"], ["x.test"], ["*.test.test", "x.test"]):
        assert attempted("http://x.test:22/", {"x.test": ["8.8.8.8"]}, hosts=hosts)[0] == []


def test_an_empty_list_allows_nothing_and_says_what_to_do() -> None:
    tried, told = attempted("http://x.test/", {"x.test": ["8.8.8.8"]}, hosts=[])
    assert tried == []
    assert told == (
        "x.test is not among the hosts that the task allows: it names none "
        "(the user can: tools: [{http: {hosts: [HOST]}}])"
    )


@pytest.mark.parametrize(
    ("answers", "tried"),
    [
        (["8.8.8.8", "127.0.0.1"], ["8.8.8.8"]),
        (["10.0.0.1", "::1", "8.8.8.8"], ["8.8.8.8"]),
        (["127.0.0.1", "10.0.0.1"], []),
        ([f"1.1.1.{number}" for number in range(1, 20)], [f"1.1.1.{n}" for n in range(1, 5)]),
    ],
)
def test_of_several_addresses_only_the_allowed_are_tried(
    answers: Sequence[str], tried: list[str]
) -> None:
    assert attempted("http://x.test/", {"x.test": answers})[0] == tried


def test_a_name_that_changes_its_address_is_looked_up_once_a_connection() -> None:
    """DNS rebinding: the address that was checked is the one that is connected to."""

    async def work() -> Client:
        async with Client({"x.test": [["8.8.8.8"], ["127.0.0.1"]]}, hosts=["*"]) as http:
            for _ in range(3):
                with pytest.raises(ToolError):
                    await http.get("http://x.test/")
            return http

    http = run(work)
    assert http.looked_up == ["x.test"] * 3
    assert http.wire.tried == ["8.8.8.8"]


def test_hosts_that_are_not_named_are_never_private(web: Nginx) -> None:
    """`private` is for the hosts that the task names, not for all that `*` lets through."""
    hosts = [f"api.test:{web.tls}", "*"]
    tried, told = attempted("http://x.test/", {"x.test": ["127.0.0.1"]}, hosts=hosts, private=True)
    assert tried == []
    assert "loopback" in told


LOCATIONS = (
    "http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://169.254.169.254/latest/",
    "//10.0.0.1/", "http://inner.test/", "http://0x7f.1/", "https://user@inner.test/",
    "http://inner.test:8080/", "/\\127.0.0.1/", "http:\\\\127.0.0.1\\", "HTTP://127.0.0.1",
    "file:///etc/passwd", "http://localhost:{other}/",
)  # fmt: skip


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_lead_nowhere_else(location: str, status: int) -> None:
    """From an allowed server; `inner.test` is allowed too, but is at a private address."""

    async def work() -> tuple[list[str], str]:
        async with rude(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret") as other:
            target = location.format(other=other.port)
            head = f"HTTP/1.1 {status} Go\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
            async with rude(head.encode()) as server:
                named = [f"api.test:{server.port}", "*"]
                names = {"api.test": ["127.0.0.1"], "inner.test": ["10.0.0.1"]}
                async with Client(names, hosts=named, private=True) as http:
                    try:
                        told = str(await http.get(f"http://api.test:{server.port}/"))
                    except ToolError as error:
                        told = str(error)
                    assert other.requests == []
                    return http.wire.tried, told

    tried, told = run(work)
    assert set(tried) == {"127.0.0.1"}
    assert "secret" not in told


def test_a_redirect_to_a_named_host_that_is_private_is_refused_at_its_address() -> None:
    """The name passes; the address does not."""

    async def work() -> list[str]:
        head = b"HTTP/1.1 302 Go\r\nLocation: http://inner.test/\r\nContent-Length: 0\r\n\r\n"
        async with rude(head) as server:
            named = [f"api.test:{server.port}", "inner.test"]
            names = {"api.test": ["127.0.0.1"], "inner.test": ["169.254.169.254"]}
            async with Client(names, hosts=named, private=True) as http:
                with pytest.raises(ToolError, match="credentials"):
                    await http.get(f"http://api.test:{server.port}/")
                return http.wire.tried

    assert run(work) == ["127.0.0.1"]


def test_a_server_does_not_choose_where_a_read_goes_next() -> None:
    """`*` lets the model ask any host, which the user is asked about; not a server."""

    async def work() -> tuple[list[str], dict[str, Any]]:
        head = b"HTTP/1.1 302 Go\r\nLocation: http://x.test/\r\nContent-Length: 0\r\n\r\n"
        async with rude(head) as server:
            names = {"api.test": ["127.0.0.1"], "x.test": ["8.8.8.8"]}
            hosts = [f"api.test:{server.port}", "*"]
            async with Client(names, hosts=hosts, private=True) as http:
                answer = await http.get(f"http://api.test:{server.port}/")
                return http.wire.tried, answer

    tried, answer = run(work)
    assert tried == ["127.0.0.1"]
    assert answer["note"] == "the redirect was not followed: the task does not name x.test"


def test_what_follows_a_host_does_not_make_it_another() -> None:
    """`api.test.evil.test` and `evilapi.test` are not `api.test`, nor below `*.pages.test`."""
    for name in ("api.test.evil.test", "evilapi.test", "pages.test", "xpages.test", "api.tes"):
        tried, _ = attempted(
            f"https://{name}/", {name: ["8.8.8.8"]}, hosts=["api.test", "*.pages.test"]
        )
        assert tried == []
    for name in ("a.pages.test", "a.b.pages.test", "API.test", "api.test."):
        key = name.lower().rstrip(".")
        tried, _ = attempted(
            f"https://{name}/", {key: ["8.8.8.8"]}, hosts=["api.test", "*.pages.test"]
        )
        assert tried == ["8.8.8.8"]
