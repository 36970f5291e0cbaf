"""The `files` tool in a sandbox: what each operation does, what it refuses, and undo."""

from __future__ import annotations

from typing import Any

from conveyor_sandbox.reports import Ended, Started, Status, UnitKey
from tests.sandbox.conftest import Call, Lab, LabMaker
from tests.sandbox.undoing import is_whole


def operate(lab: Lab, operation: str, path: str = ".", **more: Any) -> Call:
    """One operation, as a call of its own."""
    lab.calls += 1
    arguments = {"operation": operation, "path": path, **more}

    async def begin() -> None:
        lab.guest.run_operation(UnitKey(lab.calls, 0), arguments)
        lab.guest.end(lab.calls, "files")

    lab.do(begin())
    return Call(lab.until(Ended))


def told(call: Call) -> str | None:
    """What the model is told: the result, or why there is none."""
    failure = call.outcome.failure
    return failure.message if failure else call.outcome.result


def test_write_read_edit_list_delete(lab: Lab) -> None:
    """Each does what it says, and says what it did."""
    wrote = operate(lab, "write", "a/b/f.txt", content="one\ntwö\nthree\n")
    assert told(wrote) == "created a/b/f.txt: 3 lines, 15 bytes"
    assert told(operate(lab, "read", "a/b/f.txt")) == "one\ntwö\nthree\n"
    assert told(operate(lab, "edit", "a/b/f.txt", old="twö\nth", new="2\nTh")) == (
        "changed line 2 of a/b/f.txt"
    )
    assert lab.call("open('a/b/f.txt').read()\n").outcome.result == repr("one\n2\nThree\n")
    lab.call("import os; os.symlink('f.txt', 'a/b/link'); os.mkfifo('a/b/fifo')\n")
    assert told(operate(lab, "list", "a/b")) == "f.txt  12 bytes\nfifo|\nlink@"
    assert told(operate(lab, "read", "a/b/link")) == "one\n2\nThree\n"
    assert (
        told(operate(lab, "write", "a/b/f.txt", content="x")) == "wrote a/b/f.txt: 1 lines, 1 bytes"
    )
    assert told(operate(lab, "delete", "a/b/link")) == "deleted a/b/link"
    assert told(operate(lab, "list", "/workspace/a")) == "b/"


def test_read_in_part(make_lab: LabMaker) -> None:
    """Lines by number; a long text is cut where one can go on."""
    lines = "".join(f"line {number}\n" for number in range(1, 10_001))
    with make_lab(files={"f": lines.encode(), "long": b"x" * 40_000, "empty": b""}) as lab:
        assert told(operate(lab, "read", "f", first_line=3, last_line=4)) == (
            "line 3\nline 4\n[lines 3 to 4 of 10000]"
        )
        text = told(operate(lab, "read", "f")) or ""
        assert len(text) < 31_000
        last = int(text.rpartition("to ")[2].partition(" ")[0])
        assert text.endswith(f"line {last}\n[lines 1 to {last} of 10000]")
        more = told(operate(lab, "read", "f", first_line=last + 1, last_line=last + 1)) or ""
        assert more.startswith(f"line {last + 1}\n")
        assert (told(operate(lab, "read", "long")) or "").endswith(
            "x\n[line 1 has 40000 characters; cut here]"
        )
        assert told(operate(lab, "read", "empty")) == ""
        assert told(operate(lab, "read", "f", first_line=20_000)) == "f has 10000 lines"


