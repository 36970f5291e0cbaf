"""Shell programs end the same in both modes, and whole as one script of a plain bash."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conveyor_cli.backends.base import Finish
from conveyor_cli.engine.events import CallEnded
from conveyor_cli.engine.policy import Mode
from conveyor_sandbox.reports import Status, Stream
from tests.differential.arms import UNTIL_IT_RAN, Arm, Pieces
from tests.differential.chopping import ragged, whole

pytestmark = pytest.mark.docker
_CELL = re.compile(r"^# %% (.*?)(?: \[(open)\])?\n", re.MULTILINE)
_WHERE = re.compile(r"^(?:bash|/tmp/bash): (eval: )?(line \d+: )?", re.MULTILINE)
_EMPTY = """
import os, shutil
os.chdir('/workspace')
for name in os.listdir('.'):
    shutil.rmtree(name) if os.path.isdir(name) and not os.path.islink(name) else os.unlink(name)
"""
_LOOK = """
import glob, json, os
found = {}
for path in sorted(glob.glob('/workspace/**', recursive=True, include_hidden=True)):
    mode = os.lstat(path).st_mode
    text = open(path, 'rb').read().decode('latin-1') if os.path.isfile(path) else ''
    found[path] = [mode, text]
print(json.dumps(found))
"""
_WHOLE = """
import subprocess
with open('/tmp/bash', 'w') as script:
    script.write({text!r})
done = subprocess.run(['bash', '/tmp/bash'], capture_output=True, stdin=subprocess.DEVNULL)
ended = [done.returncode, done.stdout.decode('utf-8', 'replace'), done.stderr.decode()]
print(json.dumps([*ended, found_after()]))
"""


def cells() -> Iterator[tuple[str, str, bool]]:
    before, *found = _CELL.split((Path(__file__).parent / "commands.sh").read_text())
    assert before == ""
    for name, mark, text in zip(*[iter(found)] * 3, strict=True):
        yield name, text, bool(mark)


PROGRAMS = {name: (text, is_open) for name, text, is_open in cells()}


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}" + ("```\n" if text.endswith("\n") else "")


class ShellArm(Arm):
    """An engine with both a shell and Python, on one workspace."""

    tools = ("shell", "python")

    async def python(self, code: str) -> str:
        await self.respond([(0, fenced("python", code))])
        assert self.outcome.status is Status.OK, self.outcome
        return self.written(Stream.STDOUT)

    async def begin(self) -> None:
        assert self._workplace.guest is not None
        self._workplace.guest.restart()
        await self.python(_EMPTY)

    async def commands(self, pieces: Pieces) -> dict[str, Any]:
        """What a program wrote, how it ended, and the files that it left."""
        await self.begin()
        await self.respond(pieces)
        (ended,) = [event.outcome for event in self.events if isinstance(event, CallEnded)]
        told = {
            "stdout": self.written(Stream.STDOUT),
            "stderr": self.written(Stream.STDERR),
            "status": ended.status,
            "why": ended.failure and (ended.failure.type, ended.failure.message),
        }
        return {**told, "files": json.loads(await self.python(_LOOK))}

    async def in_bash(self, text: str) -> dict[str, Any]:
        """The same of one plain bash."""
        await self.begin()
        look = "def found_after():\n" + "".join(f"    {line}\n" for line in _LOOK.splitlines())
        look = look.replace("print(json.dumps(found))", "return found")
        said = await self.python(f"import json\n{look}{_WHOLE.format(text=text)}")
        status, stdout, stderr, files = json.loads(said)
        why = None if not status else ("exit status", str(status))
        if status < 0:
            why = ("SIGTERM", "the shell was killed by SIGTERM")
        told = {"stdout": stdout, "stderr": stderr, "why": why}
        return {**told, "status": Status.ERROR if status else Status.OK, "files": files}


@pytest.fixture(scope="module")
def arms() -> Iterator[tuple[asyncio.Runner, ShellArm, ShellArm]]:
    with asyncio.Runner() as runner:
        both = ShellArm(Mode.PARTIAL), ShellArm(Mode.SEQUENTIAL)
        try:
            for arm in both:
                runner.run(arm.start())
            yield runner, *both
        finally:
            for arm in both:
                runner.run(arm.stop())


def unplaced(found: dict[str, Any]) -> dict[str, Any]:
    """Without the lines of messages: the session's shell counts them from its start."""
    return {**found, "stderr": _WHERE.sub("bash: ", found["stderr"])}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(arms: tuple[asyncio.Runner, ShellArm, ShellArm], name: str) -> None:
    """Output, exit status and files are those of one script, in both modes."""
    runner, partial, sequential = arms
    text, is_open = PROGRAMS[name]
    response = fenced("bash", text)
    expected = unplaced(runner.run(sequential.in_bash(text)))
    in_order = unplaced(runner.run(sequential.commands(whole(response))))
    early = unplaced(runner.run(partial.commands(ragged(response, name))))
    assert early == in_order
    if is_open:  # that the text ends too soon is said in other words, and with another status
        assert in_order["stdout"] == expected["stdout"]
        assert (in_order["status"] is Status.OK) == (expected["status"] is Status.OK)
    else:
        assert in_order == expected


def test_cut_off(arms: tuple[asyncio.Runner, ShellArm, ShellArm]) -> None:
    """What ran of a call that is cut off is taken back: files, folder and variables."""
    runner, partial, _ = arms
    runner.run(partial.begin())
    first = "```bash\nx=1; mkdir d; cd d; echo 1 > f\n"
    runner.run(partial.respond([(0, first), (UNTIL_IT_RAN, "echo 2 > ")], Finish.LENGTH))
    assert partial.outcome.status is Status.ROLLED_BACK
    assert [event.outcome.status for event in partial.finished] == [Status.OK]
    runner.run(partial.respond(whole(fenced("bash", "echo ${x-none} $PWD; ls\n"))))
    assert partial.written(Stream.STDOUT) == "none /workspace\n"


def test_an_exit_ends_decoding(arms: tuple[asyncio.Runner, ShellArm, ShellArm]) -> None:
    """What the model would write after it is not waited for."""
    runner, partial, _ = arms
    runner.run(partial.begin())
    pieces = [(0.0, "```bash\necho a; exit 3\n"), (600.0, "echo never\n```\n")]
    runner.run(partial.respond(pieces))
    assert partial.written(Stream.STDOUT) == "a\n"
    assert partial.outcome.failure is not None
    assert (partial.outcome.failure.type, partial.outcome.failure.message) == ("exit status", "3")
    assert len(partial.ready) == 1


def test_known_difference(arms: tuple[asyncio.Runner, ShellArm, ShellArm]) -> None:
    """A trap of the shell's end waits for that: the shell outlives its calls."""
    runner, _, sequential = arms
    text = "trap 'echo bye' EXIT\necho hello\n"
    assert runner.run(sequential.in_bash(text))["stdout"] == "hello\nbye\n"
    assert runner.run(sequential.commands(whole(fenced("bash", text))))["stdout"] == "hello\n"


def test_table_is_large() -> None:
    """There are at least seventy programs."""
    assert len(PROGRAMS) >= 70
