"""An event loop in a thread of its own, for what must not be held up, or hold up, the program's."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

_END_S = 10.0
"""Seconds for the thread to end."""


class SideLoop:
    """Runs coroutines beside whatever loop, or none, the caller is in. Any thread may ask.

    The thread does not keep the program from ending.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def begin(self, work: Coroutine[Any, Any, Result]) -> concurrent.futures.Future[Result]:
        """Let it run. Cancelling what this returns cancels it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What comes of it, for a caller in a loop. Being cancelled cancels it."""
        return await asyncio.wrap_future(self.begin(work))

    def stop(self) -> None:
        """End the thread. Nothing may be under way that matters."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_END_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()
