"""Who owns what, and what is left of owners that were killed: real processes, a real engine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conveyor_sandbox import leftovers, owner
from conveyor_sandbox.engine import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

_SAY_LABEL = "from conveyor_sandbox.owner import *; print(owner_label(), flush=True)"
_MAKE_FOLDER = "from conveyor_sandbox.owner import *; print(owned_tempdir(), flush=True)"
_MAKE_CONTAINER = """
import sys
from conveyor_sandbox.engine import connect
from conveyor_sandbox.owner import OWNER_LABEL, owner_label
api = connect().api
labels = {OWNER_LABEL: sys.argv[2].format(own=owner_label())}
print(api.create_container(sys.argv[1], "true", labels=labels)["Id"], flush=True)
"""


@contextmanager
def _living(program: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that ran `program` and stays; with the line it printed. Killed at the end."""
    command = [sys.executable, "-c", f"{program}\nimport sys; sys.stdin.read()", *arguments]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": tempfile.gettempdir()},
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_own_label_is_alive() -> None:
    """What this process owns is not gone."""
    assert not owner.is_gone(owner.owner_label())


def test_label_of_killed_process_is_gone() -> None:
    """Alive while the process lives; gone after `kill -9`, reaped or not."""
    with _living(_SAY_LABEL) as (process, label):
        assert not owner.is_gone(label)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert owner.is_gone(label), "not yet reaped"
        process.wait()
        assert owner.is_gone(label)


def test_reused_pid_is_gone() -> None:
    """A living process of the same pid that started at another time is not the owner."""
    host_and_pid, _, start = owner.owner_label().rpartition(":")
    assert owner.is_gone(f"{host_and_pid}:{int(start) - 1}")


def test_unknown_start_counts_as_alive() -> None:
    """Where the start is not known, a living pid is taken for the owner."""
    host_and_pid, _, _ = owner.owner_label().rpartition(":")
    assert not owner.is_gone(f"{host_and_pid}:")


@pytest.mark.parametrize("label", ["", "x", "::", "otherhost/12345678:1:1", "{host}:x:1"])
def test_foreign_labels_are_left_alone(label: str) -> None:
    """Another host's label, and one that we did not write, are not known to be gone."""
    host = owner.owner_label().split(":")[0]
    assert not owner.is_gone(label.format(host=host))


def test_folder_is_abandoned_when_its_owner_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A temporary folder is its owner's until that one is killed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with _living(_MAKE_FOLDER) as (process, folder):
        assert Path(folder).parent == tmp_path
        assert owner.abandoned_tempdirs() == []
        process.kill()
        process.wait()
        assert owner.abandoned_tempdirs() == [Path(folder)]


def test_links_and_foreign_folders_are_not_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link with the right name, and a folder of another place, are never ours to remove."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with _living(_MAKE_FOLDER) as (_, folder):
        pass
    prefix, place = Path(folder).name.split("-")[:3], Path(folder).name.split("-")[3]
    (tmp_path / "precious").mkdir()
    (tmp_path / "-".join([*prefix, place, "link"])).symlink_to(tmp_path / "precious")
    (tmp_path / "-".join([*prefix, "00000000" if place != "0" * 8 else "1" * 8, "x"])).mkdir()
    assert owner.abandoned_tempdirs() == [Path(folder)]


@pytest.mark.docker
def test_prune_removes_only_what_dead_owners_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers and folders of a killed owner go; those of a living one and of others stay."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with closing(connect()) as client:
        image = "conveyor-sandbox"
        with (
            _living(_MAKE_CONTAINER, image, "{own}") as (killed, dead),
            _living(_MAKE_CONTAINER, image, "{own}") as (_, living),
            _living(_MAKE_CONTAINER, image, "otherhost:1:1") as (_, foreign),
            _living(_MAKE_FOLDER) as (killed_too, folder),
        ):
            try:
                for process in (killed, killed_too):
                    process.kill()
                    process.wait()
                removed = leftovers.prune(client)
                left = {it["Id"] for it in client.api.containers(all=True)}
            finally:
                for container in (living, foreign):
                    client.api.remove_container(container, force=True)
    assert f"container {dead[:12]}" in removed
    assert f"folder {folder}" in removed
    assert not Path(folder).exists()
    assert dead not in left
    assert {living, foreign} <= left