REFUSED = {
    "absent": ("read", "nosuch", {}, "nosuch is not there"),
    "folder": ("read", "d", {}, "d is a folder"),
    "onto a folder": ("write", "d", {"content": ""}, "d is a folder"),
    "below a file": ("write", "f/x", {"content": ""}, "f/x: Not a directory"),
    "binary": ("read", "binary", {}, "binary is binary (3 bytes)"),
    "huge": ("read", "huge", {}, "huge has 11534336 bytes, and the most is 10485760"),
    "fifo": ("read", "fifo", {}, "fifo is a fifo"),
    "write to a fifo": ("write", "fifo", {"content": "x"}, "fifo is a fifo"),
    "device": ("read", "device", {}, "device leads out of the workspace"),
    "link out": ("read", "out", {}, "out leads out of the workspace"),
    "write through a link": ("write", "out", {"content": "x"}, "out leads out of the workspace"),
    "link to a folder": (
        "read",
        "root/etc/passwd",
        {},
        "root/etc/passwd leads out of the workspace",
    ),
    "the parent": ("list", "..", {}, ".. leads out of the workspace"),
    "absolute": ("read", "/etc/passwd", {}, "/etc/passwd leads out of the workspace"),
    "loop": ("read", "loop", {}, "loop: Too many levels of symbolic links"),
    "without content": ("write", "new", {}, "content is missing"),
    "without old": ("edit", "f", {"new": "x"}, "old and new are needed, and old may not be empty"),
    "old is not there": ("edit", "f", {"old": "zz", "new": ""}, "old is not in f"),
    "old is not unique": (
        "edit",
        "f",
        {"old": "a", "new": "b"},
        "old stands 2 times in f: give more of what is around it",
    ),
    "folder that is not empty": ("delete", "d", {}, "d: Directory not empty"),
    "list of a file": ("list", "f", {}, "f is a file"),
}
_MAKE = """
import os
os.mkdir('d'); open('d/x', 'w'); open('f', 'w').write('a a')
open('binary', 'wb').write(b'\\xff\\0x')
open('huge', 'w').truncate(11 << 20); os.mkfifo('fifo'); os.symlink('/dev/zero', 'device')
os.symlink('/etc/passwd', 'out'); os.symlink('/', 'root'); os.symlink('loop', 'loop')
"""


def test_refusals(lab: Lab) -> None:
    """What cannot be done is one line, and changes nothing."""
    lab.call(_MAKE)
    before = lab.call("sorted(os.listdir()), open('f').read()\n").outcome.result
    for name, (operation, path, more, message) in REFUSED.items():
        call = operate(lab, operation, path, **more)
        assert (name, told(call), call.outcome.status) == (name, message, Status.ERROR)
    assert lab.call("sorted(os.listdir()), open('f').read()\n").outcome.result == before


def test_delete_takes_the_link_and_not_what_it_leads_to(lab: Lab) -> None:
    """A link into the workspace is removed itself."""
    lab.call("import os; open('f', 'w').write('x'); os.symlink('f', 'link')\n")
    operate(lab, "delete", "link")
    assert lab.call("os.listdir()\n").outcome.result == "['f']"


def test_undo(lab: Lab) -> None:
    """What an operation changed is taken back."""
    operate(lab, "write", "f", content="1")
    lab.checkpoint()
    operate(lab, "edit", "f", old="1", new="2")
    operate(lab, "write", "g", content="3")
    assert is_whole(lab.roll_back())
    assert told(operate(lab, "read", "f")) == "1"
    assert told(operate(lab, "list")) == "f  1 bytes"


def test_operations_are_confined(lab: Lab) -> None:
    """A file that is not there for code is not there for them either."""
    lab.call("import os; os.mkdir('d')\nos.chmod('d', 0)\n")
    assert told(operate(lab, "write", "d/x", content="")) == "d/x: Permission denied"


_MAZE = """
import os
os.mkdir('d'); open('f', 'w').write('text'); way = 'd/../' * 800
for n in range(800):
    os.symlink(way + ('f' if n == 799 else 'l%d' % (n + 1)), 'l%d' % n)

"""
"""Links that lead to each other by long ways: seconds pass before it is known where to."""


def test_an_operation_has_its_time(make_lab: LabMaker) -> None:
    """It is ended then, and nothing else is: not the interpreter, not the next operation."""
    with make_lab(unit_timeout=0.5) as lab:
        lab.call(_MAZE)
        for operation, more in (("read", {}), ("write", {"content": "changed"})):
            call = operate(lab, operation, "l0", **more)
            assert (call.kinds, call.outcome.status) == (["timeout"], Status.TIMEOUT)
            assert told(call) == "ran longer than 0.5 s"
            assert not call.restarted
        assert told(operate(lab, "read", "f")) == "text"
        assert lab.call("len(way)\n").outcome.result == "4000"


def test_an_operation_can_be_stopped(lab: Lab) -> None:
    """It does not go on in secret."""
    lab.call(_MAZE)
    lab.calls += 1

    async def begin() -> None:
        write = {"operation": "write", "path": "l0", "content": "changed"}
        lab.guest.run_operation(UnitKey(lab.calls, 0), write)

    async def stop() -> None:
        lab.guest.cancel(lab.calls)
        lab.guest.end(lab.calls, "files")

    lab.do(begin())
    lab.until(Started)
    lab.do(stop())
    assert lab.finish().kinds == ["interrupt"]
    assert told(operate(lab, "read", "f")) == "text"
