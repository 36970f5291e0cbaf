"""`runtime: runsc`: a kernel of its own for the sandbox (gVisor). The engine is the test's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from conveyor_sandbox.docker import DockerSandbox
from conveyor_sandbox.sandbox import SandboxSpec
from tests.cli.command import Command
from tests.engines import needs_own_engine, own_engine
from tests.sandbox.conftest import open_lab
from tests.sandbox.hostile.arena import open_arena
from tests.sandbox.hostile.programs import TABLES

pytestmark = [
    pytest.mark.full,
    pytest.mark.docker,
    needs_own_engine,
    pytest.mark.skipif(not shutil.which("runsc"), reason="needs runsc"),
]
# What its kernel does in another way than Linux, or not at all: between the code and the
# supervisor, both inside of it, or with things of its own that it shows.
OTHERWISE = {
    "the supervisor's environment", "a disk", "kernel settings", "a file without a name",
    "setuid programs count", "an interface's address",
}  # fmt: skip
WALLS = [
    (table, name)
    for table in ("files", "network")
    for name, program in TABLES[table].items()
    if "docker" in program.kinds and name not in OTHERWISE
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An engine that has it. Its host."""
    config = tmp_path_factory.mktemp("runsc") / "daemon.json"
    # Of 2022, it takes any network of a kernel of today for the machine's own, and refuses.
    runsc = {"path": shutil.which("runsc"), "runtimeArgs": ["--network=none"]}
    config.write_text(json.dumps({"runtimes": {"runsc": runsc}}))
    with own_engine("--config-file", str(config)) as engine:
        yield engine.host
        assert engine.containers() == []


def test_a_run(conveyor: Command, engine: str) -> None:
    """From start to end, on another kernel than this machine's; what is weaker there is said."""
    code = "```python\nprint(open('/proc/version').read())\nx = 1\n```"
    done = conveyor("run", "-p", "hi", "--script", conveyor.script(code, "Done."), "--json",
                    "--plain", "-c", "sandbox.runtime=runsc", DOCKER_HOST=engine)  # fmt: skip
    assert (done.code, done.json["answer"]) == (0, "Done."), done.err
    (call,) = done.json["calls"]
    assert call["output"].startswith("Linux version 4.4.0")
    assert Path("/proc/version").read_text() != call["output"]
    assert "its kernel hides no process" in done.err


def test_a_runtime_that_the_engine_does_not_have(conveyor: Command, engine: str) -> None:
    """One line, before anything runs."""
    done = conveyor("run", "-p", "hi", "--script", conveyor.script("x"),
                    "-c", "sandbox.runtime=nope", DOCKER_HOST=engine)  # fmt: skip
    assert done.code == 3
    assert "sandbox.runtime" in done.complaint
    assert "nope" in done.complaint


def test_walls_to_the_host(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and network, program by program, as in the other sandboxes."""
    monkeypatch.setenv("DOCKER_HOST", engine)
    monkeypatch.setenv("HOST_SECRET", "secret")
    with open_arena("docker", runtime="runsc") as arena:
        for table, name in WALLS:
            arena.judge(TABLES[table][name])


def test_undo_and_ends_of_the_code(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen copies, limits on time, and a crash: the supervisor does its work there too."""
    monkeypatch.setenv("DOCKER_HOST", engine)
    with open_lab(DockerSandbox(SandboxSpec(runtime="runsc"))) as lab:
        lab.call("x = 1\n", "open('a', 'w').write('1')\n")
        assert lab.checkpoint().why_not == ""
        lab.call("x = 2\n", "open('a', 'w').write('2')\n")
        lab.roll_back()
        assert lab.call("x, open('a').read()\n").outcome.result == "(1, '1')"
        assert lab.call("import os\n", "os._exit(1)\n").kinds[-1] == "exit"
        assert lab.alive()
