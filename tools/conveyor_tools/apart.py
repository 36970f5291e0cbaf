"""Code that may not stop when it is told to: it runs apart, and is then left to itself.

A blocking function runs in a thread, a coroutine in a task. Neither ends the program, whatever it
raises.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, NoReturn, TypeVar
from weakref import WeakSet

from conveyor_tools.errors import ToolError
from conveyor_tools.printing import is_aside

Value = TypeVar("Value")

_GRACE = 3.0
"""Seconds that a coroutine has to end once it is cancelled."""
_left: set[asyncio.Task[Any]] = set()
_MOST = 64
"""Threads at once, those included that were given up and have not ended."""
_free = threading.Semaphore(_MOST)


async def in_thread(work: Callable[[], Any], *, counted: bool = True) -> Any:
    """What the function returns, or raises, run in a thread of its own.

    `counted`: whether it is one of those of which there are not too many. What gives something
    back is not: it has to be done.

    Not `asyncio.to_thread`: its threads are waited for at the end of the program, so that a
    function that hangs would hang it. Here, a wait that is cancelled leaves the thread to itself.

    Raises:
        RuntimeError: too many threads have not ended.
        ToolError: it would end the program.
    """
    if counted and not _free.acquire(blocking=False):
        raise RuntimeError(f"{_MOST} blocking calls have not ended")
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    context = contextvars.copy_context()

    def tell(value: Any, problem: BaseException | None) -> None:
        if not done.done():
            done.set_result((value, problem))

    def run() -> None:
        value, problem = None, None
        try:
            value = context.run(work)
        except BaseException as raised:  # noqa: BLE001 - it is raised again where it is waited for
            problem = raised
        finally:
            if counted:
                _free.release()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, value, problem)

    threading.Thread(target=run, name="tool", daemon=True).start()
    value, problem = await done
    if problem is not None:
        _raise(problem)
    return value


async def in_task(work: Awaitable[Any]) -> Any:
    """What is awaited returns, or raises, run in a task of its own.

    One that goes on although it was cancelled is left to itself, and nothing waits for it any more:
    not its time limit, nor the end of the program.

    Raises:
        ToolError: it would end the program.
    """
    task = asyncio.create_task(_tried(work))
    try:
        value, problem = await asyncio.shield(task)
    except asyncio.CancelledError as cancelled:
        if task.cancelled() and not _is_cancelled():
            raise harmless(cancelled) from cancelled  # of something that it waited for itself
        task.cancel()
        try:
            await asyncio.wait([task], timeout=_GRACE)
        finally:
            if not task.done():
                _leave(task)
        raise
    if problem is not None:
        _raise(problem)
    return value


def _is_cancelled() -> bool:
    """Whether who runs this was told to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _tried(work: Awaitable[Any]) -> tuple[Any, BaseException | None]:
    try:
        return await work, None
    except asyncio.CancelledError:
        raise
    except BaseException as problem:  # noqa: BLE001 - it is raised again where it is waited for
        return None, problem


def _leave(task: asyncio.Task[Any]) -> None:
    _left.add(task)
    task.add_done_callback(_left.discard)
    asyncio._unregister_task(task)  # noqa: SLF001 - as for tasks of others: `run` waits for all it knows


def _raise(problem: BaseException) -> NoReturn:
    """Raise what the tool raised; `sys.exit()` in it must not end the program."""
    if isinstance(problem, Exception) and not isinstance(problem, StopIteration):
        raise problem
    raise harmless(problem) from problem


def harmless(problem: BaseException) -> ToolError:
    """What says the same, and is no more than an error."""
    return ToolError(f"{type(problem).__name__}: {problem}".removesuffix(": "))


def run(main: Coroutine[Any, Any, Value]) -> Value:
    """As `asyncio.run`, but for what tools began, whose end is waited for no longer than above."""
    begun: WeakSet[asyncio.Task[Any]] = WeakSet()

    def begin(loop: asyncio.AbstractEventLoop, work: Any, /, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=loop, **options)
        if is_aside():
            begun.add(task)
        return task

    with asyncio.Runner() as runner:
        runner.get_loop().set_task_factory(begin)
        try:
            return runner.run(main)
        finally:
            runner.run(_end(begun))


async def _end(begun: Collection[asyncio.Task[Any]]) -> None:
    tasks = [task for task in begun if not task.done() and task not in _left]
    for task in tasks:
        task.cancel()
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=_GRACE)
    finally:
        for task in begun:
            if not task.done():
                _leave(task)
