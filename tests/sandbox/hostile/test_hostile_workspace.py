"""Tricks on the workspace, played on the mirror that takes a call back.

What lies outside of the workspace stays as it is, what lies in it comes back, and the supervisor
neither hangs nor fails.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.conftest import KINDS
from tests.sandbox.hostile.arena import Arena, open_arena

BEFORE = """
import os, shutil, socket, time
for it in ("/tmp/outside", "/workspace/folder"):
    os.makedirs(it, exist_ok=True)
    open(it + "/file", "w").write("before")
open("/workspace/file", "w").write("before")
os.symlink("file", "/workspace/link")
"""
AFTER = """
print(open("/workspace/file").read(), open("/workspace/folder/file").read())
print(os.path.islink("/workspace/file"), os.path.islink("/workspace/folder"))
print(os.readlink("/workspace/link"), open("/tmp/outside/file").read())
print(sorted(os.listdir("/workspace")), sorted(os.listdir("/tmp/outside")))
"""
RESTORED = """\
before before
False False
file before
['file', 'folder', 'given', 'link'] ['file']
"""
GONE = "os.remove('/workspace/file'); shutil.rmtree('/workspace/folder')\n"
LOOP = "if not os.fork():\n while True:\n  try:\n   {}\n  except OSError: pass\n"

TRICKS = {
    "a link in a file's place": GONE + "os.symlink('/tmp/outside/file', '/workspace/file')\n",
    "a link in a folder's place": GONE + "os.symlink('/tmp/outside', '/workspace/folder')\n",
    "a link in the place of a link": "os.remove('/workspace/link'); "
    "os.symlink('/tmp/outside/file', '/workspace/link')\n",
    "a folder in a file's place": GONE + "os.makedirs('/workspace/file/a/b')\n",
    "a file in a folder's place": GONE + "open('/workspace/folder', 'w').write('x')\n",
    "a pipe in a file's place": GONE + "os.mkfifo('/workspace/file')\n",
    "a socket in a file's place": GONE + "socket.socket(1).bind('/workspace/file')\n",
    "a file that cannot be read": "os.chmod('/workspace/file', 0)\n",
    "a folder that cannot be entered": "os.chmod('/workspace/folder', 0)\n",
    "a closed folder with something new": "open('/workspace/folder/new', 'w').close(); "
    "os.chmod('/workspace/folder', 0)\n",
    "the workspace closed": "os.chmod('/workspace', 0)\n",
    "a link to itself": "os.symlink('self', '/workspace/self')\n",
    "a link to everything": "os.symlink('/', '/workspace/everything')\n",
    "a link to the folder above": "os.symlink('..', '/workspace/folder/above')\n",
    "a second name for a file": "os.link('/workspace/file', '/workspace/second')\n",
    "a name that is no text": "open(b'/workspace/\\xff\\n\\x1b[31m', 'w').write('x')\n",
    "a huge file of holes": "os.truncate('/workspace/file', 15 << 20)\n",
    "a file that grows meanwhile": LOOP.format("open('/workspace/file', 'a').write('x' * 4096)"),
    "a link that comes and goes": LOOP.format(
        "os.rename('/workspace/folder', '/workspace/f'); "
        "os.symlink('/tmp/outside', '/workspace/folder'); "
        "os.remove('/workspace/folder'); os.rename('/workspace/f', '/workspace/folder')"
    )
    + "time.sleep(0.05)\n",
    "files that come and go": LOOP.format(
        "open('/workspace/%d' % (time.time_ns() % 1000), 'w').close(); "
        "os.remove('/workspace/%d' % (time.time_ns() % 1000))"
    )
    + "time.sleep(0.05)\n",
}  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    with open_arena(request.param, workspace_size=16 << 20) as arena:
        arena.lab.call(BEFORE)
        arena.lab.checkpoint()
        yield arena


@pytest.mark.parametrize("name", TRICKS)
def test_is_taken_back(arena: Arena, name: str) -> None:
    lab = arena.lab
    assert lab.call(AFTER).stdout == RESTORED, "the control failed"
    lab.checkpoint()
    assert lab.call(TRICKS[name]).kinds == ["ok"]
    lab.roll_back()
    lab.checkpoint()
    assert lab.call(AFTER).stdout == RESTORED, "not stopped"


RACES = {
    "a link": "os.rename('/workspace/folder', '/workspace/f'); "
    "os.symlink('/tmp/outside', '/workspace/folder'); "
    "os.remove('/workspace/folder'); os.rename('/workspace/f', '/workspace/folder')",
    "a pipe": "os.remove('/workspace/file'); os.mkfifo('/workspace/file'); "
    "os.remove('/workspace/file'); open('/workspace/file', 'w').write('before')",
    "a file that grows": "open('/workspace/file', 'ab').write(bytes(65536)); "
    "os.truncate('/workspace/file', 0)",
}


@pytest.mark.parametrize("name", RACES)
def test_race_with_a_checkpoint(arena: Arena, name: str) -> None:
    """A child of an earlier call plays it while the mirror looks: whatever it sees, it goes on."""
    lab = arena.lab
    lab.call(LOOP.format(RACES[name]))
    for _ in range(20):
        lab.checkpoint()
        assert lab.call("x = 1\n").kinds == ["ok"]
    lab.guest.restart()
    code = "import os\nopen('/tmp/outside/file').read(), sorted(os.listdir('/tmp/outside'))\n"
    assert lab.call(code).outcome.result == "('before', ['file'])"
    assert lab.alive()
    lab.call("import shutil\nfor n in os.listdir('.'):\n shutil.rmtree(n, ignore_errors=True)\n")
    lab.call("for n in os.listdir('.'): os.remove(n)\n", "open('given', 'w').close()\n")
    lab.call(BEFORE)
    assert lab.call(AFTER).stdout == RESTORED
    lab.checkpoint()
