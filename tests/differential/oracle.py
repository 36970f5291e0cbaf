"""The independent reference: a plain Python of the same image that runs each program whole.

Nothing of ours is at work there: no splitter, no engine, no guest.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.differential.results import Result, read_observation

INSIDE = Path(__file__).parent / "inside"
OBSERVER = (INSIDE / "observer.py").read_text()

_OWNED = "rw,nosuid,nodev,exec,uid=1000,gid=1000,mode=0755"
_CONTAINER = [
    *("docker", "run", "--rm", "--interactive", "--network", "none", "--read-only"),
    *("--tmpfs", f"/workspace:{_OWNED}", "--tmpfs", f"/tmp:{_OWNED}"),
    *("--tmpfs", f"/oracle:{_OWNED}", "--user", "1000:1000", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--memory", "1g", "--pids-limit", "128"),
    *("--env", "HOME=/workspace", "--env", "LANG=C.UTF-8", "--env", "PYTHONHASHSEED=0"),
    *("--workdir", "/workspace", "--log-driver", "none", "--entrypoint", "python3"),
]


class Oracle:
    """A container with a plain Python in it, asked one thing at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.version = tuple(self._ask((INSIDE / "whole.py").read_text()))

    def _send(self, value: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def _ask(self, request: Any) -> Any:
        assert self._process.stdout is not None
        self._send(request)
        return json.loads(self._process.stdout.readline())

    def source(self, module: str) -> str | None:
        """The text of a module of the standard library there, if it is there."""
        found = self._ask({"module": module})["source"]
        return None if found is None else str(found)

    def run(self, program: str, *, awaits: bool = False) -> Result:
        """Execute a program as one whole. `awaits`: in an event loop, with top-level `await`."""
        job = {"source": program, "awaits": awaits, "observer": OBSERVER, "plain": False}
        answer = self._ask(job)
        said, _, observed = answer["report"].partition("\n")
        if not said:
            return Result(answer["out"], answer["err"], _death(answer["code"]), died=True)
        report = json.loads(said)
        return Result(
            answer["out"],
            answer["err"],
            report["error"],
            report["result"],
            invalid=report["invalid"],
            observed=read_observation(observed),
        )

    def run_script(self, program: str) -> tuple[str, str, int]:
        """Run `python3 program.py`: its standard output, standard error and exit code."""
        answer = self._ask({"source": program, "plain": True})
        return answer["out"], answer["err"], answer["code"]


def _death(code: int) -> dict[str, str]:
    """The error of a program that ended its interpreter."""
    if code >= 0:
        message = f"the interpreter ended, code {code}"
        return {"type": "SystemExit", "message": message, "traceback": ""}
    import signal  # noqa: PLC0415 - only for its names

    name = signal.Signals(-code).name
    message = f"the interpreter was killed by {name}"
    return {"type": name, "message": message, "traceback": ""}


@contextlib.contextmanager
def open_oracle(image: str) -> Iterator[Oracle]:
    """Start its container. When its standard input closes, it ends and is removed."""
    driver = (INSIDE / "driver.py").read_text()
    with subprocess.Popen(
        [*_CONTAINER, image, "-c", driver],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        yield Oracle(process)
        assert process.stdin is not None
        process.stdin.close()
