"""`--sandbox unsafe`: no sandbox, by the user's own word alone; the rest is as ever."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.cli.command import Command, finish, read_until
from tests.cli.test_ends import BUSY

LOOSE = (
    "```python\nimport os, subprocess, sys\n"
    "code = 'import os, time; os.setsid(); time.sleep(600)'\n"
    "for _ in range(2):\n    subprocess.Popen([sys.executable, '-c', code])\n"
    "pid = os.fork()\nif not pid:\n    os.setsid()\n    if os.fork(): os._exit(0)\n"
    "    import time; time.sleep(600)\n"
    "open('left', 'w').write('x')\nprint('begun', flush=True)\nimport time\ntime.sleep(600)\n```"
)


def test_it_runs_as_the_user_and_says_so(conveyor: Command) -> None:
    """In red on a terminal, and in the report."""
    secret = conveyor.write("secret", "a secret")
    code = f"```python\nimport os\nprint(open({str(secret)!r}).read(), os.getuid())\n```"
    typed = conveyor.terminal("run", "-p", "hi", "--script", conveyor.script(code, "Done."),
                              "--sandbox", "unsafe", size=(120, 40))  # fmt: skip
    assert typed.wait() == 0
    assert "\x1b[1;31mNO SANDBOX: code runs as you" in typed.terminal.sent
    started = next(it for it in conveyor.journal() if it["event"] == "sandbox_started")
    assert (started["kind"], len(started["weaknesses"])) == ("unsafe", 1)
    assert f"a secret {os.getuid()}\n" in {it.get("text") for it in conveyor.journal()}


@pytest.mark.parametrize("trust", [[], ["--trust"]])
def test_a_task_cannot_choose_it(conveyor: Command, trust: list[str]) -> None:
    """Not even a trusted one, nor the project's configuration."""
    script = conveyor.script("Done.")
    task = conveyor.write("task.yaml", "prompt: hi\nsandbox: {kind: unsafe}\n")
    done = conveyor("run", task, "--script", script, *trust)
    assert (done.code, "--sandbox unsafe yourself" in done.complaint) == (2, True)
    conveyor.write("conveyor.toml", 'sandbox.kind = "unsafe"\n')
    done = conveyor("run", "-p", "hi", "--script", script, *trust)
    assert (done.code, "--sandbox unsafe yourself" in done.complaint) == (2, True)


def test_auto_does_not_choose_it(conveyor: Command) -> None:
    """Without an engine and without a local sandbox there is none."""
    done = conveyor("run", "-p", "hi", "--script", conveyor.script("Done."), "-c",
                    "sandbox.kind=unsafe", "-c", "sandbox.strict=true")  # fmt: skip
    assert done.code == 3
    assert "NO SANDBOX" in done.complaint


def test_undo_works_there_too(conveyor: Command) -> None:
    """A call that is invalid in the end is taken back: variables and files."""
    bad = "```python\nx = 2\nopen('a', 'w').write('2')\nx = = 3\n```"
    good = "```python\nx = 1\nopen('a', 'w').write('1')\n```"
    look = "```python\nprint(x, open('a').read())\n```"
    done = conveyor("run", "-p", "hi", "--script", conveyor.script(good, bad, look, "Done."),
                    "--sandbox", "unsafe", "--json")  # fmt: skip
    assert done.json["calls"][-1]["output"] == "1 1\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left(conveyor: Command, number: signal.Signals) -> None:
    """Neither children that have set themselves apart, nor the folder (see the fixture)."""
    script = conveyor.script(LOOSE, "never")
    process = conveyor.start("run", "-p", "hi", "--script", script, "--plain", "--sandbox",
                             "unsafe")  # fmt: skip
    read_until(process, "│ begun")
    assert len(below(process.pid)) >= 5  # the supervisor, the worker, its children
    process.send_signal(number)
    process.communicate()
    until = time.monotonic() + 10
    while list(Path(conveyor.environment["TMPDIR"]).iterdir()):
        assert time.monotonic() < until
        time.sleep(0.05)


def below(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [*map(int, children), *(it for child in children for it in below(int(child)))]


def test_a_unit_that_takes_too_long(conveyor: Command) -> None:
    """The supervisor ends it there as well."""
    process = conveyor.start("run", "-p", "hi", "--script", conveyor.script(BUSY, "Done."),
                             "--json", "--sandbox", "unsafe", "-c",
                             "sandbox.unit_timeout=1")  # fmt: skip
    done = finish(process)
    assert done.json["calls"][0]["error"]["kind"] == "timeout"
