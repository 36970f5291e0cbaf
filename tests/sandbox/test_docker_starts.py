"""Starts of the Docker sandbox that fail: what is said, and that nothing is left."""

from __future__ import annotations

import asyncio
import gc
import io
import tarfile
import warnings

import docker
import pytest

from conveyor_sandbox.docker import DockerSandbox
from conveyor_sandbox.errors import (
    SandboxError,
    SandboxImageError,
    SandboxUnavailable,
)
from conveyor_sandbox.sandbox import Limits, SandboxSpec
from tests.sandbox.conftest import open_lab
from tests.sandbox.docker_engine import MIB, quiet

pytestmark = pytest.mark.docker


def fail_to_start(sandbox: DockerSandbox) -> SandboxError:
    async def start() -> None:
        try:
            await sandbox.start(quiet)
        finally:
            await sandbox.stop()

    with pytest.raises(SandboxError) as caught:
        asyncio.run(start())
    assert "\n" not in str(caught.value)
    return caught.value


def make_image(engine: docker.DockerClient, name: str, files: dict[str, str]) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, text in files.items():
            header = tarfile.TarInfo(path)
            header.mode = 0o755
            header.size = len(text)
            tar.addfile(header, io.BytesIO(text.encode()))
    engine.api.import_image_from_data(out.getvalue(), repository=name, tag="latest")


def build_image(engine: docker.DockerClient, name: str, files: dict[str, str]) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, text in files.items():
            header = tarfile.TarInfo(path)
            header.mode = 0o755
            header.size = len(text)
            tar.addfile(header, io.BytesIO(text.encode()))
    out.seek(0)
    engine.images.build(fileobj=out, custom_context=True, tag=name, rm=True, network_mode="none")


def test_image_without_ctypes(engine: docker.DockerClient) -> None:
    """It works, and what is weaker there is said; asked to be strict, there is none."""
    name = "conveyor-test-no-ctypes"
    dockerfile = "FROM conveyor-sandbox\nENV PYTHONPATH=/no\nCOPY ctypes.py /no/ctypes.py\n"
    build_image(engine, name, {"Dockerfile": dockerfile, "ctypes.py": "raise ImportError\n"})
    try:
        with open_lab(DockerSandbox(SandboxSpec(image=name))) as lab:
            assert lab.alive()
            (weakness,) = lab.sandbox.weaknesses
        strict = SandboxSpec(image=name, strict=True)
        with pytest.raises(SandboxUnavailable, match=r"strict.*no ctypes"):
            open_lab(DockerSandbox(strict)).__enter__()
    finally:
        engine.api.remove_image(name)
    assert weakness.endswith("speak for it: its python3 has no ctypes")


def test_a_setuid_program(engine: docker.DockerClient) -> None:
    """Makes nobody root; the control: without no-new-privileges it does."""
    name = "conveyor-test-setuid"
    dockerfile = (
        "FROM conveyor-sandbox\nUSER root\nRUN cp $(command -v cat) /cat && chmod 4755 /cat\n"
    )
    build_image(engine, name, {"Dockerfile": dockerfile})
    try:
        look = ["/cat", "/proc/self/status"]
        plain = engine.containers.run(name, look, user="1000", network_mode="none", remove=True)
        with open_lab(DockerSandbox(SandboxSpec(image=name))) as lab:
            call = lab.call(f"import subprocess; subprocess.run({look})\n")
    finally:
        engine.api.remove_image(name)
    assert "Uid:\t1000\t0\t" in plain.decode()
    assert "Uid:\t1000\t1000\t" in call.stdout


@pytest.mark.usefixtures("nothing_left")
def test_image_without_python(engine: docker.DockerClient) -> None:
    """One line that names the image and what to do."""
    name = "conveyor-test-no-python"
    make_image(engine, name, {"readme": "nothing"})
    try:
        error = fail_to_start(DockerSandbox(SandboxSpec(image=name)))
    finally:
        engine.api.remove_image(name)
    assert isinstance(error, SandboxImageError)
    assert f"image {name} has no usable python3" in str(error)
    assert "conveyor sandbox build" in str(error)


@pytest.mark.usefixtures("nothing_left")
def test_image_with_something_else_as_python(engine: docker.DockerClient) -> None:
    """A `python3` that fails: its own words are told."""
    name = "conveyor-test-bad-python"
    dockerfile = "FROM conveyor-sandbox\nENTRYPOINT []\nENV PATH=/bad\nCOPY python3 /bad/python3\n"
    script = "#!/bin/sh\necho too old >&2\nexit 78\n"
    build_image(engine, name, {"Dockerfile": dockerfile, "python3": script})
    try:
        error = fail_to_start(DockerSandbox(SandboxSpec(image=name)))
    finally:
        engine.api.remove_image(name)
    assert isinstance(error, SandboxImageError)
    assert "(too old)" in str(error)


@pytest.mark.usefixtures("nothing_left")
def test_unknown_image() -> None:
    """An image that nobody has (its registry: a closed port of this machine)."""
    error = fail_to_start(DockerSandbox(SandboxSpec(image="localhost:9/conveyor-none")))
    assert isinstance(error, SandboxImageError)
    assert "localhost:9/conveyor-none" in str(error)


@pytest.mark.usefixtures("nothing_left")
def test_unknown_runtime() -> None:
    """What the engine refuses is told in its words."""
    error = fail_to_start(DockerSandbox(SandboxSpec(runtime="no-such-runtime")))
    assert isinstance(error, SandboxUnavailable)
    assert "no-such-runtime" in str(error)


def test_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine at all: what the system said, and what to do instead."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the SDK's own: its refused socket
        error = fail_to_start(DockerSandbox(SandboxSpec()))
        assert isinstance(error, SandboxUnavailable)
        assert "(No such file or directory)" in str(error)
        assert "--sandbox local" in str(error)
        del error
        gc.collect()


@pytest.mark.usefixtures("nothing_left")
def test_files_that_do_not_fit() -> None:
    """A file larger than the workspace is named."""
    limits = Limits(workspace_size=MIB)
    spec = SandboxSpec(limits=limits, files={"small": b"x", "big.bin": b"x" * 3 * MIB})
    error = fail_to_start(DockerSandbox(spec))
    assert isinstance(error, SandboxUnavailable)
    assert "big.bin" in str(error)
    assert "No space left" in str(error)
