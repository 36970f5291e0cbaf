"""How a run ends before its end: Ctrl-C, SIGTERM, SIGHUP, `kill -9`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command, finish, named, read_until

SANDBOXES = ["local", pytest.param("docker", marks=pytest.mark.docker)]
BUSY = (
    "```python\nx = 1\nprint('begun', flush=True)\nimport time\ntime.sleep(60)\nprint('never')\n```"
)
LONG = "```python\nx = 1\nprint('begun', flush=True)\n" + "# more\n" * 2000 + "```"
STUBBORN = (
    "```python\nimport signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "print('begun', flush=True)\nwhile True:\n    time.sleep(1)\ns = 1\n"
    + "# more\n" * 3000
    + "```"
)


def begin(conveyor: Command, response: str, *args: str) -> subprocess.Popen[Any]:
    """A run that has begun to run code, and does not end by itself."""
    script = conveyor.script(response, "never")
    process = conveyor.start("run", "-p", "hi", "--script", script, "--plain", "--json", *args)
    read_until(process, "│ begun")
    return process


def ended(conveyor: Command) -> dict[str, Any]:
    """The last event of the only journal."""
    last = conveyor.journal()[-1]
    assert last["event"] == "run_ended"
    return last


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("response", [BUSY, LONG], ids=["unit", "decode"])
@pytest.mark.parametrize("mode", ["partial"])
def test_ctrl_c_takes_the_call_back(
    conveyor: Command, response: str, sandbox: str, mode: str
) -> None:
    """Once, while a unit runs or while the model decodes: 130, told in report and journal."""
    process = begin(conveyor, response, "--sandbox", sandbox, "--mode", mode)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code == 130
    assert done.complaint == "interrupted"
    assert done.json["status"] == "interrupted"
    (call,) = done.json["calls"]
    assert (call["status"], call["error"]["kind"]) == ("cancelled", "interrupt")
    assert call["output"] == ""
    events = conveyor.journal()
    assert ended(conveyor)["status"] == "interrupted"
    assert named(events, "decode_stopped")
    assert len(named(events, "rolled_back")) == 1
    assert conveyor.containers() == []


def test_ctrl_c_in_sequential_mode(conveyor: Command) -> None:
    """Nothing has run yet: there is nothing to take back."""
    script = conveyor.script(LONG, "never")
    process = conveyor.start("run", "-p", "hi", "--script", script, "--plain", "--json",
                             "--mode", "sequential", "--sandbox", "local")  # fmt: skip
    read_until(process, "begun")
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code == 130
    assert done.json["calls"][0]["status"] == "cancelled"
    assert named(conveyor.journal(), "rolled_back") == []


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_ctrl_c_twice_ends_at_once(conveyor: Command, sandbox: str) -> None:
    """Even code that ignores the interrupt: 130, the status right, nothing left."""
    process = begin(conveyor, STUBBORN, "--sandbox", sandbox)
    process.send_signal(signal.SIGINT)
    conveyor.wait_for("decode_stopped")
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code == 130
    assert done.json["status"] == "interrupted"
    assert ended(conveyor)["status"] == "interrupted"
    assert conveyor.containers() == []


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize(
    ("number", "code", "status"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 143, "terminated"),
    ],
)
def test_a_signal_during_start_up(
    conveyor: Command, sandbox: str, number: signal.Signals, code: int, status: str
) -> None:
    """While the sandbox starts: the right exit code and status, nothing left."""
    process = conveyor.start("run", "-p", "hi", "--script", conveyor.script("x"), "--plain",
                             "--json", "--sandbox", sandbox)  # fmt: skip
    read_until(process, "starting the sandbox")
    process.send_signal(number)
    done = finish(process)
    assert (done.code, done.json["status"]) == (code, status)
    assert ended(conveyor)["status"] == status


def test_ctrl_c_while_it_is_loaded(conveyor: Command) -> None:
    """130, and no traceback. Here a library is loaded that presses it."""
    pressing = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)\n"
    (conveyor.folder / "early").mkdir()
    conveyor.write("early/typer.py", pressing)
    done = conveyor("--version", PYTHONPATH=str(conveyor.folder / "early"))
    assert (done.code, done.out, done.err) == (130, "", "")


def test_it_is_a_module_too(conveyor: Command) -> None:
    done = conveyor.shell(f"{sys.executable} -m conveyor_cli --version")
    assert (done.code, done.out) == (0, conveyor("--version").out)


@pytest.mark.parametrize("number", ["HUP", "INT"])
def test_what_was_ignored_before_stays_so(conveyor: Command, number: str) -> None:
    """As `nohup` has SIGHUP ignored, and a shell SIGINT for what it starts in the background."""
    code = "print('begun', flush=True)\nimport time\ntime.sleep(1)\nprint('whole')"
    conveyor.script(f"```python\n{code}\n```", "Done.")
    run = "conveyor run -p hi --script script.txt --sandbox local --plain 2> log"
    begun = "until grep -q 'begun$' log; do sleep 0.05; done"
    done = conveyor.shell(f"trap '' {number}; {run} & {begun}; kill -{number} $!; wait $!")
    assert (done.code, done.out) == (0, "Done.\n")


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_termination_ends_at_once(conveyor: Command, sandbox: str, number: signal.Signals) -> None:
    """143, the journal ends with it, nothing left."""
    process = begin(conveyor, BUSY, "--sandbox", sandbox)
    process.send_signal(number)
    done = finish(process)
    assert done.code == 143
    assert done.complaint == "terminated"
    assert done.json["status"] == "terminated"
    assert ended(conveyor)["status"] == "terminated"
    assert conveyor.containers() == []


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("response", [BUSY, LONG], ids=["unit", "decode"])
def test_kill_9_loses_nothing(conveyor: Command, sandbox: str, response: str) -> None:
    """All that had happened is in the journal; within 5 s (see the fixture) nothing is left."""
    process = begin(conveyor, response, "--sandbox", sandbox)
    process.kill()
    process.communicate()
    events = conveyor.journal()
    assert "begun\n" in {event["text"] for event in named(events, "output_received")}
    assert named(events, "run_ended") == []


def test_a_local_sandbox_killed_from_outside(conveyor: Command) -> None:
    """Its call fails, the model is told, and the run goes on in a fresh one."""
    process = begin(conveyor, BUSY, "--sandbox", "local")
    (jail,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(jail), signal.SIGKILL)
    done = finish(process)
    assert (done.code, done.json["status"]) == (0, "done")
    assert [call["error"]["kind"] for call in done.json["calls"]] == ["sandbox_died"]


def test_kill_9_during_start_up(conveyor: Command) -> None:
    """Nothing is left then either."""
    process = conveyor.start("run", "-p", "hi", "--script", conveyor.script("x"), "--plain",
                             "--sandbox", "local")  # fmt: skip
    read_until(process, "starting the sandbox")
    process.kill()
    process.communicate()
    assert conveyor.journal()[0]["event"] == "run_started"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_comparison_is_ended_by_a_signal(
    conveyor: Command, number: signal.Signals, code: int
) -> None:
    """The run under way ends, no table is shown, nothing is left."""
    script = conveyor.script(BUSY, "never")
    process = conveyor.start("compare", "-p", "hi", "--script", script, "--sandbox", "local")
    conveyor.wait_for('"text": "begun')
    process.send_signal(number)
    done = finish(process)
    assert (done.code, done.out) == (code, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_live_view_gives_the_terminal_back(conveyor: Command, number: signal.Signals) -> None:
    """The cursor is shown again, the last frame stays, and the end is told."""
    script = conveyor.script(BUSY, "never")
    typed = conveyor.terminal("run", "-p", "hi", "--script", script, "--sandbox", "local")
    typed.until("│ begun")
    typed.child.kill(number)
    assert typed.wait() == (130 if number == signal.SIGINT else 143)
    assert typed.terminal.sent.rindex("\x1b[?25h") > typed.terminal.sent.rindex("\x1b[?25l")
    assert "│ begun" in typed.terminal.text


def test_ctrl_c_typed_on_a_terminal(conveyor: Command) -> None:
    """The terminal signals the whole group: the sandbox must not hear it."""
    script = conveyor.script(BUSY, "never")
    typed = conveyor.terminal("run", "-p", "hi", "--script", script, "--sandbox", "local",
                              "--json")  # fmt: skip
    typed.until("begun")
    typed.type("\x03")
    assert typed.wait() == 130
    assert json.loads(conveyor.journals()[0].read_text().splitlines()[-1])["status"] == (
        "interrupted"
    )
