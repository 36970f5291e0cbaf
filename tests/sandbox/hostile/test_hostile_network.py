"""A listener in a network namespace of the test: this machine reaches it, a sandbox does not."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.sandbox.conftest import KINDS
from tests.sandbox.hostile.arena import open_arena

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip"), reason="only root can make a network namespace"
)
HERE, THERE = "198.51.100.1", "198.51.100.2"
"""Addresses of no network (RFC 5737)."""
LISTEN = """
import socket, sys
print("there", flush=True)
sys.stdin.readline()
listener = socket.create_server(("198.51.100.2", 0))
print(listener.getsockname()[1], flush=True)
while True:
    link, _ = listener.accept()
    link.sendall(link.recv(1))
"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where it listens, at THERE. A pair of virtual cards leads to it, and goes with it."""
    name = f"cv{os.getpid()}"
    with subprocess.Popen(
        ["unshare", "--net", sys.executable, "-c", LISTEN],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as there:  # fmt: skip
        assert there.stdin is not None
        assert there.stdout is not None
        try:
            assert there.stdout.readline() == "there\n"
            for command in (
                f"ip link add {name}a type veth peer name {name}b netns {there.pid}",
                f"ip addr add {HERE}/30 dev {name}a",
                f"ip link set {name}a up",
                f"nsenter --net --target {there.pid} ip addr add {THERE}/30 dev {name}b",
                f"nsenter --net --target {there.pid} ip link set {name}b up",
            ):
                subprocess.run(command.split(), check=True)
            there.stdin.write("\n")
            there.stdin.flush()
            yield int(there.stdout.readline())
        finally:
            there.kill()


@pytest.mark.parametrize("kind", KINDS)
def test_another_network_is_out_of_reach(kind: str, port: int) -> None:
    """The control: from here it answers."""
    with socket.create_connection((THERE, port), timeout=30) as link:
        link.sendall(b"x")
        assert link.recv(1) == b"x"
    with open_arena(kind) as arena:
        word = arena.becomes(f"ask(socket.AF_INET, ({THERE!r}, {port}))")
        assert word == "ENETUNREACH"
