"""Which files of a folder are copied: git itself is the judge."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from conveyor_cli.errors import UsageError
from conveyor_cli.files.project import read_project

MIB = 1024 * 1024
FILES = [
    "a.py", "a.log", "keep.log", "build/x", "build/deep/y", "src/build/z", "src/a.log",
    "src/tmp/one", "src/tmp/two", "docs/.gitignore.txt", "docs/x.md", "docs/y.tex",
    "trailing ", "#hash", "!bang", "sp ace/x", "foo/bar/baz", "foo/other", "ümlaut.txt", "UP.TXT",
    "vendor/lib/a.c", "vendor/lib/b.h", "n1/n2/n3/file.o", "n1/n2/n3/file.c", "only/x", "star*x",
    "src/b.txt", "docs/deep/x.md",
]  # fmt: skip
RULES = [
    {".gitignore": "*.log\n!keep.log\nbuild/\n"},
    {".gitignore": "/build\nsrc/*.txt\n", "src/.gitignore": "!b.txt\n/tmp\n"},
    {".gitignore": "foo/*\n!foo/bar\n# no rule\n\\#hash\n\\!bang\n"},
    {".gitignore": "build\n!build/x\n"},
    {".gitignore": "**/deep\nvendor/**/*.h\n*.[oa]\n"},
    {".gitignore": "*\n!*/\n!*.md\n"},
    {".gitignore": "trailing\\ \nsp ace\nUP.TXT  \n", "docs/.gitignore": "*\n!x.md\n"},
    {".gitignore": "n1/**/file.o\n", "n1/n2/.gitignore": "n3/*.c\n", "only/.gitignore": "*\n"},
    {".gitignore": "\r\n*.log\r\n", "src/.gitignore": "/a.log\n!/a.log\n"},
    {".gitignore": "foo/**\n!foo/other\n!foo/bar/\n*/\n!src/\n"},
    {".gitignore": "build/*\n!build/deep\nn1/n2/*\n!n1/n2/n3/\n[a-c].*\n?.tex\n"},
    {".git/info/exclude": "*.md\n", "docs/.gitignore": "!x.md\n"},
]


def repository(folder: Path, rules: dict[str, str]) -> None:
    subprocess.run(["git", "init", "-q", folder], check=True)
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    for name, text in rules.items():
        (folder / name).write_bytes(text.encode())


def git_lists(folder: Path) -> set[str]:
    """What git would add, with the user's own configuration left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--exclude-standard"],
        cwd=folder, check=True, capture_output=True,
        env={**os.environ, "HOME": "/nowhere", "XDG_CONFIG_HOME": "/nowhere"},
    ).stdout  # fmt: skip
    return {os.fsdecode(name) for name in listed.split(b"\0") if name}


@pytest.mark.parametrize("rules", RULES, ids=range(len(RULES)))
def test_what_git_ignores_stays_outside(tmp_path: Path, rules: dict[str, str]) -> None:
    """Exactly the files that git would add are copied, from the top and from a folder inside."""
    repository(tmp_path, rules)
    assert set(read_project(tmp_path, MIB).entries) == git_lists(tmp_path)
    for inner in ("src", "docs", "n1/n2"):
        asked = ["git", "check-ignore", "-q", inner]
        if subprocess.run(asked, cwd=tmp_path, check=False).returncode == 0:
            continue  # whoever names it wants it all the same
        assert set(read_project(tmp_path / inner, MIB).entries) == git_lists(tmp_path / inner)


def test_new_files_are_ignored_by_the_same_rules(tmp_path: Path) -> None:
    """Also where a folder above them is what is ignored."""
    repository(tmp_path, {".gitignore": "*.log\nbuild/\n"})
    rules = read_project(tmp_path, MIB).rules
    ignored = {
        it for it in ("new.log", "build/n/x", "src/build/q", "new.py") if rules.ignore_any(it)
    }
    assert ignored == {"new.log", "build/n/x", "src/build/q"}


def test_modes_links_and_odd_files(tmp_path: Path) -> None:
    """Links that stay inside are copied as links; all that is no file is named."""
    (tmp_path / "d").mkdir()
    (tmp_path / "run").write_text("x")
    (tmp_path / "run").chmod(0o700)
    (tmp_path / "d/in").symlink_to("../run")
    (tmp_path / "d/out").symlink_to("../../secret")
    (tmp_path / "abs").symlink_to(tmp_path / "run")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "d/.gitignore")
    project = read_project(tmp_path, MIB)
    assert set(project.entries) == {"run", "d/in"}
    assert project.entries["run"].executable
    assert project.entries["d/in"].link
    assert {it.path for it in project.left_out} == {"d/out", "abs", "pipe", "d/.gitignore"}


def test_what_is_too_large_names_the_biggest(tmp_path: Path) -> None:
    """And says what to do."""
    (tmp_path / "small").write_bytes(b"x")
    (tmp_path / "large").write_bytes(b"x" * MIB)
    (tmp_path / "larger").write_bytes(b"x" * 2 * MIB)
    with pytest.raises(UsageError, match=r"gitignore.*larger \(2.0 MiB\), large \(1.0 MiB\)"):
        read_project(tmp_path, 2 * MIB)
    assert len(read_project(tmp_path, 4 * MIB).entries) == 3
