"""Programs that take all there is of something, at full force in both sandboxes.

Each ends in a clear status within its limit, and the sandbox goes on. Its control takes a little of
the same, and ends well.
"""

from __future__ import annotations

import resource
import time
import zlib
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import pytest

from conveyor_sandbox.reports import Died
from tests.sandbox.conftest import KINDS
from tests.sandbox.hostile.arena import MIB, Arena, open_arena

LIMITS = {"memory": 192 * MIB, "workspace_size": 16 * MIB, "pids": 40, "unit_timeout": 1.5}
OUTPUT = MIB // 4


class Bomb(NamedTuple):
    """Code with `{}` for how much it takes; what it must end in; what is little and what is all."""

    code: str
    ends: tuple[str, ...]
    little: object
    everything: object


TIME, MEMORY = ("timeout",), ("memory",)
FULL = ("exception", "ok")
"""An `OSError` in the code, or what it printed of one."""

FOREVER = "itertools.count()"
BOMBS = {
    "processes": Bomb(
        "started = 0\nfor _ in {}:\n try: pid = os.fork()\n except OSError: continue\n"
        " if not pid: time.sleep(100)\n started += 1\n",
        TIME,
        "range(20)",
        FOREVER,
    ),
    "processes that make processes": Bomb(
        "def bomb(left):\n"
        " while left:\n  try: os.fork()\n  except OSError: pass\n  left -= 1\n"
        "bomb({})\n",
        TIME,
        2,
        -1,
    ),
    "processes that run a program": Bomb(
        "for _ in {}:\n try: subprocess.Popen(['sleep', '100'])\n except OSError: pass\n",
        TIME,
        "range(5)",
        FOREVER,
    ),
    "processes in sessions of their own": Bomb(
        "for _ in {}:\n try: pid = os.fork()\n except OSError: continue\n"
        " if not pid:\n  signal.signal(15, signal.SIG_IGN); os.setsid(); time.sleep(100)\n",
        TIME,
        "range(20)",
        FOREVER,
    ),
    "threads": Bomb(
        "for _ in {}:\n threading.Thread(target=time.sleep, args=(0.1,), daemon=True).start()\n",
        ("exception", "memory"),
        "range(10)",
        FOREVER,
    ),
    "memory": Bomb("kept = [bytearray(MIB) for _ in range({})]\n", MEMORY, 10, 4096),
    "memory at once": Bomb("kept = b'x' * ({} * MIB)\n", MEMORY, 10, 4096),
    "memory by mapping": Bomb(
        "kept = [mmap.mmap(-1, MIB) for _ in range({})]\nfor it in kept: it.write(b'x' * MIB)\n",
        ("memory", "exception"),
        10,
        4096,
    ),
    "memory by unpacking": Bomb(
        "kept = zlib.decompress(zlib.compress(bytes(MIB)) if {} == 1 else BOMB)\n",
        MEMORY,
        1,
        256,
    ),
    "memory by unpickling": Bomb(
        "kept = pickle.loads(b'c__builtin__\\nbytearray\\n(I%d\\ntR.' % ({} * MIB))\n",
        MEMORY,
        10,
        4096,
    ),
    "memory in a result": Bomb(
        "class Big:\n def __repr__(self): return 'x' * ({} * MIB)\nBig()\n", MEMORY, 1, 4096
    ),
    "memory in an error": Bomb(
        "try: raise ValueError('x' * ({0} * MIB))\nexcept ValueError: \n if {0} > 10: raise\n",
        ("memory",),
        1,
        4096,
    ),
    "the workspace": Bomb("open('/workspace/big', 'wb').write(bytes({} * MIB))\n", FULL[:1], 4, 64),
    "the workspace, in small files": Bomb(
        "for n in range({}): open('/workspace/%d' % n, 'wb').write(bytes(65536))\n",
        FULL[:1],
        20,
        10_000,
    ),
    "the temporary folder": Bomb(
        "for n in range({}): open('/tmp/%d' % n, 'wb').write(bytes(MIB))\n",
        ("exception", "memory"),
        4,
        1000,
    ),
    "shared memory": Bomb(
        "for n in range({}): open('/dev/shm/%d' % n, 'wb').write(bytes(MIB))\n",
        ("exception", "memory"),
        4,
        1000,
    ),
    "names of files": Bomb(
        "for n in range({}): open('/workspace/%d' % n, 'w').close()\n", FULL[:1], 50, 1_000_000
    ),
    "names of files elsewhere": Bomb(
        "for n in range({}): open('/tmp/e%d' % n, 'w').close()\n", FULL[:1], 50, 1_000_000
    ),
    "descriptors": Bomb("kept = [os.dup(0) for _ in range({})]\n", FULL[:1], 100, 1_000_000),
    "pipes filled to the brim": Bomb(
        "kept = []\nfor _ in range({}):\n r, w = os.pipe(); os.set_blocking(w, False)\n"
        " os.write(w, bytes(65536)); kept.append((r, w))\n",
        ("exception", "memory"),
        20,
        100_000,
    ),
    "a processor": Bomb(
        "until = time.time() + {}\nwhile time.time() < until: pass\n", TIME, 0.1, 9
    ),
    "a processor, in one instruction": Bomb(
        "re.match('(a|aa)*$', 'a' * {} + 'b')\n", TIME, 10, 100
    ),
    "a processor, by a large number": Bomb("x = 7 ** (10 ** {})\n", ("timeout", "memory"), 4, 9),
    "the processors": Bomb(
        "for _ in range(30):\n if not os.fork():\n"
        "  until = time.time() + {}\n  while time.time() < until: pass\n  os._exit(0)\n"
        "for _ in range(30): os.wait()\n",
        TIME,
        0.01,
        100,
    ),
    "time, deaf to interrupts": Bomb(
        "signal.signal(2, signal.SIG_IGN); signal.signal(15, signal.SIG_IGN); time.sleep({})\n",
        TIME,
        0.1,
        100,
    ),
    "time, catching interrupts": Bomb(
        "def forever(seconds):\n"
        " until = time.time() + seconds\n"
        " while time.time() < until:\n"
        "  try: time.sleep(0.01)\n  except BaseException: pass\nforever({})\n",
        TIME,
        0.1,
        100,
    ),
    "time, with all signals blocked": Bomb(
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); time.sleep({})\n", TIME, 0.1, 100
    ),
    "the stack of the interpreter": Bomb(
        "sys.setrecursionlimit(10 ** 9)\ndef deep(n): return n and deep(n - 1)\ndeep({})\n",
        ("crash", "exception", "memory", "timeout"),
        100,
        10**9,
    ),
    "the stack of the machine": Bomb(
        "nested = []\nfor _ in range({}): nested = [nested]\n"
        "sys.setrecursionlimit(10 ** 9)\nlen(repr(nested))\n",
        ("crash", "exception", "memory", "timeout"),
        100,
        10**6,
    ),
    "the compiler": Bomb(
        "compile('(' * {0} + ')' * {0}, 'x', 'eval')\n",
        ("syntax", "exception", "memory", "crash"),
        50,
        10**6,
    ),
    "children that nobody waits for": Bomb(
        "for _ in {}:\n try: pid = os.fork()\n except OSError: continue\n"
        " if not pid: os._exit(0)\n",
        TIME,
        "range(20)",
        FOREVER,
    ),
    "events for the supervisor": Bomb(
        "for _ in {}:\n try: pid = os.fork()\n except OSError: continue\n"
        " if not pid:\n  try: os.fork()\n  finally: os._exit(0)\n os.waitpid(pid, 0)\n",
        TIME,
        "range(20)",
        FOREVER,
    ),
}

