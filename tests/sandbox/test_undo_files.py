"""Rollback in both sandboxes: what comes back of the workspace's files."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import Lab, LabMaker
from tests.sandbox.undoing import is_whole, shown, undone

MIB = 1024 * 1024
FILES = {
    "new": ("pass\n", "open('n', 'w').write('x')\n", "os.path.exists('n')", "False"),
    "new folder": (
        "pass\n",
        "os.makedirs('a/b/c'); open('a/b/c/f', 'w').close(); os.chmod('a/b', 0)\n",
        "os.listdir('.')",
        "[]",
    ),
    "changed": (
        "open('f', 'w').write('one')\n",
        "open('f', 'w').write('two')\n",
        "open('f').read()",
        "'one'",
    ),
    "longer and shorter": (
        "open('f', 'w').write('x' * 10000); open('g', 'w').write('y')\n",
        "open('f', 'w').close(); open('g', 'a').write('z' * 10000)\n",
        "(len(open('f').read()), open('g').read())",
        "(10000, 'y')",
    ),
    "removed": ("open('f', 'w').write('one')\n", "os.remove('f')\n", "open('f').read()", "'one'"),
    "renamed": (
        "open('f', 'w').write('one')\n",
        "os.rename('f', 'g')\n",
        "(os.listdir('.'), open('f').read())",
        "(['f'], 'one')",
    ),
    "swapped": (
        "open('f', 'w').write('1'); os.mkdir('d'); open('d/g', 'w').write('2')\n",
        "os.rename('f', 't'); os.rename('d', 'f'); os.rename('t', 'd')\n",
        "(open('f').read(), open('d/g').read())",
        "('1', '2')",
    ),
    "whole tree removed": (
        "os.makedirs('a/b'); open('a/b/f', 'w').write('1')\n",
        "import shutil; shutil.rmtree('a')\n",
        "open('a/b/f').read()",
        "'1'",
    ),
    "mode": (
        "open('f', 'w').close(); os.chmod('f', 0o741)\n",
        "os.chmod('f', 0)\n",
        "oct(os.stat('f').st_mode)",
        "'0o100741'",
    ),
    "times": (
        "open('f', 'w').close(); os.utime('f', (1, 2))\n",
        "open('f', 'w').write('x')\n",
        "os.stat('f').st_mtime",
        "2.0",
    ),
    "link": (
        "open('f', 'w').write('1'); os.symlink('f', 'l')\n",
        "os.remove('l'); os.symlink('/etc/passwd', 'l')\n",
        "os.readlink('l')",
        "'f'",
    ),
    "link in the place of a folder": (
        "os.mkdir('d'); open('d/f', 'w').write('1')\n",
        "import shutil; shutil.rmtree('d'); os.symlink('/tmp', 'd')\n",
        "(os.path.islink('d'), open('d/f').read())",
        "(False, '1')",
    ),
    "link that was there": ("os.symlink('/etc', 'e')\n", "x = 1\n", "os.readlink('e')", "'/etc'"),
    "names that are no text": (
        "pass\n",
        "open(b'\\xff\\n', 'w').close(); os.mkdir('é\\u202e')\n",
        "os.listdir('.')",
        "[]",
    ),
    "pipe": ("pass\n", "os.mkfifo('p')\n", "os.listdir('.')", "[]"),
    "change that a time cannot show": (
        "open('f', 'w').write('aa'); t = os.stat('f')\n",
        "open('f', 'w').write('bb'); os.utime('f', ns=(t.st_atime_ns, t.st_mtime_ns))\n",
        "open('f').read()",
        "'aa'",
    ),
    "full": (
        "open('f', 'w').write('kept')\n",
        "try:\n    open('g', 'wb').write(bytes(10**9))\nexcept OSError: pass\nos.remove('f')\n",
        "open('f').read()",
        "'kept'",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_files_come_back(lab: Lab, case: str) -> None:
    """Whatever a call does in the workspace."""
    before, code, look, expected = FILES[case]
    assert is_whole(undone(lab, "import os\n" + before, code))
    assert shown(lab, look) == expected
    assert lab.alive()


def test_many_files(lab: Lab) -> None:
    """Two thousand files in folders, all changed, removed or added to."""
    make = """
import os
for n in range(40):
    os.mkdir(f'd{n}')
    for m in range(50): open(f'd{n}/f{m}', 'w').write(f'{n} {m}')
"""
    change = """
for n in range(40):
    for m in range(50):
        if m % 3 == 0: os.remove(f'd{n}/f{m}')
        if m % 3 == 1: open(f'd{n}/f{m}', 'w').write('changed')
    open(f'd{n}/new', 'w').close()
"""
    assert is_whole(undone(lab, make, change))
    look = "all(open(f'd{n}/f{m}').read() == f'{n} {m}' for n in range(40) for m in range(50))"
    assert shown(lab, look) == "True"
    assert shown(lab, "sum(len(os.listdir(f'd{n}')) for n in range(40))") == "2000"


def test_deep_folders(lab: Lab) -> None:
    """Deeper than the longest path: what cannot be removed is named, and the rest goes on."""
    code = "import os\nfor _ in range(1500): os.mkdir('deep'); os.chdir('deep')\n"
    back = undone(lab, "pass\n", code)
    assert back.not_undone == () or "deep" in back.not_undone[0]
    assert lab.alive()


def test_files_beyond_the_limit_are_named(make_lab: LabMaker) -> None:
    """What is too large to be kept is named if the call changed it; the small ones come back."""
    make = "open('big', 'wb').write(bytes(3 * 2**20)); open('small', 'w').write('1')\n"
    with make_lab(undo=MIB) as lab:
        assert is_whole(undone(lab, make, "open('small', 'w').write('2')\n"))
        assert shown(lab, "open('small').read()") == "'1'"
        back = undone(lab, "pass\n", "open('big', 'ab').write(b'x')\n")
        assert back.not_undone == ("/workspace/big (too large to be kept)",)


def test_too_many_files_are_named(lab: Lab) -> None:
    """More than are looked at: none is undone, and that is said."""
    code = "for n in range(20001): open(str(n), 'w').close()\n"
    back = undone(lab, code, "open('0', 'w').write('x')\n")
    assert back.not_undone == ("the workspace's files (there were more than 20000)",)
    call = "import os\nfor name in os.listdir('.'): os.remove(name)\n"
    assert is_whole(undone(lab, call, code))
    assert shown(lab, "os.listdir('.')") == "[]"


def test_files_outside_the_workspace_are_named(lab: Lab) -> None:
    """They stay, and that is said if the call changed them, but not else."""
    assert is_whole(undone(lab, "f = open('/tmp/f', 'w')\n", "x = 1\n"))
    back = undone(lab, "pass\n", "open('/tmp/g', 'w').close()\n")
    assert back.not_undone == ("files in /tmp and /dev/shm",)
