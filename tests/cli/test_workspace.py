"""Work on one's own project: `--workspace DIR`, the diff, and `--apply`."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cli.command import Command, Done, named
from tests.cli.files.test_transaction import snapshot

DOCKER = pytest.param("docker", marks=pytest.mark.docker)
SANDBOXES = ["local", DOCKER]
CHANGE = """\
import os
print(open("src/main.py").read(), os.readlink("link"), os.path.exists(".git"), os.listdir())
open("src/main.py", "w").write("print(2)\\n")
os.rename("old.txt", "new.txt")
os.remove("gone.txt")
os.chmod("run.sh", 0o755)
open("data.bin", "wb").write(bytes(range(256)))
open("crlf.txt", "ab").write(b"two\\r\\n")
open("esc.txt", "w").write("\\x1b[31mred")
os.remove("d/x")
os.rmdir("d")
open("d", "w").write("a file now\\n")
os.makedirs(".git/hooks")
open(".git/hooks/pre-commit", "w").write("evil")
os.symlink("/etc", "etc")
open("debug.log", "w").write("ignored")
open("link2", "w").write("x")"""


SLOWLY = """\
import time
open("src/main.py", "w").write("ours")
open("gone.txt", "w").write("ours")
print("begun", flush=True)
time.sleep(1)"""


@pytest.fixture
def project(conveyor: Command) -> Path:
    root = conveyor.folder / "project"
    for name, text in {
        "src/main.py": "print(1)\n",
        "old.txt": "the same\n",
        "gone.txt": "gone\n",
        "run.sh": "#!/bin/sh\n",
        "crlf.txt": "one\r\n",
        "d/x": "x",
        ".git/config": "[core]\n",
        ".gitignore": "*.log\n",
        "secret.log": "secret",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
    (root / "link").symlink_to("src/main.py")
    (root / "out").symlink_to("../outside")
    return root


def work(
    conveyor: Command, code: str, *args: str, sandbox: str = "local", prelude: str = ""
) -> Done:
    script = conveyor.script(f"{prelude}```python\n{code}\n```", "done")
    return conveyor("run", "-p", "hi", "--script", script, "--rate", "5000", "--sandbox", sandbox,
                    "--workspace", "project", *args)  # fmt: skip


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_changes_are_applied(conveyor: Command, project: Path, sandbox: str) -> None:
    """All kinds of changes, none of what is refused, and nothing else is touched."""
    before = snapshot(project)
    done = work(conveyor, CHANGE, "--apply", "always", "--json", sandbox=sandbox)
    assert done.code == 0, done.err
    output = done.json["calls"][0]["output"]
    assert output.startswith("print(1)\n src/main.py False [")
    assert "secret.log" not in output
    expected = {path: it for path, it in before.items() if path not in ("old.txt", "gone.txt")}
    del expected["d/x"]
    expected |= {
        "src/main.py": ("-rw-r--r--", b"print(2)\n"),
        "new.txt": ("-rw-r--r--", b"the same\n"),
        "run.sh": ("-rwxr-xr-x", b"#!/bin/sh\n"),
        "data.bin": ("-rw-r--r--", bytes(range(256))),
        "crlf.txt": ("-rw-r--r--", b"one\r\ntwo\r\n"),
        "esc.txt": ("-rw-r--r--", b"\x1b[31mred"),
        "d": ("-rw-r--r--", b"a file now\n"),
        "link2": ("-rw-r--r--", b"x"),
    }
    assert snapshot(project) == expected
    told = done.json["workspace"]
    assert told["applied"]
    changes = {it["path"]: it["change"] for it in told["changes"]}
    assert changes["run.sh"] == "made executable"
    assert changes["new.txt"] == "renamed"
    assert changes["gone.txt"] == "deleted"
    assert [it["path"] for it in told["not_copied"]] == ["out"]
    why = {it["path"]: it["why"] for it in done.json["left_out"]}
    assert why == {
        "etc": "a link to /etc",
        ".git/hooks/pre-commit": "it belongs to git",
        "debug.log": "git ignores it",
    }
    changed = {event["path"] for event in named(conveyor.journal(), "file_changed")}
    assert changed == set(changes)


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_a_run_without_a_call(conveyor: Command, project: Path, sandbox: str) -> None:
    """Its sandbox has nothing to say but which files there are: those that were brought."""
    before = snapshot(project)
    done = conveyor("run", "-p", "hi", "--script", conveyor.script("Done."), "--rate", "500",
                    "--sandbox", sandbox, "--workspace", project, "--apply", "always",
                    "-c", "tools=[python]", "--json")  # fmt: skip
    assert done.code == 0, done.err
    assert (done.json["answer"], done.json["workspace"]["changes"]) == ("Done.", [])
    assert snapshot(project) == before


def test_the_diff(conveyor: Command, project: Path) -> None:
    """Unified; binary files and renames are named, control characters are visible."""
    before = snapshot(project)
    done = work(conveyor, CHANGE)
    assert done.code == 0
    diff = done.err[done.err.index("modified: crlf.txt") :]
    for part in (
        "--- a/crlf.txt\n+++ b/crlf.txt\n@@ -1 +1,2 @@\n one␍\n+two␍\n",
        "added: data.bin (binary, 256 B)\n",
        "deleted: gone.txt\n",
        "renamed: new.txt (was old.txt)\n",
        "made executable: run.sh\n",
        "-print(1)\n+print(2)\n",
        "+␛[31mred\n\\ No newline at end of file\n",
    ):
        assert part in diff
    assert "no terminal to ask on" in diff
    assert "--apply always" in diff
    assert "\x1b" not in done.err
    assert snapshot(project) == before


@pytest.mark.parametrize("apply", ["never", "always"])
def test_a_run_that_was_stopped_applies_nothing(
    conveyor: Command, project: Path, apply: str
) -> None:
    """Nor does one that was told never to."""
    before = snapshot(project)
    limit = ("-c", "limits.turns=1") if apply == "always" else ()
    done = work(conveyor, CHANGE, "--apply", apply, *limit)
    assert done.code == (5 if apply == "always" else 0)
    assert "not applied" in done.err
    assert snapshot(project) == before


@pytest.mark.parametrize("key", ["y\r", "n\r", "\r", "\x03"], ids=["y", "n", "enter", "ctrl-c"])
def test_the_user_is_asked(conveyor: Command, project: Path, key: str) -> None:
    """On a terminal, after the diff, which is in colours there."""
    script = conveyor.script("```python\nopen('src/main.py', 'w').write('new')\n```", "done")
    typed = conveyor.terminal("run", "-p", "hi", "--script", script, "--rate", "5000", "--sandbox",
                              "local", "--workspace", "project", size=(100, 40))  # fmt: skip
    typed.until("Apply this to")  # and the path, which may be too long for the line
    assert "+new" in typed.terminal.text
    assert (project / "src/main.py").read_text() == "print(1)\n"
    typed.type(key)
    assert typed.wait() == 0
    assert (project / "src/main.py").read_text() == ("new" if key == "y\r" else "print(1)\n")


def test_what_changed_meanwhile_is_kept(conveyor: Command, project: Path) -> None:
    """All three sides are shown, nothing is applied, ours can be had beside theirs."""
    script = conveyor.script(f"```python\n{SLOWLY}\n```", "done")
    process = conveyor.start("run", "-p", "hi", "--script", script, "--rate", "5000", "--sandbox",
                             "local", "--workspace", "project", "--apply", "always", "--json",
                             "--save-files", "ours")  # fmt: skip
    conveyor.wait_for('"text": "begun')
    (project / "src/main.py").write_text("print(1)\ntheirs\n")
    before = snapshot(project)
    out, err = process.communicate(timeout=60)
    done = Done(process.returncode, out.decode(), err.decode())
    assert done.code == 1
    assert "changed meanwhile" in done.complaint
    assert "conflict: src/main.py (copied: 9 B, now: 16 B, the run's: 4 B)" in done.err
    assert "+theirs" in done.err
    assert snapshot(project) == before
    told = done.json["workspace"]
    assert (told["applied"], [it["path"] for it in told["conflicts"]]) == (False, ["src/main.py"])
    assert (conveyor.folder / "ours/src/main.py").read_text() == "ours"


def test_what_cannot_be_seen_is_not_deleted(conveyor: Command, project: Path) -> None:
    """A folder that was shut, or became a link, keeps its files in the original."""
    (project / "e").mkdir()
    (project / "e/y").write_text("y")
    before = snapshot(project)
    code = "import os\nos.chmod('src', 0)\nos.rename('e', 'f')\nos.symlink('f', 'e')"
    done = work(conveyor, code, "--apply", "always", "--json")
    assert done.json["workspace"]["applied"]
    assert {it["path"] for it in done.json["left_out"]} == {"src", "e"}
    after = snapshot(project)
    assert after.pop("f/y") == ("-rw-r--r--", b"y")
    del after["f"]
    assert after == before


def test_huge_counts_are_bounded(conveyor: Command, project: Path) -> None:
    """More files than are looked at: nothing is applied or deleted, and it ends soon."""
    before = snapshot(project)
    began = time.monotonic()
    code = "for i in range(20_500): open(str(i), 'w').close()"
    done = work(conveyor, code, "--apply", "always", "--json", "-c", "sandbox.unit_timeout=60")
    assert "20000" in done.json["left_out"][0]["why"]
    assert not done.json["workspace"]["applied"]
    assert {it["change"] for it in done.json["workspace"]["changes"]} == {"added"}
    assert "not all of the workspace" in done.json["workspace"]["why_not"]
    assert len(done.err.splitlines()) < 1500
    assert snapshot(project) == before
    assert time.monotonic() - began < 45


def test_errors(conveyor: Command, project: Path) -> None:
    """No folder, too large a folder, a wrong word; a task alone cannot say `always`."""
    assert "not a folder" in conveyor("run", "-p", "x", "--workspace", "nowhere").complaint
    assert "apply" in work(conveyor, "1", "--apply", "maybe").complaint
    assert "workspace.from: is missing" in conveyor("run", "-p", "x", "--apply", "ask").complaint
    (project / "large").write_bytes(b"x" * 3 * 1024**2)
    complaint = work(conveyor, "1", "-c", "sandbox.workspace_size=2m").complaint
    assert "large (3.0 MiB)" in complaint
    task = conveyor.write("t.yaml", "prompt: hi\nworkspace: {from: project, apply: always}\n")
    done = conveyor("run", task)
    assert done.code == 2
    assert "t.yaml:2: workspace.apply" in done.complaint


def test_a_talk_about_a_project(conveyor: Command, project: Path) -> None:
    """`/diff` and `/apply` know what was applied already; at the end the rest is asked about."""
    forth = "open('src/main.py', 'w').write('print(2)\\n')"
    back = "open('src/main.py', 'w').write('print(1)\\n')\nimport os\nos.remove('gone.txt')"
    script = conveyor.script(f"```python\n{forth}\n```", "one", f"```python\n{back}\n```", "two")
    lines = "first\n/diff\n/apply\n/diff\nsecond\n/diff\n"
    done = conveyor("repl", "--script", script, "--rate", "5000", "--sandbox", "local",
                    "--workspace", "project", stdin=lines)  # fmt: skip
    assert done.code == 0
    assert done.err.count("+print(2)\n") == 2
    assert "1 change applied to" in done.err
    assert "nothing has changed" in done.err
    assert done.err.count("-print(2)\n+print(1)\n") == 2
    assert "2 changes not applied" in done.err
    assert (project / "src/main.py").read_text() == "print(2)\n"
    assert (project / "gone.txt").exists()


def test_a_talk_applies_at_its_end(conveyor: Command, project: Path) -> None:
    """And saves, if it was told to."""
    script = conveyor.script("```python\nopen('new.txt', 'w').write('new')\n```", "one")
    done = conveyor("repl", "--script", script, "--rate", "5000", "--sandbox", "local",
                    "--workspace", "project", "--apply", "always", "--save-files", "out",
                    stdin="first\n")  # fmt: skip
    assert done.code == 0
    assert (project / "new.txt").read_text() == "new"
    assert (conveyor.folder / "out/new.txt").read_text() == "new"
