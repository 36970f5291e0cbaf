"""One event loop over units and calls: awaiting, tasks, time limits, other loops, forks."""

from __future__ import annotations

import re
import time

import pytest

from conveyor_sandbox.reports import Output, Restarted, Started, Status, Stream
from tests.sandbox.conftest import Lab, LabMaker

TICK = """\
import asyncio
async def tick(name, seconds=0.02):
    await asyncio.sleep(seconds)
    print(name)
    return name
"""


# Await at the top


def test_top_level_await(lab: Lab) -> None:
    """Statements and values that await, in all their forms, one loop for all."""
    call = lab.call(
        TICK,
        "async def numbers():\n    for n in range(3):\n        yield n\n",
        "first = asyncio.get_running_loop()\n",
        "await tick('a')\n",
        "x = [n async for n in numbers()]; print(x)\n",
        "async for n in numbers(): print(n)\n",
        "async with asyncio.Lock() as lock: print(lock)\n",
        "if await tick('b') == 'b':\n    print(asyncio.get_running_loop() is first)\n",
        "await tick('c')\n",
    )
    assert call.stdout == "a\n[0, 1, 2]\n0\n1\n2\nNone\nb\nTrue\nc\n"
    assert call.outcome.result == "'c'"


def test_await_without_asyncio(lab: Lab) -> None:
    """A coroutine needs no import to be awaited."""
    assert lab.call("async def f():\n    return 1\n", "await f()\n").outcome.result == "1"


@pytest.mark.parametrize(
    "code", ["def f():\n    await x\n", "class A:\n    await x\n", "return 1\n"]
)
def test_await_is_for_the_top_only(lab: Lab, code: str) -> None:
    """Elsewhere it is the error that it is in a script."""
    assert lab.call("x = 1\n", code).kinds == ["ok", "syntax"]


def test_exec_does_not_await(lab: Lab) -> None:
    """The code's own `exec` compiles as in a script."""
    assert lab.call("exec('await f()')\n").outcome.failure.type == "SyntaxError"


def test_no_loop_without_need(lab: Lab) -> None:
    """asyncio, which takes long to import, is left alone until the code is about to use it."""
    loaded = "import sys; 'syncio'.join(['a', '']) in sys.modules\n"
    assert lab.call("x = 1\n", loaded).outcome.result == "False"
    assert lab.call("# async\n" + loaded).outcome.result == "True"


# Tasks over units


def test_task_goes_on_between_units(lab: Lab) -> None:
    """While nothing runs, it does; what it writes counts to the unit that ran last."""
    lab.send(TICK, "task = asyncio.create_task(tick('late'))\n", "x = 1\n", end=False)
    *_, late = lab.until_report(lambda it: isinstance(it, Output))
    assert (late.text, late.unit.index) == ("late\n", 2)
    lab.add(3, "print(task.done())\n", "await task\n", line=9)
    call = lab.finish()
    assert call.stdout == "True\n"
    assert call.outcome.result == "'late'"


def test_task_goes_on_between_calls(lab: Lab) -> None:
    """A call's end is no end to it."""
    lab.call(TICK, "task = asyncio.create_task(tick('late', 0.2))\n")
    lab.until_output("late")
    assert lab.call("task.result()\n").outcome.result == "'late'"


def test_task_goes_on_after_the_loop_was_stopped(lab: Lab) -> None:
    """`loop.stop()` between units stops nothing of the session's."""
    stop = "loop = asyncio.get_running_loop(); loop.call_later(0.05, loop.stop)\n"
    lab.send(TICK, stop, "task = asyncio.create_task(tick('late', 0.3))\n", end=False)
    lab.until_output("late")
    lab.add(3, "task.done()\n", line=8)
    assert lab.finish().outcome.result == "True"


def test_thread_hands_work_to_the_waiting_loop(lab: Lab) -> None:
    """From a thread, while no unit runs."""
    code = """
import threading
loop = asyncio.get_running_loop()
def work():
    import time; time.sleep(0.2)
    print(asyncio.run_coroutine_threadsafe(tick('on the loop'), loop).result(5))
thread = threading.Thread(target=work); thread.start()
"""
    lab.send(TICK, code, end=False)
    lab.until_output("on the loop\non the loop\n")
    lab.add(2, "thread.join()\n", line=20)
    assert lab.finish().kinds[-1] == "ok"


