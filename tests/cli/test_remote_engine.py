"""Engines that are reached as if they were elsewhere: over TLS, over ssh, by a context.

The engine is one of the test's own, and so is the `sshd` before it; both listen on loopback.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.cli.command import Command, finish, read_until
from tests.cli.test_ends import BUSY
from tests.engines import OwnEngine, free_port, needs_own_engine, own_engine

pytestmark = [
    pytest.mark.full,
    pytest.mark.docker,
    needs_own_engine,
    pytest.mark.skipif(not shutil.which("/usr/sbin/sshd"), reason="needs openssh-server"),
]
clean = pytest.mark.usefixtures("nothing_left")
SAYS_HELLO = ("```python\nprint('hel' + 'lo')\n```", "Done.")


@dataclass
class Away:
    """An engine, and the ways that lead to it: each a set of environment variables."""

    engine: OwnEngine
    folder: Path
    port: int
    tls: dict[str, str]
    ssh: dict[str, str]

    def certificates(self, name: str, authority: trustme.CA, client: trustme.LeafCert) -> Path:
        """A folder as DOCKER_CERT_PATH names it."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        authority.cert_pem.write_to_path(folder / "ca.pem")
        client.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        client.private_key_pem.write_to_path(folder / "key.pem")
        return folder


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[Away]:
    folder = tmp_path_factory.mktemp("away")
    server = authority.issue_cert("127.0.0.1")
    server.cert_chain_pems[0].write_to_path(folder / "server.pem")
    server.private_key_pem.write_to_path(folder / "server-key.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    options = (
        "--tlsverify", f"--tlscacert={folder}/ca.pem",
        f"--tlscert={folder}/server.pem", f"--tlskey={folder}/server-key.pem",
    )  # fmt: skip
    with (
        listener,
        own_engine(*options, listener=listener) as engine,
        ssh_server(folder) as path,
    ):
        tls = {"DOCKER_HOST": f"tcp://127.0.0.1:{port}", "DOCKER_TLS_VERIFY": "1"}
        ssh = {"DOCKER_HOST": f"ssh://box{engine.socket}", "PATH": path}
        away = Away(engine, folder, port, tls, ssh)
        client = authority.issue_cert("client.test")
        tls["DOCKER_CERT_PATH"] = str(away.certificates("right", authority, client))
        yield away
        assert engine.containers() == []
        assert engine.processes() == {}


@pytest.fixture(params=["tls", "ssh"])
def way(away: Away, request: pytest.FixtureRequest) -> dict[str, str]:
    return dict(getattr(away, request.param))


@pytest.fixture
def nothing_left(away: Away) -> Iterator[None]:
    yield
    until = time.monotonic() + 5
    while left := [*away.engine.containers(), *away.engine.processes().values()]:
        assert time.monotonic() < until, left
        time.sleep(0.05)


@contextlib.contextmanager
def ssh_server(folder: Path) -> Iterator[str]:
    """A server that lets root in by a key of the test. A PATH whose `ssh` knows it as `box`."""
    port = free_port()
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name],
                       check=True)  # fmt: skip
    (folder / "sshd").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/key.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
    )
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "stranger").write_text(f"[127.0.0.1]:{port} {(folder / 'key.pub').read_text()}")
    (folder / "config").write_text(
        f"Host box strange\n HostName 127.0.0.1\n Port {port}\n User root\n"
        f"Host strange\n UserKnownHostsFile {folder}/stranger\n"
        f"Host *\n IdentityFile {folder}/key\n IdentitiesOnly yes\n"
        f" UserKnownHostsFile {folder}/known\n"
    )
    # The real one, told of the test's configuration: root's own is not touched.
    (folder / "bin").mkdir()
    ssh = folder / "bin/ssh"
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    ssh.chmod(0o755)
    Path("/run/sshd").mkdir(exist_ok=True)
    log = folder / "sshd.log"
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", folder / "sshd", "-E", log])
    try:
        yield f"{folder / 'bin'}:{os.environ['PATH']}"
    finally:
        server.terminate()
        server.wait()


@clean
def test_a_run(conveyor: Command, way: dict[str, str]) -> None:
    """From start to end, with files in and out."""
    given = conveyor.write("given.txt", "a file\n")
    code = "```python\nopen('out.txt', 'w').write(open('given.txt').read() * 2)\n```"
    done = conveyor(
        "run", "-p", "hi", "--script", conveyor.script(code, "Done."), "--json",
        "--sandbox", "docker", "-c", f"sandbox.files={{given.txt: {given}}}",
        "--save-files", conveyor.folder / "saved", **way,
    )  # fmt: skip
    assert (done.code, done.json["answer"]) == (0, "Done."), done.err
    assert (conveyor.folder / "saved/out.txt").read_text() == "a file\na file\n"


@clean
def test_nothing_of_ours_is_mounted(conveyor: Command, away: Away, way: dict[str, str]) -> None:
    """An engine elsewhere has no folder of ours, and must not be made to make one."""
    process = begin(conveyor, way)
    (container,) = away.engine.containers()
    (told,) = json.loads(away.engine.docker("inspect", container))
    assert told["Mounts"] == []
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 130