PRELUDE = """
import itertools, mmap, os, pickle, re, signal, subprocess, sys, threading, time, zlib
MIB = 1 << 20
"""


@cache
def packed() -> bytes:
    """Zeros, 256 MiB of them."""
    packer = zlib.compressobj(1)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(256)) + packer.flush()


@pytest.fixture(scope="module", params=KINDS)
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    with open_arena(request.param, **LIMITS) as arena:
        yield arena


def explode(arena: Arena, bomb: Bomb, amount: object) -> str:
    """How it ends; the sandbox must live on."""
    arena.lab.call(PRELUDE)
    if "BOMB" in bomb.code:
        arena.lab.call(f"BOMB = {packed()!r}\n")
    call = arena.lab.call(*parts(bomb.code.format(amount)))
    if call.of(Died):
        return "died"
    failure = call.outcome.failure
    return failure.kind if failure else "ok"


def parts(code: str) -> list[str]:
    """A class statement and what follows it are two units, for the last to be shown."""
    head, mark, tail = code.partition("\nBig()")
    return [head + "\n", "Big()" + tail] if mark else [code]


@pytest.mark.parametrize("name", BOMBS)
def test_ends_in_time(arena: Arena, name: str) -> None:
    bomb = BOMBS[name]
    kind = explode(arena, bomb, bomb.little)
    assert kind == "ok", f"the control failed: {kind}"
    began = time.monotonic()
    kind = explode(arena, bomb, bomb.everything)
    took = time.monotonic() - began
    assert kind in bomb.ends, f"not stopped: {kind}"
    assert took < LIMITS["unit_timeout"] + 8, f"not stopped in time: {took:.1f} s"
    arena.lab.guest.restart()
    assert arena.lab.call(CLEAN).kinds == ["ok"]
    assert arena.lab.alive(), "not stopped: the sandbox does not answer"


CLEAN = """
import os, shutil
for place in ("/workspace", "/tmp", "/dev/shm"):
    for name in os.listdir(place):
        path = os.path.join(place, name)
        # Below /tmp may lie the Python that runs this.
        shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) else os.unlink(path)
"""


@pytest.mark.parametrize("stream", [1, 2])
def test_output_of_a_gigabyte(arena: Arena, stream: int) -> None:
    """What is kept is the beginning, with a note; neither side grows by it."""
    write = f"import os\nb = b'x' * 65536\nfor _ in range({{}}): os.write({stream}, b)\n"
    assert arena.lab.call(write.format(2)).kinds == ["ok"]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    call = arena.lab.call(write.format(16384))
    assert call.kinds[0] in ("ok", "timeout")
    text = call.stdout if stream == 1 else call.stderr
    assert len(text) < OUTPUT + 100
    assert "more bytes were written and not kept" in text
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024
    assert arena.lab.alive()
