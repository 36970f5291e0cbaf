"""A host of local sandboxes: a process of root, or of an ordinary user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import conveyor_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


MIB = 1024 * 1024
ORDINARY = 54321
WHO = ["root", "user"] if os.geteuid() == 0 else ["user"]
LEFTOVER_LIMIT = 5.0
SECRET = "a secret of the host"


class Host:
    """A process that starts local sandboxes, as root or as an ordinary user."""

    def __init__(self, who: str, folder: Path, *wrapper: str) -> None:
        self.folder = folder
        self.temp = folder / f"tmp-{who}"
        self.temp.mkdir(exist_ok=True)
        self.temp.chmod(0o777)
        identity = {}
        python = sys.executable
        if who == "user" and os.geteuid() == 0:
            identity = {"user": ORDINARY, "group": ORDINARY, "extra_groups": []}
            python = python_of_all(identity)
        self.process = subprocess.Popen(
            [*wrapper, python, str(folder / "driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(folder),
                "PYTHONDONTWRITEBYTECODE": "1",
                "TMPDIR": str(self.temp),
                "HOST_SECRET": SECRET,
            },
            cwd="/",
            **identity,
        )

    def ask(self, code: str, **request: Any) -> dict[str, str]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"code": code, **request}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def out(self, code: str, **request: Any) -> str:
        """What a program prints that must end well."""
        result = self.ask(code, **request)
        assert result.get("status") == "ok", result
        return result["stdout"]

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def python_of_all(identity: dict[str, Any]) -> str:
    """A Python that an ordinary user may run: root's own may lie in a closed folder."""
    for python in (sys.executable, "/usr/bin/python3"):
        check = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(check, check=False, cwd="/", **identity).returncode == 0:
                return python
        except PermissionError:
            continue
    pytest.fail("no Python >= 3.11 that an ordinary user may run: install python3")


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """A folder that every user can read, with our package and a secret in it."""
    folder = Path(tempfile.mkdtemp(prefix="conveyor-test-"))
    folder.chmod(0o755)
    package = Path(conveyor_sandbox.__file__).parent
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).with_name("local_driver.py"), folder / "driver.py")
    (folder / "secret").write_text(SECRET)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module", params=WHO)
def host(request: pytest.FixtureRequest, shared: Path) -> Iterator[Host]:
    host = Host(request.param, shared)
    yield host
    host.close()


def holds(group: Path, host: int) -> bool:
    inside = set((group / "cgroup.procs").read_text().split())
    return bool(inside & {str(pid) for pid, _ in descendants(host)})


def descendants(pid: int) -> set[tuple[int, str]]:
    """All processes below one, each with its start time, so that a reused pid is another."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(folder.name)] = (int(fields[1]), fields[19])
    found = {pid}
    while more := {child for child, (parent, _) in parents.items() if parent in found} - found:
        found |= more
    return {(child, parents[child][1]) for child in found - {pid}}
