"""The workspace's files, asked for from outside, and guests that lie about them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from conveyor_sandbox.docker import DockerSandbox
from conveyor_sandbox.errors import SandboxDied
from conveyor_sandbox.files import FileInfo, FileRefused, Files, Listing
from conveyor_sandbox.local import LocalSandbox
from conveyor_sandbox.sandbox import Entry, SandboxSpec
from tests.sandbox.conftest import KINDS, Lab, LabMaker, open_lab

MIB = 1024 * 1024
ENTRY = {"path": "a", "kind": "file", "size": 1, "executable": False, "target": "", "digest": ""}


def plain(path: str, size: int) -> FileInfo:
    return FileInfo(path, "file", size, executable=False, target="", digest="")


def listed(lab: Lab, budget: int = 64 * MIB) -> Listing:
    listing: Listing = lab.do(lab.guest.files.list(budget))
    return listing


def read(lab: Lab, path: str) -> bytes:
    content: bytes = lab.do(lab.guest.files.read(listed(lab).entries[path]))
    return content


def test_what_code_wrote_is_read(lab: Lab) -> None:
    """Content of several frames comes whole; digest, size and mode are told."""
    content = bytes(range(256)) * 5000
    lab.call(
        "import os\nos.makedirs('d')\n",
        "open('d/x', 'wb').write(bytes(range(256)) * 5000)\nos.chmod('d/x', 0o755)\n",
    )
    info = listed(lab).entries["d/x"]
    digest = hashlib.sha256(content).hexdigest()
    assert info == FileInfo("d/x", "file", len(content), executable=True, target="", digest=digest)
    assert read(lab, "d/x") == content


def test_each_kind_is_told_and_nothing_is_waited_for(lab: Lab) -> None:
    """A FIFO that nobody writes to, a socket and links do not hold the guest up."""
    lab.call(
        "import os, socket\nos.mkfifo('pipe')\nos.symlink('/etc/passwd', 'link')\n"
        "socket.socket(socket.AF_UNIX).bind('sock')\nos.mkdir('shut')\nopen('shut/x', 'w')\n"
        "os.chmod('shut', 0)\n",
    )
    entries = listed(lab).entries
    kinds = {path: info.kind for path, info in entries.items() if path != "shut"}
    assert kinds == {"pipe": "fifo", "link": "link", "sock": "socket"}
    assert entries["link"].target == "/etc/passwd"
    assert entries["shut"].kind == "unreadable"
    for path in ("pipe", "link"):
        with pytest.raises(FileRefused):
            lab.do(lab.guest.files.read(plain(path, 1)))
    assert lab.alive()


def test_sparse_files_are_not_hashed(make_lab: LabMaker) -> None:
    """Content beyond the budget is not read by the guest, however much there seems to be."""
    with make_lab(workspace_size=32 * MIB) as lab:
        lab.call("for i in range(5):\n    open(str(i), 'wb').truncate(30 * 1024 ** 2)\n")
        digests = [info.digest for info in listed(lab, 64 * MIB).entries.values()]
    assert sorted(bool(it) for it in digests) == [False] * 3 + [True] * 2


def test_too_many_files_are_told(make_lab: LabMaker) -> None:
    """The listing ends, and says that it is not all."""
    with make_lab(unit_timeout=60) as lab:
        lab.call("for i in range(20_500):\n    open(str(i), 'w').close()\n")
        listing = listed(lab)
        assert "20000" in listing.why
        assert len(listing.entries) == 20_000
        assert lab.alive()


def test_names_are_bytes(lab: Lab) -> None:
    """A name that is not UTF-8 can be listed and read; so can one with a newline."""
    lab.call("open(b'\\xff\\n', 'w').write('odd')\n")
    assert read(lab, "\udcff\n") == b"odd"


def test_a_file_that_changed_is_refused(lab: Lab) -> None:
    """What was listed is not what is read: that is said, not mixed."""
    lab.call("open('a', 'w').write('12345')\n")
    info = listed(lab).entries["a"]
    lab.call("open('a', 'w').write('54321')\n")
    with pytest.raises(FileRefused, match="changed"):
        lab.do(lab.guest.files.read(info))
    lab.call("open('a', 'w').write('1')\n")
    with pytest.raises(FileRefused, match="changed"):
        lab.do(lab.guest.files.read(info))


def test_files_are_had_while_code_runs(lab: Lab) -> None:
    """A unit that never ends is not waited for."""
    lab.send("open('a', 'w').write('x')\nprint('begun', flush=True)\nwhile True: pass\n")
    lab.until_output("begun")
    assert "a" in listed(lab).entries
    lab.guest.cancel(lab.calls)
    lab.finish()


@pytest.mark.parametrize("kind", KINDS)
def test_entries_are_put_as_they_are(kind: str) -> None:
    """Mode, links and names that are not UTF-8 arrive; files of a task lie on top."""
    project = {
        "run.sh": Entry(b"#!/bin/sh\n", executable=True),
        "d/link": Entry(b"../run.sh", link=True),
        "\udcff": Entry(b"odd"),
        "both": Entry(b"project"),
    }
    spec = SandboxSpec(files={"both": b"task"}, project=project)
    sandbox = DockerSandbox(spec) if kind == "docker" else LocalSandbox(spec)
    with open_lab(sandbox) as lab:
        call = lab.call(
            "import os\nprint(os.access('run.sh', os.X_OK), os.access('both', os.X_OK),"
            " os.readlink('d/link'), open(b'\\xff').read(), open('both').read())\n"
        )
        assert call.stdout == "True False ../run.sh odd task\n"
        entries = listed(lab).entries
        assert {path for path in entries if entries[path].kind != "folder"} == set(project)


def lying(answer: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> Files:
    """The files of a guest that answers so. No real guest does: what it says is all there is."""

    def send(question: dict[str, Any]) -> None:
        for frame in answer(question):
            files.take(frame)

    files = Files(send)
    return files


def listing(entry: object, **more: object) -> dict[str, Any]:
    return {"ev": "listing", "entries": [entry], "more": False, "why": "", **more}


@pytest.mark.parametrize(
    "change",
    [
        {"path": "../a"},
        {"path": "/etc/passwd"},
        {"path": "a//b"},
        {"path": ""},
        {"path": "a\0"},
        {"path": "x" * 5000},
        {"path": "\ud800"},
        {"path": 7},
        {"kind": "dragon"},
        {"size": -1},
        {"size": 1.5},
        {"size": True},
        {"target": None},
        {"digest": ["x"]},
    ],
)
def test_no_lie_about_an_entry_is_believed(change: dict[str, Any]) -> None:
    """What no file can be breaks the protocol; the same entry without the lie is taken."""
    sound = asyncio.run(lying(lambda _: [listing(ENTRY)]).list(0))
    assert list(sound.entries) == ["a"]
    with pytest.raises(SandboxDied, match="protocol"):
        asyncio.run(lying(lambda _: [listing({**ENTRY, **change})]).list(0))


def test_endless_answers_end() -> None:
    """More entries than a guest may tell of are an error, as are unasked ones."""
    many = [
        {"ev": "listing", "entries": [{**ENTRY, "path": f"{n}-{i}"} for i in range(1000)],
         "more": True, "why": ""}
        for n in range(21)
    ]  # fmt: skip
    with pytest.raises(SandboxDied, match="too many"):
        asyncio.run(lying(lambda _: many).list(0))
    with pytest.raises(ValueError, match="not asked"):
        Files(lambda _: None).take(listing(ENTRY))


@pytest.mark.parametrize("data", [b"", b"too much"])
def test_content_has_its_size(data: bytes) -> None:
    """Nothing, or more than was asked for, is no content."""
    answer = {"ev": "content", "data": base64.b64encode(data).decode(), "why": ""}
    with pytest.raises(FileRefused):
        asyncio.run(lying(lambda _: [answer]).read(plain("a", 3)))
