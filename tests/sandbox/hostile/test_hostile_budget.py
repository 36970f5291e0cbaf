"""The memory of a container, each part of it filled: a clear status, and a sandbox that goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conveyor_sandbox.docker import DockerSandbox
from conveyor_sandbox.reports import Died
from conveyor_sandbox.rooms import least_memory, share_out
from conveyor_sandbox.sandbox import Limits, SandboxSpec
from tests.sandbox.conftest import Lab, open_lab

pytestmark = pytest.mark.docker

MIB = 1024 * 1024
FILL = """
import os
def fill(place):
    "As much as there is room for, and the files' names too."
    try:
        for number in range(10_000_000):
            with open(place + "/big%d" % number, "wb") as file:
                for _ in range(16): file.write(bytes(MIB))
    except OSError:
        pass
    try:
        for number in range(10_000_000): open(place + "/name%d" % number, "w").close()
    except OSError:
        pass
MIB = 1 << 20
"""
ALL = "for place in ('/workspace', '/tmp', '/dev/shm'): fill(place)\n"
# The least that a task file may say for a small workspace and for the usual one; the default.
SIZES = [
    (least_memory(16 * MIB), 16 * MIB),
    (least_memory(256 * MIB), 256 * MIB),
    (1024 * MIB, 256 * MIB),
]


@pytest.fixture(params=SIZES, ids=lambda sizes: f"{sizes[0] // MIB}m-{sizes[1] // MIB}m")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    memory, workspace = request.param
    limits = Limits(memory=memory, workspace_size=workspace, unit_timeout=20.0)
    with open_lab(DockerSandbox(SandboxSpec(limits=limits))) as lab:
        yield lab


def test_parts_leave_room_for_us(lab: Lab) -> None:
    """All that is no process's own is full, the mirror too; the interpreter still starts."""
    assert lab.call(FILL).kinds == ["ok"]
    lab.checkpoint()
    # Small files first: they are what the mirror keeps.
    lab.call("for n in range(2000): open('/workspace/%d' % n, 'wb').write(bytes(16384))\n")
    lab.checkpoint()
    call = lab.call(ALL)
    assert call.kinds[0] in ("ok", "memory"), call.units
    assert not call.of(Died)
    lab.checkpoint()
    lab.guest.restart()
    assert lab.alive()


def test_everything_at_once(lab: Lab) -> None:
    """Full places, a large interpreter with its frozen copy, and one that then grows on."""
    memory = lab.sandbox._spec.limits.memory
    lab.call(FILL + f"kept = bytearray(b'x' * {memory // 4})\n")
    lab.checkpoint()
    lab.call(FILL, ALL)
    lab.checkpoint()
    grown = lab.call("more = []\n", f"while True: more.append(b'x' * {MIB})\n")
    assert grown.kinds[-1] == "memory", grown.kinds
    assert not grown.of(Died)
    lab.roll_back()
    assert lab.alive()


def test_little_of_everything(lab: Lab) -> None:
    """The control: a tenth of each part is nobody's concern."""
    limits = lab.sandbox._spec.limits
    rooms = share_out(limits)
    sizes = {"/workspace": limits.workspace_size, "/tmp": rooms.tmp, "/dev/shm": rooms.shm}
    for place, size in sizes.items():
        assert lab.call(f"open('{place}/x', 'wb').write(bytes({size // 10}))\n").kinds == ["ok"]
    assert lab.call(f"kept = bytearray({limits.memory // 10})\n").kinds == ["ok"]
    assert lab.alive()