def test_exception_that_nobody_retrieved(lab: Lab) -> None:
    """asyncio says so on standard error; no unit fails by it."""
    call = lab.call(
        "import asyncio\n",
        "async def bad(): 1 / 0\n",
        "asyncio.create_task(bad())\n",
        "await asyncio.sleep(0.01)\n",
        "import gc; gc.collect()\n",
    )
    assert call.kinds == ["ok"] * 5
    assert call.stderr.startswith("Task exception was never retrieved\n")
    assert call.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_failure_while_awaiting(lab: Lab) -> None:
    """The traceback is that of the code, and nothing of ours."""
    bad = "async def bad():\n    await asyncio.sleep(0)\n    1 / 0\n"
    call = lab.call("import asyncio\n", bad, "await bad()\n")
    assert call.outcome.failure is not None
    lines = [
        it for it in call.outcome.failure.traceback.splitlines() if not re.match(r"[ ~^]+$", it)
    ]
    assert lines == [
        "Traceback (most recent call last):",
        '  File "<call 1>", line 5, in <module>',
        "    await bad()",
        '  File "<call 1>", line 4, in bad',
        "    1 / 0",
        "ZeroDivisionError: division by zero",
    ]


@pytest.mark.parametrize(
    "code",
    [
        "await leave()\n",
        "task = asyncio.create_task(leave()); await asyncio.sleep(60)\n",
        "asyncio.run(leave())\n",
    ],
)
def test_exit_in_async_code(lab: Lab, code: str) -> None:
    """It ends the call, from wherever it is raised; the session's tasks live on."""
    lab.call(TICK, "task = asyncio.create_task(tick('kept', 0.3))\n", "kept = task\n")
    call = lab.call("import sys\n", "async def leave(): sys.exit(3)\n", code, "x = 1\n")
    assert call.kinds == ["ok", "ok", "exit", "skipped"]
    assert lab.call("await kept\n").outcome.result == "'kept'"


def test_exit_of_a_task_between_units(lab: Lab) -> None:
    """It ends the call at its next unit, which does not run."""
    code = "async def leave(): sys.exit(0)\n"
    lab.send("import asyncio, sys\n", code, "task = asyncio.create_task(leave())\n", end=False)
    lab.until_report(lambda it: isinstance(it, Started) and it.unit.index == 2)
    time.sleep(0.2)
    lab.add(3, "print('no')\n", "x = 1\n", line=4)
    call = lab.finish()
    assert call.stdout == ""
    assert call.outcome.status is Status.OK
    assert call.kinds[-2:] == ["ok", "skipped"]
    assert lab.alive()


def test_context_variables(lab: Lab) -> None:
    """What a unit that awaits sets is there in later ones; a task has a context of its own."""
    call = lab.call(
        "import asyncio, contextvars\n",
        "v = contextvars.ContextVar('v', default=0)\n",
        "async def other(): v.set(9)\n",
        "await asyncio.sleep(0); v.set(1)\n",
        "print(v.get())\n",
        "v.set(2)\n",
        "await asyncio.create_task(other()); print(v.get())\n",
    )
    assert call.stdout == "1\n2\n"


# Other loops, and the same one


def test_other_loops_work_beside_it(lab: Lab) -> None:
    """asyncio.run, runners, new loops and the session's own, each from a plain statement."""
    call = lab.call(
        TICK,
        "task = asyncio.create_task(tick('task', 0.3))\n",
        "asyncio.run(tick('run'))\n",
        "loop = asyncio.get_event_loop()\n",
        "loop.run_until_complete(tick('same'))\n",
        "new = asyncio.new_event_loop(); new.run_until_complete(tick('new')); new.close()\n",
        "def main():\n    asyncio.run(tick('f'))\n    return asyncio.create_task(tick('after'))\n",
        "after = main()\n",
        "if hasattr(asyncio, 'Runner'):\n"
        "    with asyncio.Runner() as runner: runner.run(tick('r')); runner.run(tick('r'))\n"
        "else:\n    print('r\\nr')\n",
        "await asyncio.gather(task, after)\n",
    )
    assert call.kinds == ["ok"] * 10
    assert call.outcome.result == "['task', 'after']"
    lines = [it for it in call.stdout.split() if it not in ("task", "after")]
    assert lines == ["run", "same", "new", "f", "r", "r"]