@clean
def test_kill_9_leaves_nothing(conveyor: Command, away: Away, way: dict[str, str]) -> None:
    """Neither there nor here."""
    process = begin(conveyor, way)
    assert len(away.engine.containers()) == 1
    process.kill()
    process.communicate()


def begin(conveyor: Command, way: dict[str, str]) -> subprocess.Popen[bytes]:
    script = conveyor.script(BUSY, "never")
    process = conveyor.start("run", "-p", "hi", "--script", script, "--plain", "--sandbox",
                             "docker", **way)  # fmt: skip
    read_until(process, "│ begun")
    return process


@clean
def test_a_context(conveyor: Command, away: Away) -> None:
    """The one in use, or named by DOCKER_CONTEXT, as the `docker` command keeps them."""
    home = {**os.environ, "HOME": str(conveyor.home), "PATH": away.ssh["PATH"]}
    for command in (
        ["create", "away", "--docker", f"host={away.ssh['DOCKER_HOST']}"],
        ["create", "tls", "--docker", "host={DOCKER_HOST},ca={DOCKER_CERT_PATH}/ca.pem,"
         "cert={DOCKER_CERT_PATH}/cert.pem,key={DOCKER_CERT_PATH}/key.pem".format(**away.tls)],
        ["use", "away"],
    ):  # fmt: skip
        subprocess.run(["docker", "context", *command], env=home, check=True, capture_output=True)
    for named in ({}, {"DOCKER_CONTEXT": "tls"}):
        script = conveyor.script(BUSY, "never")
        process = conveyor.start("run", "-p", "hi", "--script", script, "--plain", "--sandbox",
                                 "docker", PATH=away.ssh["PATH"], **named)  # fmt: skip
        read_until(process, "│ begun")
        assert len(away.engine.containers()) == 1
        process.send_signal(signal.SIGTERM)
        assert finish(process).code == 143
    assert "no docker context 'other'" in complaint(conveyor, {"DOCKER_CONTEXT": "other"})


def complaint(conveyor: Command, way: dict[str, str]) -> str:
    """The one line that is said where there is no engine; 3, and all the rest in order."""
    script = conveyor.script(*SAYS_HELLO)
    done = conveyor("run", "-p", "hi", "--script", script, "--sandbox", "docker", **way)
    assert done.code == 3, done.err
    return done.complaint


def test_what_is_wrong_with_tls(conveyor: Command, away: Away, authority: trustme.CA) -> None:
    """Each in a line of its own."""
    other = trustme.CA()
    untrusted = away.certificates("untrusted", other, authority.issue_cert("client.test"))
    stranger = away.certificates("unknown", authority, other.issue_cert("client.test"))
    nobody = {"DOCKER_HOST": f"tcp://127.0.0.1:{free_port()}"}
    for change, words in (
        ({"DOCKER_CERT_PATH": str(untrusted)}, "its certificate is not trusted"),
        ({"DOCKER_CERT_PATH": str(stranger)}, "TLS failed"),
        ({"DOCKER_CERT_PATH": str(away.folder / "nothing")}, "needs ca.pem, cert.pem and key.pem"),
        ({"DOCKER_TLS_VERIFY": "", "DOCKER_CERT_PATH": ""}, "it wants TLS: set DOCKER_TLS_VERIFY"),
        (nobody, "Connection refused"),
    ):
        assert words in complaint(conveyor, away.tls | change)


@clean
def test_an_authority_of_the_environment_is_not_taken_for_the_engines(
    conveyor: Command, away: Away
) -> None:
    """The HTTP library would let REQUESTS_CA_BUNDLE stand in for DOCKER_CERT_PATH."""
    other = away.folder / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    script = conveyor.script(*SAYS_HELLO)
    done = conveyor("run", "-p", "hi", "--script", script, "--sandbox", "docker", "--json",
                    REQUESTS_CA_BUNDLE=str(other), CURL_CA_BUNDLE=str(other),
                    **away.tls)  # fmt: skip
    assert (done.code, done.json["calls"][0]["output"]) == (0, "hello\n"), done.err


def test_what_is_wrong_with_ssh(conveyor: Command, away: Away) -> None:
    """What `ssh` says of it; nothing of it on the terminal but that."""
    for host, words in (
        (f"ssh://127.0.0.1:{free_port()}", "Connection refused"),
        (f"ssh://nobody@box{away.engine.socket}", "Permission denied (publickey)"),
        (f"ssh://strange{away.engine.socket}", "Host key verification failed"),
        (f"ssh://box{away.engine.socket}x", "no such file"),
        ("ssh://-oProxyCommand=touch%20hacked/", "hostname"),
    ):
        assert words in complaint(conveyor, away.ssh | {"DOCKER_HOST": host}), host
    assert not list(conveyor.folder.glob("hacked*"))
    empty = {"DOCKER_HOST": "ssh://box", "PATH": "/nonexistent"}
    assert "ssh" in complaint(conveyor, empty)
