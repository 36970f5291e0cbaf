"""The differences from one whole `exec` that remain by nature. Each has a test that shows it.

They hold in both modes alike, since both execute unit by unit; what time does is in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """A program that shows one difference, and the parts of its result that differ."""

    name: str
    why: str
    program: str
    differs: tuple[str, ...]
    awaits: bool = False


_REFUSAL = ("error.message", "error.traceback")

KNOWN = [
    Difference(
        "identity of equal constants",
        "each unit is compiled alone, and has constants of its own",
        "a = 1000\nb = 1000\nprint(a is b)\n",
        ("stdout",),
    ),
    Difference(
        "a failure before an invalid place",
        "the unit has run, and failed, before the text that is invalid was there",
        "print('ran')\n1 / 0\nx = = 1\n",
        ("error.message", "error.traceback", "error.type", "stderr", "stdout"),
    ),
    Difference(
        "the first of several mistakes",
        "CPython's parser sees the whole text before its compiler sees any; units come one by one",
        "return 1\nx = = 2\n",
        _REFUSAL,
    ),
    Difference(
        "which of two rules a line breaks",
        "a unit alone does not know what the ones before it bound",
        "x = 1\nnonlocal x\n",
        _REFUSAL,
    ),
    Difference(
        "where a missing block is missed",
        "a unit ends before the token that CPython would have pointed at",
        "x = 1\nif x:\ny = 2\n",
        _REFUSAL,
    ),
    Difference(
        "where a missing except is missed",
        "as above",
        "try:\n    pass\ny = 2\n",
        _REFUSAL,
    ),
    Difference(
        "a notebook's commands",
        "the error says that they are for IPython",
        "x = 1\n%time x\n",
        _REFUSAL,
    ),
    Difference(
        "a forked child",
        "it ends at the end of its statement: it knows no text that is still to come",
        "import os\npid = os.fork()\nif pid: pid = os.waitpid(pid, 0)[1]\nprint('here')\n",
        ("stdout",),
    ),
    Difference(
        "a frame that was kept",
        "each unit has a frame of its own, which stays on its line",
        "import sys\nframe = sys._getframe()\nline = frame.f_lineno\ndel frame\nline\n",
        ("shown", "variables.line"),
    ),
    Difference(
        "warnings of the compiler",
        "they come when their statement is compiled, not before all others have run",
        "import sys\nprint('first', file=sys.stderr)\nx = 5\ny = x is 5\n",
        ("stderr",),
    ),
    Difference(
        "a line that is not complete yet",
        "what was written is sent at the end of each unit",
        "import os\nprint('a', end='')\n_ = os.system('echo b')\n",
        ("stdout",),
    ),
    Difference(
        "profiling the module itself",
        "it begins and ends with each unit",
        "import sys\nseen = []\nsys.setprofile(lambda frame, event, _: seen.append(event)\n"
        "    if frame.f_code.co_name == '<module>' and event in ('call', 'return') else None)\n"
        "x = 1\nsys.setprofile(None)\nprint(seen)\n",
        ("stdout", "variables.seen"),
    ),
    Difference(
        "what the loop says of itself",
        "between awaits no code of the loop runs: it is only seen as the running one",
        "import asyncio\nprint(asyncio.get_running_loop().is_running())\n",
        ("stdout",),
        awaits=True,
    ),
]
