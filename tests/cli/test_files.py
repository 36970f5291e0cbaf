"""Files of a run come out: `--save-files`."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command, Done, docker, finish, named, records

DOCKER = pytest.param("docker", marks=pytest.mark.docker)
SANDBOXES = ["local", DOCKER]


def run_code(conveyor: Command, sandbox: str, code: str, *args: str | Path) -> Done:
    """A run whose only call has this code."""
    script = conveyor.script(f"```python\n{code}\n```", "done")
    return conveyor("run", "-p", "hi", "--script", script, "--rate", "5000", "--sandbox", sandbox,
                    *args)  # fmt: skip


def below(folder: Path) -> dict[str, bytes]:
    return {
        str(it.relative_to(folder)): it.read_bytes() for it in folder.rglob("*") if it.is_file()
    }


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_files_come_out(conveyor: Command, sandbox: str) -> None:
    """What was made or changed is saved and told of; what was only put in is not."""
    conveyor.write("in.csv", "a,b\n")
    conveyor.write("same.csv", "c,d\n")
    done = run_code(
        conveyor, sandbox,
        "import os\nos.makedirs('charts/q1')\nopen('charts/q1/plot.png', 'wb').write(b'\\x89PNG')\n"
        "open('in.csv', 'a').write('1,2\\n')\nopen('same.csv', 'r+').write('c,d\\n')\n"
        "open('tool', 'w').write('x')\nos.chmod('tool', 0o755)",
        "--save-files", "out/deep", "--json",
        "-c", "sandbox.files={in.csv: in.csv, same.csv: same.csv}",
    )  # fmt: skip
    assert done.code == 0, done.err
    saved = below(conveyor.folder / "out/deep")
    assert saved == {"charts/q1/plot.png": b"\x89PNG", "in.csv": b"a,b\n1,2\n", "tool": b"x"}
    assert os.access(conveyor.folder / "out/deep/tool", os.X_OK)
    assert done.json["files"][0] == {
        "path": "charts/q1/plot.png",
        "size": 4,
        "type": "image/png",
        "saved_as": "out/deep/charts/q1/plot.png",
    }
    assert "  in.csv  8 B  text/csv" in done.err
    events = named(conveyor.journal(), "file_saved")
    assert [event["path"] for event in events] == sorted(saved)
    assert conveyor.journal()[-1]["event"] == "run_ended"


HOSTILE = """\
import os, socket
os.symlink("/etc/passwd", "link")
os.symlink("/etc", "folder")
os.mkfifo("pipe")
socket.socket(socket.AF_UNIX).bind("sock")
open("sparse", "wb").truncate(60 * 1024**2)
open("esc\\x1b[2J\\n", "w").write("1")
open(b"inv\\xff", "w").write("2")
open("back\\\\slash", "w").write("3")
os.makedirs(".ssh")
open(".ssh/authorized_keys", "w").write("key")
open("taken", "w").write("ours")
open("pointed", "w").write("ours")
os.makedirs("there")
open("there/x", "w").write("ours")
open("fine", "w").write("fine")
"""


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_hostile_files(conveyor: Command, sandbox: str) -> None:
    """Nothing is followed, overwritten, or written outside; each refusal has its line."""
    outside = conveyor.folder / "outside"
    outside.mkdir()
    out = conveyor.folder / "out"
    out.mkdir()
    (out / "taken").write_text("theirs")
    (out / "pointed").symlink_to(outside / "new")
    (out / "there").symlink_to(outside)
    options = ("--save-files", "out", "--json")
    done = run_code(conveyor, sandbox, HOSTILE, *options)
    assert done.json["calls"][0]["status"] == "ok", done.json["calls"]
    assert not list(outside.iterdir())
    saved = below(out)
    assert len(saved.pop("sparse")) == 60 * 1024**2
    assert saved == {
        "esc_[2J_": b"1",
        "inv_": b"2",
        "back_slash": b"3",
        "taken": b"theirs",
        "taken-2": b"ours",
        "pointed-2": b"ours",
        "fine": b"fine",
    }
    why = {it["path"]: it["why"] for it in done.json["left_out"]}
    assert why["link"] == "a link to /etc/passwd"
    assert why["pipe"] == "a FIFO"
    assert why["sock"] == "a socket"
    assert "Not a directory" in why["there/x"]
    assert "hidden" in why[".*"]
    assert "\x1b" not in done.err
    assert "as out/taken-2" in done.err
    assert done.code == 1  # there/x should have been saved
    assert not any(it.name.startswith(".conveyor") for it in out.rglob("*"))


FAILS = "open('a', 'w').write('kept')\nraise SystemExit(3)"
ENDLESS = "open('a', 'w').write('kept')\nprint('begun', flush=True)\nwhile True: pass"


def test_files_of_a_failed_run(conveyor: Command) -> None:
    """A run that reaches a limit keeps its files."""
    done = run_code(conveyor, "local", FAILS, "--save-files", "out", "-c", "limits.turns=1")
    assert done.code == 5
    assert below(conveyor.folder / "out") == {"a": b"kept"}


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_files_of_a_run_that_is_ended(
    conveyor: Command, sandbox: str, number: signal.Signals, code: int
) -> None:
    """By SIGTERM or Ctrl-C while code runs: what is there then is saved.

    A call that was stopped is taken back, by Ctrl-C as ever: its files with it.
    """
    first = "open('b', 'w').write('before')"
    script = conveyor.script(f"```python\n{first}\n```", f"```python\n{ENDLESS}\n```", "done")
    process = conveyor.start("run", "-p", "hi", "--script", script, "--rate", "5000", "--sandbox",
                             sandbox, "--save-files", "out")  # fmt: skip
    conveyor.wait_for('"text": "begun')  # what it has written, not the code that is to write it
    process.send_signal(number)
    done = finish(process)
    assert done.code == code
    kept = {"b": b"before", **({"a": b"kept"} if number == signal.SIGTERM else {})}
    assert below(conveyor.folder / "out") == kept


def test_a_folder_that_cannot_be_had(conveyor: Command) -> None:
    """Is said before anything is done."""
    conveyor.write("out", "a file")
    done = run_code(conveyor, "local", "open('a', 'w')", "--save-files", "out/deep")
    assert done.code == 2
    assert done.only_complaint.endswith("out is no folder: name another folder")


def test_a_folder_that_is_taken_meanwhile(conveyor: Command) -> None:
    """Is said at the end; the answer is there all the same."""
    conveyor.write(
        "mytools.py", "def take() -> None:\n    'Take it.'\n    open('out', 'w').close()\n"
    )
    tools = ("--trust", "-c", "tools=[python, ./mytools.py:take]", "-c", "approve=never")
    done = run_code(conveyor, "local", "take()", "--save-files", "out", *tools)
    assert (done.code, done.out) == (1, "done\n")
    assert "--save-files out" in done.complaint


@pytest.mark.docker
def test_a_sandbox_that_is_gone(conveyor: Command) -> None:
    """Its files went with it; the project is not taken for deleted."""
    (conveyor.folder / "project").mkdir()
    conveyor.write("project/mine", "mine")
    code = "import os, time\nos.remove('mine')\nprint('begun', flush=True)\ntime.sleep(60)"
    script = conveyor.script(f"```python\n{code}\n```", "done")
    process = conveyor.start("run", "-p", "hi", "--script", script, "--rate", "5000", "--sandbox",
                             "docker", "--save-files", "out", "--workspace", "project", "--apply",
                             "always", "--json")  # fmt: skip
    conveyor.wait_for('"text": "begun')
    (container,) = conveyor.containers()
    docker("kill", container)
    done = finish(process)
    assert done.json["calls"][0]["error"]["kind"] == "sandbox_died"
    assert (done.json["files"], done.json["workspace"]["changes"]) == ([], [])
    assert below(conveyor.folder / "project") == {"mine": b"mine"}


def test_a_task_does_not_choose_where_files_go(conveyor: Command) -> None:
    """Unless the user trusts it; what they say themselves needs no trust."""
    script = conveyor.script("```python\nopen('a', 'w').write('x')\n```", "done")
    task = conveyor.write(
        "task.yaml",
        f"prompt: hi\nsave_files: there\nmodel: {{backend: scripted, script: {script}}}\n"
        "sandbox: {kind: local}\n",
    )
    done = conveyor("run", task)
    assert (done.code, done.out) == (2, "")
    assert "task.yaml:2: save_files" in done.complaint
    assert conveyor("run", task, "--trust").code == 0
    assert below(conveyor.folder / "there") == {"a": b"x"}
    assert conveyor("run", task, "--save-files", "here").code == 0
    assert below(conveyor.folder / "here") == {"a": b"x"}


DRAW = """\
import matplotlib.pyplot as plt
plt.plot([1, 2, 3])
plt.show()
print(plt.get_fignums())
plt.plot([3, 2, 1])"""
DRAW_MORE = """\
plt.title("later")
other = plt.figure()
plt.bar([1, 2], [3, 4])
plt.savefig("mine.png")"""


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="no matplotlib here")
def test_figures_are_saved(conveyor: Command) -> None:
    """Those shown and those left open, once each; not again what the code saved itself."""
    script = conveyor.script(f"```python\n{DRAW}\n```", f"```python\n{DRAW_MORE}\n```", "done")
    done = conveyor("run", "-p", "hi", "--script", script, "--rate", "5000", "--sandbox", "local",
                    "--save-files", "out", "--json")  # fmt: skip
    first, second = done.json["calls"]
    assert first["output"] == "[]\n"
    assert "figure saved: figure-1.png\nfigure saved: figure-2.png\n" in first["stderr"]
    assert second["stderr"].endswith("figure saved: figure-2.png\n")
    saved = below(conveyor.folder / "out")
    assert set(saved) == {"figure-1.png", "figure-2.png", "mine.png"}
    assert all(content.startswith(b"\x89PNG") for content in saved.values())
    types: set[Any] = {file["type"] for file in done.json["files"]}
    assert types == {"image/png"}


def test_events_are_streamed(conveyor: Command) -> None:
    """`--stream-json` tells of each file."""
    done = run_code(conveyor, "local", "open('a', 'w').write('x')", "--save-files", "out",
                    "--stream-json")  # fmt: skip
    (event,) = named(records(done.out), "file_saved")
    assert (event["path"], event["size"], event["saved_as"]) == ("a", 1, "out/a")
