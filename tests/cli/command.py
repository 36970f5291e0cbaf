"""Runs the installed `conveyor` command, on pipes or on a real terminal."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect

from tests.cli.views.terminal import Terminal

CONVEYOR = str(Path(sys.executable).with_name("conveyor"))
_PR_SET_CHILD_SUBREAPER = 36
_GONE_S = 5.0
"""What a killed command leaves must be gone by then."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line that says what is wrong."""
        lines = [line for line in self.err.splitlines() if line.startswith("conveyor: ")]
        assert len(lines) == 1, self.err
        assert "\nTraceback" not in f"\n{self.err}"
        return lines[0].removeprefix("conveyor: ")

    @property
    def only_complaint(self) -> str:
        """The same, where nothing else was said at all."""
        assert len(self.err.splitlines()) == 1, self.err
        assert self.out == ""
        return self.complaint


class Command:
    """The command, in an empty folder and home, with the user's own environment left out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.home = folder / "home"
        self.folder.mkdir()
        self.home.mkdir()
        # Not below `folder`: the path of a Unix socket may have no more than 107 bytes.
        self._temporary = Path(tempfile.mkdtemp(prefix="cli-"))
        kept = {"PATH", "PYTHONPATH", "DOCKER_HOST"}
        self.environment = {name: value for name, value in os.environ.items() if name in kept}
        self.environment |= {
            "HOME": str(self.home),
            "TMPDIR": str(self._temporary),
            "TERM": "xterm-256color",
            "HF_HUB_OFFLINE": "1",
            "TORCHINDUCTOR_CACHE_DIR": str(self.home / ".cache/torch"),  # torch's own leftover
            "LANG": "C.UTF-8",
        }
        self._started: list[subprocess.Popen[str]] = []
        self._owners: set[int] = set()

    def __call__(
        self, *args: str | Path, stdin: str | bytes | None = None, **environment: str
    ) -> Done:
        """Run it to its end."""
        process = self.start(*args, **environment)
        given = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = process.communicate(given, timeout=60)  # type: ignore[arg-type]
        return Done(process.returncode, as_text(out), as_text(err))

    def start(self, *args: str | Path, **environment: str) -> subprocess.Popen[Any]:
        """Start it, on pipes."""
        process = subprocess.Popen(
            [CONVEYOR, *map(str, args)],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._started.append(process)
        self._owners.add(process.pid)
        return process

    def shell(self, line: str, **environment: str) -> Done:
        """Run a line of bash, in which `conveyor` is the command; its status is the first one's."""
        done = subprocess.run(
            ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
            cwd=self.folder,
            env=self.environment
            | {"PATH": f"{Path(CONVEYOR).parent}:{os.environ['PATH']}"}
            | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, as_text(done.stdout), as_text(done.stderr))

    def terminal(
        self, *args: str | Path, size: tuple[int, int] = (80, 24), **environment: str
    ) -> Typed:
        """Start it on a terminal of so many columns and rows."""
        child = pexpect.spawn(
            CONVEYOR,
            [str(arg) for arg in args],
            cwd=self.folder,
            env=self.environment | environment,
            dimensions=(size[1], size[0]),
            encoding="utf-8",
            timeout=30,
        )
        assert child.pid is not None
        self._owners.add(child.pid)
        return Typed(child, size)

    def write(self, name: str, text: str) -> Path:
        """A file in the command's folder."""
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path

    def script(self, *responses: str, name: str = "script.txt") -> Path:
        """A script with these responses."""
        return self.write(name, "\n<<<turn>>>\n".join(responses))

    def containers(self) -> list[str]:
        """Containers that these commands own."""
        listed = docker("ps", "-a", "--format", '{{.ID}} {{.Label "conveyor.owner"}}')
        owned = [line.split(" ") for line in listed.splitlines()]
        return [it for it, owner in owned if owner and int(owner.split(":")[1]) in self._owners]

    def journals(self) -> list[Path]:
        """The journals in the usual place, the oldest first."""
        found = (self.home / ".local/state/conveyor/runs").glob("*.jsonl")
        return sorted(found, key=lambda path: path.stat().st_mtime_ns)

    def journal(self) -> list[dict[str, Any]]:
        """The events of the only run, every line of them whole."""
        (path,) = self.journals()
        return records(path.read_text())

    def wait_for(self, text: str) -> None:
        """Until a journal holds the text."""
        deadline = time.monotonic() + 20
        while not any(text in path.read_text() for path in self.journals()):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def end(self) -> None:
        """Nothing that was started is running any more."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()

    def forget(self) -> None:
        """Remove the temporary folder, with all that may be left in it."""
        shutil.rmtree(self._temporary)

    def left_behind(self, orphans: Callable[[], list[int]]) -> list[str]:
        """Processes, containers and temporary files that outlived their run by 5 s."""
        until = time.monotonic() + _GONE_S
        while True:
            left = [f"process {pid}" for pid in orphans()]
            left += [str(path) for path in self._temporary.iterdir()]
            left += [f"container {it}" for it in self.containers()] if engine_answers() else []
            if not left or time.monotonic() > until:
                return left
            time.sleep(0.05)


class Typed:
    """The command on a terminal that someone looks at and types into."""

    def __init__(self, child: pexpect.spawn[str], size: tuple[int, int]) -> None:
        self.child = child
        self.terminal = Terminal(*size)
        child.logfile_read = self

    def write(self, text: str) -> None:
        self.terminal.screen_feed(text)
        if "\x1b[6n" in text:  # it asks where the cursor is
            cursor = self.terminal.screen.cursor
            self.child.send(f"\x1b[{cursor.y + 1};{cursor.x + 1}R")

    def flush(self) -> None:
        """For pexpect."""

    def type(self, text: str) -> None:
        self.child.send(text)

    def until(self, text: str) -> None:
        """Wait until the terminal shows the text."""
        deadline = time.monotonic() + 20
        while text not in self.terminal.text:
            assert time.monotonic() < deadline, self.terminal.text
            with contextlib.suppress(pexpect.TIMEOUT):
                self.child.expect(r".+", timeout=0.1)

    def wait(self) -> int:
        """Its exit code, once all of its output is on the terminal."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        code = self.child.exitstatus
        assert code is not None, f"ended by signal {self.child.signalstatus}"
        return int(code)