def test_loop_in_a_running_loop(lab: Lab) -> None:
    """Where a loop really runs, Python's own error, as in a script."""
    code = "async def main(): asyncio.run(main())\n"
    for start in ("asyncio.run(main())\n", "await main()\n"):
        call = lab.call("import asyncio\n", code, start)
        assert call.outcome.failure is not None
        assert "cannot be called from a running event loop" in call.outcome.failure.message


def test_loop_that_the_code_sets(lab: Lab) -> None:
    """It takes the session's place: what belongs to the current loop belongs to it."""
    code = """
def main():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    print(asyncio.get_event_loop() is loop)
    return loop.run_until_complete(asyncio.ensure_future(tick('a')))
"""
    call = lab.call(TICK, code, "main()\n", "await tick('b')\n", "asyncio.set_event_loop(None)\n")
    assert call.stdout == "True\na\nb\n"
    assert lab.call("await tick('c')\n").stdout == "c\n"


@pytest.mark.parametrize(
    "code",
    [
        "asyncio.get_running_loop().close()\n",
        "asyncio.set_event_loop_policy(None)\n",
        "class P(asyncio.DefaultEventLoopPolicy): pass\nasyncio.set_event_loop_policy(P())\n",
        "asyncio.set_event_loop(asyncio.new_event_loop()); asyncio.get_event_loop().close()\n",
        "time.sleep(0.2)\n",
        "asyncio.get_running_loop().call_soon(asyncio.get_running_loop().stop)\n",
        "asyncio.set_event_loop(object())\n",
        "for name in list(sys.modules):\n    if 'asyncio' in name: del sys.modules[name]\n",
        "asyncio.SelectorEventLoop = None; asyncio.get_running_loop().close()\n",
        "asyncio.BaseEventLoop.run_forever = None\n",
        "asyncio.events._set_running_loop = asyncio.events.get_running_loop = None\n",
        "asyncio.get_running_loop().call_later(0.05, print, 'x'); del print\n",
    ],
)
def test_session_survives(lab: Lab, code: str) -> None:
    """Whatever is done to asyncio, or to its loop."""
    lab.call("import asyncio, sys, time\n", "await asyncio.sleep(0)\n", "x = 6\n")
    call = lab.call("print = print\n", code, "y = x * 7\n")
    assert call.kinds[-1:] in (["ok"], ["skipped"])
    assert not call.restarted
    assert lab.call("x * 7\n").outcome.result == "42"
    lab.guest.restart()
    lab.until(Restarted)
    assert lab.call(TICK, "await tick('a')\n").stdout == "a\n"


def test_loop_stopped_under_a_unit(lab: Lab) -> None:
    """The unit fails as `asyncio.run` would, and does not go on later."""
    stop = "asyncio.get_running_loop().call_later(0.05, asyncio.get_running_loop().stop)\n"
    call = lab.call(TICK, stop, "await tick('no', 0.2)\n")
    assert call.outcome.failure is not None
    assert call.outcome.failure.message == "Event loop stopped before Future completed."
    assert lab.call("await tick('yes', 0.4)\n").stdout == "yes\n"


def test_subprocesses_threads_and_signals(lab: Lab) -> None:
    """What asyncio does through the system works on the session's loop."""
    call = lab.call(
        "import asyncio, os, signal, time\n",
        "p = await asyncio.create_subprocess_exec('echo', 'hi', stdout=asyncio.subprocess.PIPE)\n",
        "print((await p.communicate())[0], p.returncode)\n",
        "loop = asyncio.get_running_loop()\n",
        "print(await loop.run_in_executor(None, lambda: time.sleep(0.01) or 'slept'))\n",
        "loop.add_signal_handler(signal.SIGUSR1, print, 'usr1')\n",
        "os.kill(os.getpid(), signal.SIGUSR1)\n",
        "await asyncio.sleep(0.05)\n",
    )
    assert call.stdout == "b'hi\\n' 0\nslept\nusr1\n"


