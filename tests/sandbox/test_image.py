"""Images: built from this machine, pulled, or refused in one clear line. A real engine."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from docker.errors import ImageNotFound

from conveyor_sandbox import image
from conveyor_sandbox.engine import connect
from conveyor_sandbox.errors import SandboxImageError
from conveyor_sandbox.labels import dockerfile_labels, read_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import docker

    from conveyor_sandbox.image import ImageInfo

pytestmark = pytest.mark.docker

_HARD = [
    "--rm", "--network", "none", "--read-only", "--user", "1000", "--cap-drop", "ALL",
    "--security-opt", "no-new-privileges",
]  # fmt: skip
_NOWHERE = "127.0.0.1:1/nothing:1"
"""An image in a registry that refuses connections."""


def _quiet(_text: str, _fraction: float | None) -> None:
    pass


def _remove(client: docker.DockerClient, name: str) -> None:
    if image.find(client, name):
        client.images.remove(name, force=True)


def _remove_nameless(client: docker.DockerClient, content: str) -> None:
    labels = [f"{image.CONTENT_LABEL}={content}"]
    client.images.prune(filters={"dangling": True, "label": labels})


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    with closing(connect()) as client:
        yield client


@pytest.fixture(scope="module")
def packed(client: docker.DockerClient) -> Iterator[ImageInfo]:
    """An image of this machine's Python."""
    name = f"conveyor-test-{os.getpid()}"
    yield image.build_from_host(client, name, _quiet)
    _remove(client, name)


@pytest.fixture
def name(client: docker.DockerClient) -> Iterator[str]:
    """A name for an image, which is removed afterwards."""
    name = f"conveyor-test-{os.getpid()}-other:tag"
    yield name
    _remove(client, name)


