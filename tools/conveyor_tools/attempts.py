"""Running a tool's own code: in its time, again where that may help, errors as values."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from weakref import WeakKeyDictionary

from conveyor_sandbox.reports import Failure
from conveyor_tools.answer import Answer, failure_of
from conveyor_tools.errors import TemporaryError
from conveyor_tools.later import waiting
from conveyor_tools.printing import aside

_FIRST_WAIT = 0.25
"""Seconds before the first retry, at most; the next waits are up to twice as long each."""
_LONGEST_WAIT = 10.0


class Limit:
    """A time limit, in seconds, that stands still while something waits for the model."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._timeout = asyncio.timeout(None)
        self._waiting = 0
        self._left = seconds

    @property
    def expired(self) -> bool:
        """Whether the time is over."""
        return self._timeout.expired()

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        self._resume()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._timeout.__aexit__(kind, problem, trace)

    def _resume(self) -> None:
        self._timeout.reschedule(asyncio.get_running_loop().time() + self._left)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The time does not count in here."""
        now = asyncio.get_running_loop().time()
        if not self._waiting and not self.expired:
            self._left = (self._timeout.when() or now) - now
            self._timeout.reschedule(None)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting and not self.expired:
                self._resume()


class Slots:
    """So many may be at it at once. A tool may serve one event loop after the other: each anew."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._of: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            WeakKeyDictionary()
        )

    @property
    def here(self) -> asyncio.Semaphore:
        """Those of the running loop."""
        loop = asyncio.get_running_loop()
        return self._of.setdefault(loop, asyncio.Semaphore(self._count))


async def attempted(work: Callable[[], Awaitable[str]], limit: Limit, retries: int) -> Answer:
    """What comes of the work, within the limit and tried again so often. Errors are values."""
    token = waiting.set(limit.paused)
    try:
        with aside():
            async with limit:
                return Answer(await _with_retries(work, retries))
    except Exception as problem:  # noqa: BLE001 - it is told
        if limit.expired:
            message = f"no answer within {limit.seconds:g} s"
            return Answer(None, Failure("timeout", "TimeoutError", message))
        return Answer(None, failure_of(problem))
    finally:
        waiting.reset(token)


async def _with_retries(work: Callable[[], Awaitable[str]], retries: int) -> str:
    """Exponential backoff with jitter, so that many do not come back at the same time."""
    if not retries:
        return await work()
    from tenacity import (  # noqa: PLC0415 - few tools need it
        AsyncRetrying,
        retry_if_exception_type,
        stop_after_attempt,
        wait_random_exponential,
    )

    attempts = AsyncRetrying(
        stop=stop_after_attempt(retries + 1),
        wait=wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT),
        retry=retry_if_exception_type(TemporaryError),
        reraise=True,
    )
    return await attempts(work)