def as_text(data: bytes) -> str:
    return data.decode("utf-8", "strict")


def records(text: str) -> list[dict[str, Any]]:
    """The objects of JSON lines."""
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def named(events: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The events of that name."""
    return [event for event in events if event["event"] == name]


def read_until(process: subprocess.Popen[Any], text: str) -> str:
    """What it says on standard error up to the line that holds the text."""
    said = ""
    for line in process.stderr:  # type: ignore[union-attr]
        said += as_text(line)
        if text in as_text(line):
            return said
    raise AssertionError(f"{text!r} was never said:\n{said}")


def finish(process: subprocess.Popen[Any]) -> Done:
    """How a started command ends."""
    out, err = process.communicate(timeout=60)
    return Done(process.returncode, as_text(out), as_text(err))


def docker(*args: str) -> str:
    return subprocess.run(
        ["docker", *args], capture_output=True, text=True, check=True, timeout=60
    ).stdout


@functools.cache
def engine_answers() -> bool:
    try:
        docker("version")
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@contextlib.contextmanager
def adopt_orphans() -> Iterator[Callable[[], list[int]]]:
    """Processes whose parent ended become ours; the value lists those that live."""
    libc = ctypes.CDLL(None)
    before = set(_children())
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def orphans() -> list[int]:
        alive = []
        for pid in set(_children()) - before:
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG) == (0, 0):
                    alive.append(pid)
        return alive

    try:
        yield orphans
    finally:
        for pid in orphans():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _children() -> list[int]:
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(pid) for pid in found.split()]