def _run(packed: ImageInfo, *command: str) -> str:
    answer = subprocess.run(
        ["docker", "run", *_HARD, packed.id, *command], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def test_packed_python_runs_locked_in(packed: ImageInfo) -> None:
    """The standard library's C modules load without network, rights or a writable root."""
    modules = "ssl, sqlite3, ctypes, json, asyncio, multiprocessing, decimal, hashlib, zlib, lzma"
    program = f"import {modules}, bz2, zoneinfo, sys; print(sys.version_info[:3])"
    assert _run(packed, "python3", "-c", program) == str(sys.version_info[:3])


def test_packed_python_runs_as_user_1000(packed: ImageInfo) -> None:
    """The user has a name and a home, and text is UTF-8."""
    program = "import os, pwd, sys; print(os.getuid(), pwd.getpwuid(1000)[0]); print('ä')"
    assert _run(packed, "python3", "-c", program) == "1000 conveyor\nä"


def test_packed_modules_are_compiled(packed: ImageInfo) -> None:
    """Each module that start-up loads comes from byte code: nothing is compiled at start."""
    program = (
        "import sys, os, json, asyncio\n"
        "files = [m.__cached__ for m in sys.modules.values() if getattr(m, '__cached__', None)]\n"
        "print(len(files) > 50, [f for f in files if not os.path.exists(f)])"
    )
    assert _run(packed, "python3", "-c", program) == "True []"


def test_packed_tracebacks_show_the_image_s_own_paths(packed: ImageInfo) -> None:
    """Where Python lay on this machine, often a home folder, is not told inside."""
    program = "import json, sys; print(json.loads.__code__.co_filename, sys.prefix)"
    inside = "/usr" if sys.base_prefix == "/usr" else "/usr/local"
    out = _run(packed, "python3", "-c", program)
    assert out.startswith(f"{inside}/lib")
    assert out.endswith(f"json/__init__.py {inside}")


def test_packed_shell_and_utilities_run(packed: ImageInfo) -> None:
    """A pipeline of the host's own utilities runs in the host's own shell."""
    pipeline = "printf 'b 2\\na 1\\n' | sort | head -n 1 | sed s/a/x/ | awk '{print $2, $1}'"
    assert _run(packed, "sh", "-c", f"{pipeline} && find /etc/passwd | xargs basename") == (
        "1 x\npasswd"
    )


def test_content_is_the_same_in_every_build(client: docker.DockerClient, name: str) -> None:
    """Two builds have the same content, and the first does not stay without a name."""
    first = image.build_from_host(client, name, _quiet)
    second = image.build_from_host(client, name, _quiet)
    assert (first.source, first.content) == ("from-host", second.content)
    assert first.id != second.id
    with pytest.raises(ImageNotFound):
        client.images.get(first.id)


def test_two_builds_at_once_do_not_break_each_other(client: docker.DockerClient, name: str) -> None:
    """Both succeed, and the name is one of them."""

    def build(_number: int) -> str:
        with closing(connect()) as own:
            return image.build_from_host(own, name, _quiet).content

    with ThreadPoolExecutor(2) as threads:
        contents = set(threads.map(build, range(2)))
    found = image.find(client, name)
    assert found is not None
    assert contents == {found.content}
    _remove_nameless(client, found.content)


def test_ensure_takes_what_is_there(client: docker.DockerClient, packed: ImageInfo) -> None:
    """An image that the engine has is returned without any work to tell of."""

    def fail(text: str, _fraction: float | None) -> None:
        raise AssertionError(text)

    assert image.ensure(client, packed.name, fail) == packed


def test_ensure_names_an_image_that_cannot_be_had(client: docker.DockerClient) -> None:
    """One line: which image, why, and what to do."""
    with pytest.raises(SandboxImageError) as caught:
        image.ensure(client, _NOWHERE, _quiet)
    line = str(caught.value)
    assert line.startswith(f"image {_NOWHERE} is not on this machine and could not be fetched (")
    assert line.endswith(f"conveyor sandbox build --name {_NOWHERE}")
    assert "\n" not in line


@pytest.mark.parametrize("bad", ["", "UPPER", "a b", "x:y:z", "-", "a@sha256:1", "../x"])
def test_a_name_that_is_none_is_one_line(client: docker.DockerClient, bad: str) -> None:
    """An invalid name is an error of the image, not a traceback of the client."""
    with pytest.raises(SandboxImageError):
        image.ensure(client, bad, _quiet)
    with pytest.raises(SandboxImageError):
        image.build_from_host(client, bad, _quiet)


def test_a_registry_that_does_not_answer_is_given_up(client: docker.DockerClient) -> None:
    """A registry that accepts and then stays silent does not hold a run up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        name = f"127.0.0.1:{listener.getsockname()[1]}/silent:1"
        with pytest.raises(SandboxImageError, match=r"did not answer within 0\.6 s"):
            image.pull(client, name, _quiet, patience=0.6)


def test_default_image_falls_back_to_this_machine(
    client: docker.DockerClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no registry answers, the default image is packed, and a notice says so."""
    monkeypatch.setattr(image, "DEFAULT_IMAGE", name)
    monkeypatch.setattr(image, "DEFAULT_BASE", _NOWHERE)
    told: list[str] = []
    made = image.ensure(client, name, lambda text, _: told.append(text))
    assert made.source == "from-host"
    assert [text for text in told if _NOWHERE in text and "instead" in text]


def test_a_failed_step_is_one_line(
    client: docker.DockerClient, packed: ImageInfo, name: str
) -> None:
    """A base without pip: the step's own words, no image, no container left."""
    with pytest.raises(SandboxImageError, match="No module named pip") as caught:
        image.build(client, name, packed.name, _quiet)
    assert str(caught.value).isprintable()
    assert image.find(client, name) is None
    assert client.api.containers(all=True, filters={"ancestor": packed.name}) == []
    _remove_nameless(client, packed.content)


def test_an_interrupted_build_leaves_nothing(
    client: docker.DockerClient, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the image is packed or handed over: no file, no image."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def interrupt(text: str, _fraction: float | None) -> None:
        if "handing" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        image.build_from_host(client, name, interrupt)
    assert list(tmp_path.iterdir()) == []
    assert image.find(client, name) is None


_SLOW_PIP = """\
FROM {base}
USER root
RUN folder=$(python3 -c 'import site; print(site.getsitepackages()[0])') && mkdir -p $folder \\
 && echo 'import time; time.sleep(600)' > $folder/pip.py
"""


def test_ctrl_c_ends_the_step_that_runs(
    client: docker.DockerClient, packed: ImageInfo, name: str
) -> None:
    """SIGINT during a build ends the command at once, and the engine's container with it."""
    dockerfile = io.BytesIO(_SLOW_PIP.format(base=packed.name).encode())
    base, _ = client.images.build(fileobj=dockerfile, rm=True, tag=f"{packed.name}-slow")

    def containers() -> list[str]:
        found = client.api.containers(all=True, filters={"ancestor": str(base.id)})
        return [it["Id"] for it in found]

    program = "from conveyor_cli.commands.sandbox import app; app()"
    command = [sys.executable, "-c", program, "build", "--name", name, "--base", base.tags[0]]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert any("pip install" in line for line in process.stderr)
            _wait_until(lambda: bool(containers()))
            process.send_signal(signal.SIGINT)
            process.wait(30)
        finally:
            process.kill()
    _wait_until(lambda: not containers())
    assert image.find(client, name) is None
    client.images.remove(base.tags[0])
    _remove_nameless(client, packed.content)


def _wait_until(holds: Callable[[], bool]) -> None:
    given_up = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < given_up
        time.sleep(0.05)


def test_a_full_disk_is_one_line(name: str, tmp_path: Path) -> None:
    """No room for the temporary file: one line, and the file is gone."""
    program = (
        "import sys\n"
        "from conveyor_sandbox import image\n"
        "from conveyor_sandbox.engine import connect\n"
        "from conveyor_sandbox.errors import SandboxImageError\n"
        "try: image.build_from_host(connect(), sys.argv[1], lambda text, fraction: None)\n"
        "except SandboxImageError as error: print(error)\n"
    )
    mount = 'mount -t tmpfs -o size=1m none "$TMPDIR" && "$@" && ls -A "$TMPDIR"'
    answer = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, "sh", sys.executable, "-c", program, name],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    why = "[Errno 28] No space left on device"
    line = f"image {name} could not be built ({why}): free some disk space first"
    assert answer.stdout.splitlines() == [line]


def test_command_prints_results_on_stdout_only(name: str) -> None:
    """`conveyor sandbox build` tells its stages on stderr and the image on stdout."""
    program = "from conveyor_cli.commands.sandbox import app; app()"
    answer = subprocess.run(
        [sys.executable, "-c", program, "build", "--from-host", "--name", name],
        capture_output=True,
        text=True,
        check=True,
    )
    heading, row = answer.stdout.splitlines()
    assert heading.split() == ["NAME", "SOURCE", "VERSION", "SIZE", "ID", "STATE"]
    assert row.split()[:2] == [name, "from-host"]
    assert answer.stderr.splitlines()[0] == "packing this machine's Python"


@pytest.mark.parametrize(
    ("changes", "what", "command"),
    [
        ({"version": "0.0.1"}, "it was built by Conveyor 0.0.1", "--from-host"),
        ({"python": "3.9.99"}, "it holds Python 3.9.99", "--from-host"),
        (
            {"python": "3.9.99", "packages": "numpy==2.0 six==1"},
            "it holds Python 3.9.99",
            "--from-host --with numpy,six",
        ),
        (
            {"source": "dockerfile", "python": "", "base": "mine:1", "content": "0"},
            "its Dockerfile or requirements.txt has changed",
            "--base mine:1",
        ),
    ],
)
def test_an_image_out_of_date_is_told_of(
    client: docker.DockerClient,
    packed: ImageInfo,
    name: str,
    changes: dict[str, str],
    what: str,
    command: str,
) -> None:
    """One line that says what to do; the image is used all the same."""
    old = client.api.create_container(packed.id, "true")["Id"]
    labels = [f'LABEL conveyor.{key}="{value}"' for key, value in changes.items()]
    try:
        repository, _, tag = name.rpartition(":")
        client.api.commit(old, repository, tag, changes=labels)
    finally:
        client.api.remove_container(old)
    told: list[str] = []
    assert image.ensure(client, name, lambda text, _: told.append(text)).name == name
    (line,) = told
    assert line.startswith(f"image {name} is out of date ({what}")
    assert line.endswith(f"rebuild it with: conveyor sandbox build --name {name} {command}")


def test_a_dockerfile_image_of_today_is_current() -> None:
    """What is built now is not out of date."""
    labels = dockerfile_labels("python:3.12-slim")
    info = read_labels("x", {"Id": "1", "Size": 1}, labels)
    assert info.out_of_date is None
    assert info.base == "python:3.12-slim"


def test_packages_are_packed(client: docker.DockerClient, name: str) -> None:
    """From the package index, whole, compiled, and named in the image's labels. Needs the index."""
    told: list[str] = []
    made = image.build_from_host(
        client, name, lambda text, _: told.append(text), ["six", "traitlets"]
    )
    assert made.packages.startswith("six==")
    assert any("six" in text for text in told)
    # A folder of that name is left out of the standard library, and of nothing else.
    program = (
        "import six, os, traitlets.config as c; print(os.path.exists(c.__cached__), c.__file__)"
    )
    said = _run(made, "python3", "-c", program)
    assert said.startswith("True /usr/")


@pytest.mark.parametrize(
    ("requirement", "why"),
    [("no-such-package-at-all==77", "could not be fetched"), ("--index-url=x", "not the name")],
)
def test_packages_that_cannot_be_had(
    client: docker.DockerClient, name: str, requirement: str, why: str
) -> None:
    """One line, and no image."""
    with pytest.raises(SandboxImageError, match=why) as caught:
        image.build_from_host(client, name, _quiet, [requirement])
    assert "\n" not in str(caught.value)
    assert image.find(client, name) is None
