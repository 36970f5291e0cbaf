"""Changes of a folder: all of them, or none, and nothing outside."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conveyor_cli.files.applying import applicable, apply, conflicts
from conveyor_cli.files.harvest import Change
from conveyor_cli.files.names import is_git, refusal
from conveyor_cli.files.project import Project, Rules
from conveyor_cli.files.transaction import NotAppliedError
from conveyor_sandbox.sandbox import Entry


def snapshot(root: Path) -> dict[str, tuple[object, ...]]:
    """All that is below a folder: content or target, and the mode."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        what: object = None
        if path.is_symlink():
            what = str(path.readlink())
        elif path.is_file():
            what = path.read_bytes()
        found[str(path.relative_to(root))] = (stat.filemode(status.st_mode), what)
    return found


def change(path: str, before: bytes | None, after: bytes | None, *, run: bool = False) -> Change:
    return Change(
        path,
        None if before is None else Entry(before),
        None if after is None else Entry(after, run),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "d/e").mkdir(parents=True)
    (root / "a").write_bytes(b"a\r\n")
    (root / "a").chmod(0o640)
    (root / "d/e/x").write_bytes(b"x")
    (root / "f").write_bytes(b"f")
    (root / "link").symlink_to("a")
    return root


LINK = Change("link", Entry(b"a", link=True), Entry(b"no link"))
ALL = [
    change("a", b"a\r\n", b"A\r\n", run=True),
    change("d/e/x", b"x", None),
    change("d", None, b"a file now"),
    change("f", b"f", None),
    change("f/g/h", None, b"deep"),
    LINK,
]


def test_every_kind_of_change(root: Path) -> None:
    """Modes are kept, folders become files and files folders; nothing of ours is left."""
    apply(ALL, root)
    assert snapshot(root) == {
        "a": ("-rwxr-x---", b"A\r\n"),
        "d": ("-rw-r--r--", b"a file now"),
        "f": ("drwxr-xr-x", None),
        "f/g": ("drwxr-xr-x", None),
        "f/g/h": ("-rw-r--r--", b"deep"),
        "link": ("-rw-r--r--", b"no link"),
    }


@pytest.mark.parametrize(
    "obstacle",
    [
        change("zz/../../escape", None, b"x"),
        change("a/under/a/file", None, b"x"),
        change("d/e/x", b"not what is there", b"y"),
        change("gone", b"was there", b"new"),
        change("taken", None, b"x"),
        change("out/x", None, b"x"),
    ],
    ids=lambda it: it.path,
)
def test_what_fails_leaves_all_as_it_was(root: Path, obstacle: Change) -> None:
    """Whatever was done before it is undone, and nothing is written outside."""
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "out").symlink_to(outside)
    (root / "taken").write_bytes(b"theirs")
    before = snapshot(root.parent)
    changes = [it for it in ALL if it.path != obstacle.path]
    with pytest.raises(NotAppliedError):
        apply([*changes, obstacle], root)
    assert snapshot(root.parent) == before


def test_a_folder_with_files_that_were_not_copied_stays(root: Path) -> None:
    """A file cannot take its place: all is as it was."""
    (root / "d/ignored.log").write_bytes(b"theirs")
    before = snapshot(root)
    with pytest.raises(NotAppliedError):
        apply(ALL, root)
    assert snapshot(root) == before


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
CONTENTS = st.builds(Entry, st.sampled_from([b"", b"1", b"2\r\n"]), st.booleans())


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Entry]:
    """Files by path, none of which is a folder of another."""
    tree: dict[str, Entry] = {}
    for path, entry in draw(st.dictionaries(NAMES, CONTENTS, max_size=6)).items():
        if not any(
            f"{it}/".startswith(f"{path}/") or f"{path}/".startswith(f"{it}/") for it in tree
        ):
            tree[path] = entry
    return tree


def files_of(root: Path) -> dict[str, Entry]:
    return {
        str(path.relative_to(root)): Entry(path.read_bytes(), bool(path.stat().st_mode & 0o100))
        for path in root.rglob("*")
        if path.is_file()
    }


@given(before=trees(), after=trees(), fails=st.booleans())
@settings(max_examples=150)
def test_any_tree_becomes_any_other_or_stays(
    before: dict[str, Entry], after: dict[str, Entry], *, fails: bool
) -> None:
    """With the last change impossible, everything is as it was, folders and modes included."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for path, entry in before.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(entry.content)
            (root / path).chmod(0o755 if entry.executable else 0o644)
        paths = sorted({*before, *after})
        changes = [Change(it, before.get(it), after.get(it)) for it in paths]
        changes = [it for it in changes if it.before != it.after]
        assert conflicts(changes, root) == []
        if fails:
            (root / "zz").write_bytes(b"theirs")
            old = snapshot(root)
            with pytest.raises(NotAppliedError):
                apply([*changes, Change("zz", None, Entry(b"ours"))], root)
            assert snapshot(root) == old
        else:
            apply(changes, root)
            assert files_of(root) == after


def test_conflicts(root: Path) -> None:
    """Files that are neither as they were copied nor as they would become."""
    assert conflicts(ALL, root) == []
    (root / "a").write_bytes(b"theirs")
    (root / "f").unlink()
    (root / "d/e/x").chmod(0o755)
    (root / "link").unlink()
    (root / "link").mkdir()
    assert [it.change.path for it in conflicts(ALL, root)] == ["a", "d/e/x", "link"]


def test_names_that_are_never_made(root: Path) -> None:
    """Those that git would run, escapes, control characters, and other cases of names there."""
    project = Project(root, {"README": Entry(b""), "gone": Entry(b"")}, (), Rules())
    refused = [
        ".git/hooks/pre-commit", "sub/.GIT/config", ".git./x", ".git /x", "git~1/x", ".g\x1b/x",
        ".git::$INDEX_ALLOCATION/x", "\uff0egit/x", ".g\u200dit/x", "a\x1b[2J", "a\udcff", "a\nb",
        "../x", "back\\slash", "readme", "__pycache__/m.pyc", ".cache/x",
    ]  # fmt: skip
    changes = [change(path, None, b"x") for path in refused]
    fine = [change("new", None, b""), change(".github/x", None, b""), change("GONE", None, b"")]
    wanted, left_out = applicable([*changes, *fine, change("gone", b"", None)], project)
    assert [it.path for it in left_out] == refused
    assert [it.path for it in wanted] == ["new", ".github/x", "GONE", "gone"]


def test_gitignore_is_no_git_folder() -> None:
    """What only begins so is an ordinary name."""
    assert not any(map(is_git, (".gitignore", ".gitattributes", "git", "a.git")))
    assert not refusal("sub/.gitignore")
