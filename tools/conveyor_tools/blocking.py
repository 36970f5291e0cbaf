"""Blocking functions beside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import Any

_MOST = 64
"""Threads at once, those included that were given up and have not ended."""
_free = threading.Semaphore(_MOST)


async def in_thread(work: Callable[[], Any]) -> Any:
    """What the function returns, or raises, run in a thread of its own.

    Not `asyncio.to_thread`: its threads are waited for at the end of the program, so that a
    function that hangs would hang it. Here, a wait that is cancelled leaves the thread to itself.

    Raises:
        RuntimeError: too many threads have not ended.
    """
    if not _free.acquire(blocking=False):
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
            _free.release()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, value, problem)

    threading.Thread(target=run, name="tool", daemon=True).start()
    value, problem = await done
    if isinstance(problem, Exception) and not isinstance(problem, StopIteration):
        raise problem
    if problem is not None:  # `sys.exit()` in a tool must not end the program
        raise RuntimeError(f"{type(problem).__name__}: {problem}") from problem
    return value