def test_signal_between_units(lab: Lab) -> None:
    """The loop handles it when it comes, and once."""
    lab.call(
        "import asyncio, os, signal, threading\n",
        "asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print, 'usr1')\n",
        "threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()\n",
    )
    lab.until_output("usr1\n")
    assert lab.call("x = 1\n", "await asyncio.sleep(0.05)\n").stdout == ""


def test_loops_outlive_a_fork(lab: Lab) -> None:
    """None of them waits by epoll, whose set of descriptors parent and child would share."""
    call = lab.call(
        "import asyncio\n",
        "print(type(asyncio.get_running_loop()._selector).__name__)\n",
        "print(type(asyncio.new_event_loop()._selector).__name__)\n",
    )
    assert call.stdout == "PollSelector\n" * 2


def test_asyncio_imported_afresh(lab: Lab) -> None:
    """The new module knows as much as the old one."""
    forget = "for name in list(sys.modules):\n    if 'asyncio' in name: del sys.modules[name]\n"
    call = lab.call("import sys\n", TICK, forget, TICK, "asyncio.run(tick('a'))\n")
    assert call.stdout == "a\n"


# Time limits and cancelling


def test_timeout_while_awaiting(make_lab: LabMaker) -> None:
    """The unit is cancelled, and told where it waited; other tasks live on."""
    code = "try:\n    await asyncio.sleep(60)\nfinally:\n    print('cleaned up')\n"
    with make_lab(unit_timeout=0.5) as lab:
        call = lab.call(TICK, "task = asyncio.create_task(tick('task', 1.0))\n", code)
        assert call.kinds == ["ok", "ok", "timeout"]
        assert call.stdout == "cleaned up\n"
        assert not call.restarted
        assert call.outcome.failure is not None
        assert "await asyncio.sleep(60)" in call.outcome.failure.traceback
        assert call.outcome.failure.traceback.endswith("\nKeyboardInterrupt\n")
        assert "Cancelled" not in call.outcome.failure.traceback
        lab.until_output("task\n")
        assert lab.call("await task\n").outcome.result == "'task'"


SPIN = "import asyncio\nasync def spin():\n    while True: pass\n"


@pytest.mark.parametrize(
    "code",
    [
        "await spin()\n",
        "await asyncio.gather(spin())\n",
        "task = asyncio.create_task(spin()); await asyncio.sleep(60)\n",
        "asyncio.run(asyncio.sleep(60))\n",
        "asyncio.get_event_loop().run_until_complete(asyncio.sleep(60))\n",
        "async with asyncio.Lock(): await asyncio.wait_for(asyncio.sleep(60), 50)\n",
    ],
)
def test_timeout_in_async_code(make_lab: LabMaker, code: str) -> None:
    """Wherever the code is then; the session's state stays."""
    with make_lab(unit_timeout=0.5) as lab:
        call = lab.call(SPIN, code, "x = 1\n")
        assert call.kinds == ["ok", "timeout", "skipped"]
        assert not call.restarted
        assert call.outcome.failure is not None
        assert '"<string>"' not in call.outcome.failure.traceback  # a file of ours
        assert lab.call("await asyncio.sleep(0); 'x' in globals()\n").outcome.result == "False"


def test_task_that_spins_between_units(make_lab: LabMaker) -> None:
    """The next unit cannot begin: its time limit ends the task, and the unit with it."""
    with make_lab(unit_timeout=0.5) as lab:
        call = lab.call(SPIN, "task = asyncio.create_task(spin())\n", "print('no')\n")
        assert call.kinds == ["ok", "ok", "timeout"]
        assert call.stdout == ""
        assert not call.restarted
        assert call.outcome.failure is not None
        assert call.outcome.failure.traceback.splitlines()[-3:] == [
            '  File "<call 1>", line 3, in spin',
            "    while True: pass",
            "KeyboardInterrupt",
        ]
        assert lab.call("await asyncio.sleep(0); 1\n").outcome.result == "1"


