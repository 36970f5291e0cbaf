"""Time limits, cancelling and restarts in both sandboxes."""

from __future__ import annotations

import pytest

from conveyor_sandbox.reports import (
    Ended,
    Status,
)
from tests.sandbox.conftest import Lab, LabMaker

KIB = 1024
SPIN = "while True: pass\n"
SLEEP = "import time; time.sleep(100)\n"
CHILD = "import os; os.system('sleep 100')\n"
STUBBORN = """
import time
while True:
    try:
        time.sleep(100)
    except KeyboardInterrupt:
        pass
"""
DEAF = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(100)\n"
STOPPED = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)\n"


@pytest.mark.parametrize("code", [SPIN, SLEEP, CHILD])
def test_timeout_interrupts(make_lab: LabMaker, code: str) -> None:
    """The unit is told apart, its traceback says where it was, variables stay."""
    with make_lab(unit_timeout=0.5) as lab:
        call = lab.call("before = 1\n", code, "after = 1\n")
        assert call.kinds == ["ok", "timeout", "skipped"]
        assert call.outcome.status is Status.TIMEOUT
        assert call.outcome.failure is not None
        assert call.outcome.failure.message == "ran longer than 0.5 s"
        assert not call.restarted
        assert lab.call("before\n").outcome.result == "1"


@pytest.mark.parametrize("code", [STUBBORN, DEAF, STOPPED])
def test_timeout_kills_what_ignores_it(make_lab: LabMaker, code: str) -> None:
    """After the grace time the interpreter is killed, and that is reported."""
    with make_lab(unit_timeout=0.3) as lab:
        call = lab.call("before = 1\n", code, "after = 1\n")
        assert call.kinds == ["ok", "timeout", "skipped"]
        assert call.restarted
        assert lab.alive()


@pytest.mark.parametrize("busy", ["time.sleep(100)", "while True: pass"])
def test_timeout_of_a_loop_that_does_not_await(make_lab: LabMaker, busy: str) -> None:
    """`asyncio.run` takes the first interrupt for itself; the second one ends the unit."""
    code = f"import asyncio, time\nasync def main():\n    {busy}\nasyncio.run(main())\n"
    with make_lab(unit_timeout=0.3) as lab:
        call = lab.call("before = 1\n", code)
        assert call.kinds == ["ok", "timeout"]
        assert not call.restarted
        assert lab.call("before\n").outcome.result == "1"


def test_timeout_that_the_code_swallows(make_lab: LabMaker) -> None:
    """Code that catches the interrupt and ends in time has run too long all the same."""
    code = "import time\ntry:\n    time.sleep(100)\nexcept KeyboardInterrupt:\n    x = 1\n"
    with make_lab(unit_timeout=0.3) as lab:
        call = lab.call(code)
        assert call.kinds == ["timeout"]
        assert not call.restarted
        assert lab.call("x\n").outcome.result == "1"


def test_timeout_while_output_floods(make_lab: LabMaker) -> None:
    """Endless output does not keep the time limit from being kept."""
    with make_lab(unit_timeout=0.5) as lab:
        call = lab.call("import os\n", "b = b'x' * 65536\nwhile True: os.write(1, b)\n")
        assert call.kinds == ["ok", "timeout"]
        assert not call.restarted
        assert len(call.stdout) < 300 * KIB


def test_timeout_of_a_value_that_is_shown(make_lab: LabMaker) -> None:
    """A call's end has the same limit."""
    with make_lab(unit_timeout=0.3) as lab:
        call = lab.call("class A:\n    def __repr__(self):\n        while True: pass\n", "A()\n")
        assert call.outcome.status is Status.TIMEOUT
        assert lab.alive()


def test_cancel_a_running_call(lab: Lab) -> None:
    """What runs is interrupted, the rest skipped, variables stay."""
    number = lab.send("before = 1\n", "print('go')\n" + SLEEP, "after = 1\n")
    lab.until_output("go")
    lab.guest.cancel(number)
    lab.guest.cancel(number)
    call = lab.finish()
    assert call.kinds[-2:] == ["interrupt", "skipped"]
    assert call.outcome.status is Status.CANCELLED
    assert not call.restarted
    assert lab.call("before\n").outcome.result == "1"


def test_cancel_a_call_that_did_not_begin(lab: Lab) -> None:
    """Nothing of it runs; the one that runs is not touched, and its failure stays its own."""
    first = lab.send("import time; print('go'); time.sleep(0.3)\n", "1 / 0\n", "x = 1\n")
    second = lab.send("x = 2\n")
    lab.until_output("go")
    lab.guest.cancel(second)
    one, two = lab.finish(), lab.finish()
    assert one.kinds == ["ok", "exception", "skipped"]
    assert (one.of(Ended)[0].call, two.of(Ended)[0].call) == (first, second)
    assert two.kinds == ["skipped"]
    assert two.outcome.status is Status.CANCELLED
    assert lab.call("'x' in globals()\n").outcome.result == "False"


def test_cancel_a_call_that_ended(lab: Lab) -> None:
    """Too late to mean anything."""
    lab.call("x = 1\n")
    lab.guest.cancel(lab.calls)
    assert lab.call("x\n").outcome.result == "1"


def test_cancel_within_the_grace_time_of_a_timeout(make_lab: LabMaker) -> None:
    """It does not take the grace away."""
    code = """
import time
try:
    time.sleep(100)
except KeyboardInterrupt:
    print('caught')
    time.sleep(0.4)
"""
    with make_lab(unit_timeout=0.3) as lab:
        number = lab.send("before = 1\n", code)
        lab.until_output("caught")
        lab.guest.cancel(number)
        assert not lab.finish().restarted
        assert lab.call("before\n").outcome.result == "1"


def test_restart(lab: Lab) -> None:
    """Variables and leftover children are gone, files stay; what was asked for is cancelled."""
    lab.call(
        "import os, subprocess\n",
        "subprocess.Popen(['sleep', '100'], start_new_session=True)\n",
        "print('kept', file=open('file', 'w'))\n",
    )
    lab.send("print('go'); import time; time.sleep(100)\n", "x = 1\n")
    lab.until_output("go")
    lab.guest.restart()
    call = lab.finish()
    assert call.restarted
    assert call.kinds == ["interrupt", "skipped"]
    look = "import os; [p for p in os.listdir('/proc') if p.isdigit()] == ['1', str(os.getpid())]\n"
    assert lab.call(look).outcome.result == "True"
    assert lab.call("print(open('file').read(), 'os' in globals())\n").stdout == "kept\n True\n"
    assert lab.alive()