def test_cancel_while_awaiting(lab: Lab) -> None:
    """Once only; the next call awaits as before."""
    number = lab.send("import asyncio\n", "print('go'); await asyncio.sleep(60)\n", "x = 1\n")
    lab.until_output("go")
    lab.guest.cancel(number)
    call = lab.finish()
    assert call.outcome.status is Status.CANCELLED
    assert not call.restarted
    assert lab.call("await asyncio.sleep(0.01, 'ok')\n").outcome.result == "'ok'"


def test_interrupt_between_units(lab: Lab) -> None:
    """It came too late for the last one, and is not meant for the next."""
    lab.call(
        "import os, signal, threading\n",
        "def late():\n    os.kill(os.getpid(), signal.SIGINT)\n    print('sent')\n",
        "threading.Timer(0.1, late).start()\n",
    )
    lab.until_output("sent")
    assert lab.call("1 + 1\n").outcome.result == "2"


def test_interrupt_before_the_code_runs(lab: Lab) -> None:
    """Code that takes long to compile is interrupted when it begins."""
    text = "print('ran'); x = [" + "(1, 'a', [2]), " * 5_000 + "]\n"
    number = lab.send(text, "y = 1\n")
    lab.until(Started)
    lab.guest.cancel(number)
    call = lab.finish()
    assert call.outcome.status is Status.CANCELLED
    assert call.stdout == ""
    assert not call.restarted


# Other processes


def test_child_runs_what_was_registered_for_its_exit(lab: Lab) -> None:
    """A child by fork ends at the end of its unit as a script does. The session itself ends by
    the removal of its sandbox: what was registered for its exit does not run."""
    call = lab.call(
        "import atexit, os\n",
        "atexit.register(print, 'bye')\n",
        "if os.fork() == 0: print('child')\n",
        "os.wait()[1]\n",
    )
    assert call.stdout == "child\nbye\n"
    assert call.outcome.result == "0"
    assert lab.alive()


def test_forks_in_async_code(lab: Lab) -> None:
    """By a unit that awaits, and by a task between units: one answer, the parent's."""
    fork = """
import os
async def fork():
    await asyncio.sleep(0.05)
    if os.fork() == 0:
        print('child')
        return 'child'
    os.wait()
    return 'parent'
"""
    call = lab.call(TICK, fork, "await fork()\n")
    assert (call.stdout, call.outcome.result) == ("child\n", "'parent'")
    lab.call(
        "def fork_soon():\n    if os.fork() == 0: print('child')\n",
        "asyncio.get_running_loop().call_later(0.05, fork_soon)\n",
    )
    lab.until_output("child")
    assert lab.alive()


def test_loop_of_a_forked_process(lab: Lab) -> None:
    """It has its own, whether its parent awaited or not."""
    fork = "p = mp.get_context('fork').Process(target=work); p.start(); p.join()\n"
    call = lab.call(
        TICK,
        "import multiprocessing as mp\n",
        "def work(): asyncio.run(tick('child')); print(end='', flush=True)\n",
        fork,
        "await tick('parent'); " + fork,
        "async def both():\n    " + fork,
        "asyncio.run(both())\n",
    )
    assert call.kinds == ["ok"] * 7
    assert call.stdout == "child\nparent\nchild\nchild\n"


def test_output_stays_in_order_over_tasks(lab: Lab) -> None:
    """Of the loop's tasks, a thread and the units themselves, each at its unit."""
    call = lab.call(
        TICK,
        "import threading\n",
        "await asyncio.gather(tick('a', 0.01), tick('b', 0.05))\n",
        "thread = threading.Timer(0.05, print, ['thread']); thread.start(); thread.join()\n",
        "print('end')\n",
    )
    texts = [call.text(Stream.STDOUT, index) for index in range(5)]
    assert texts == ["", "", "a\nb\n", "thread\n", "end\n"]
