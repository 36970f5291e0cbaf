"""The session's event loop: one for all units, seen as running by each of them.

In a plain unit the loop does not run, it is only *seen* as running: `asyncio.create_task` works on
a line of its own, and so do `asyncio.run` and other loops, which look whether one really runs. It
runs while a unit awaits, and while the worker waits for its next frame: there, tasks go on between
units. So a fork between two units never happens inside a running loop.

`asyncio` takes long to import. Nothing here does so before the code has, or is about to.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # see settings.py
import sys
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from types import FrameType
    from typing import Any, Callable, Optional, Tuple

    from .settings import Settings

    Parts = Tuple[Any, Any]
    """A unit's code, and that of its last expression (or None)."""

COROUTINE = 0x80
"""The flag of code that awaits: to evaluate it makes a coroutine (`inspect.CO_COROUTINE`)."""
_MACHINERY = ("asyncio.", "selectors", "conveyor_guest.")


class SessionLoop:
    """asyncio, as the units of one session share it.

    A loop that the code makes the current one (`asyncio.set_event_loop`) takes the place of ours;
    one that it closes is replaced by a fresh one. Only in the worker's main thread.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asyncio: Any = None
        self._own: Any = None
        self._adopted: Any = None
        self._thread = get_ident()
        self._seen = False
        """Whether a unit runs that sees the loop as running."""
        self._set_running: Callable[[Any], None]
        self._raised: Optional[BaseException] = None
        """What came out of a task between units, to be raised by the next one."""
        self._task: Any = None
        """The unit that awaits."""
        self._interrupted = False
        self._heard = False

    # Units

    def enter(self, text: str) -> None:
        """A unit of this text is about to run: have a loop, if it may want one."""
        if "asyncio" in sys.modules or "async" in text or "await" in text:
            if self._asyncio is None or sys.modules.get("asyncio") is not self._asyncio:
                self._import()
            if self._current() is None:
                self._make()

    def see(self) -> None:
        """The unit runs. Raises what a task raised between units to end the program."""
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised
        loop = self._current()
        if loop is not None:
            self._seen = True
            self._set_running(loop)

    def unsee(self) -> None:
        """The unit has run."""
        if self._seen:
            self._seen = False
            self._set_running(None)

    def run(self, parts: Parts, names: Any) -> Any:
        """Run a unit that awaits; returns the value of its last expression.

        A unit that is interrupted, or whose loop is stopped under it, is cancelled. Other tasks
        live on.
        """
        loop = self._current()
        if loop is None:
            raise RuntimeError("asyncio cannot be used: the code has broken it")
        context: Any = None

        async def unit() -> Any:
            nonlocal context
            try:
                return None, await _evaluate(parts, names)
            except BaseException as problem:  # noqa: BLE001 - to the loop it would be its own end
                return problem, None
            finally:
                context = self._copy_context()

        self._interrupted = False
        self._task = task = loop.create_task(unit())
        ours = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
        if ours:
            _signal.signal(_signal.SIGINT, self._interrupt)
        try:
            problem, value = self._complete(loop, task)
        finally:
            _carry_over(context)
            if ours and _signal.getsignal(_signal.SIGINT) == self._interrupt:
                _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        if problem is None:
            return value
        if self._interrupted and isinstance(problem, self._asyncio.CancelledError):
            raise KeyboardInterrupt().with_traceback(problem.__traceback__)
        raise problem

    def _complete(self, loop: Any, task: Any) -> Any:
        try:
            return loop.run_until_complete(task)
        except BaseException:
            # Another task or a signal handler ends the program, or the loop was stopped. The unit
            # is left at its `await`, from where it must go: it cannot go on in a later unit.
            task.cancel()
            loop.run_until_complete(task)
            raise

    def _interrupt(self, _number: int, frame: Optional[FrameType]) -> None:
        """SIGINT while a unit awaits: an interrupt where code runs, else the unit is cancelled.

        What asyncio does in between is not made to be interrupted: it could lose a task.
        """
        if not in_machinery(frame):
            raise KeyboardInterrupt
        self._interrupted = True
        self._task.cancel()
        self._task.get_loop().call_soon_threadsafe(_do_nothing)

    # Between units

    def wait(self, control: socket.socket) -> None:
        """Run the loop, if there is one, until there is something to read."""
        loop = self._current()
        if loop is None or self._raised is not None:
            return
        self._heard = False
        self._settings.code_runs = True
        try:
            loop.add_reader(control, self._hear, loop)
            while not self._heard:
                loop.run_forever()  # a task may stop it
        except (SystemExit, KeyboardInterrupt) as problem:
            self._raised = problem
        except Exception:  # noqa: BLE001 - the code can reach all that asyncio is made of
            self._own = self._adopted = None
        finally:
            self._settings.code_runs = False
        try:
            loop.remove_reader(control)
        except Exception:  # noqa: BLE001 - as before
            self._own = self._adopted = None

    def _hear(self, loop: Any) -> None:
        self._heard = True
        loop.stop()

    # The loop

    def _current(self) -> Any:
        for loop in (self._adopted, self._own):
            if loop is not None and not loop.is_closed():
                return loop
        return None

    def _import(self) -> None:
        """Import asyncio, and teach it the difference between seen and running."""
        import asyncio
        import selectors
        from contextvars import copy_context

        # A set of epoll descriptors is shared with the checkpoint, which is a fork.
        selectors.DefaultSelector = selectors.PollSelector  # type: ignore[misc, assignment]
        package: Any = asyncio
        get_running, self._set_running = package._get_running_loop, package._set_running_loop  # noqa: SLF001
        set_current = package.set_event_loop

        def get_running_loop() -> Any:
            loop = get_running()
            return None if self._is_only_seen(loop) else loop

        def set_running_loop(loop: Any) -> None:
            if loop is None and self._seen and get_ident() == self._thread:
                loop = self._current()
                if loop is not None and loop.is_running():  # in a child that it forked
                    loop = None
            self._set_running(loop)

        def set_event_loop(loop: Any) -> None:
            set_current(loop)
            if get_ident() == self._thread:
                self._adopted = loop
                if self._is_only_seen(get_running()):
                    self._set_running(self._current())

        for module in (package, package.events):
            module._get_running_loop = get_running_loop  # noqa: SLF001 - what `asyncio.run` asks
            module._set_running_loop = set_running_loop  # noqa: SLF001
            module.set_event_loop = set_event_loop
        self._copy_context = copy_context
        self._asyncio = package

    def _is_only_seen(self, loop: Any) -> bool:
        return (
            loop is not None
            and self._seen
            and get_ident() == self._thread
            and not loop.is_running()
        )

    def _make(self) -> None:
        import selectors

        self._own = self._asyncio.SelectorEventLoop(selectors.PollSelector())
        self._asyncio.set_event_loop(self._own)


def in_machinery(frame: Optional[FrameType]) -> bool:
    """Whether a frame is asyncio's or ours, and not of code that either calls."""
    if frame is None:
        return True
    return str(frame.f_globals.get("__name__")).startswith(_MACHINERY)


async def _evaluate(parts: Parts, names: Any) -> Any:
    value = None
    for code in parts:
        if code is not None:
            value = eval(code, names)  # noqa: S307 - what a worker is for
            if code.co_flags & COROUTINE:
                value = await value
    return value


def _carry_over(context: Any) -> None:
    """Set here what a unit that awaits, and so has a context of its own, set there."""
    if context is None:
        return
    for variable, value in context.items():
        if variable.get(_do_nothing) is not value:
            variable.set(value)


def _do_nothing() -> None:
    pass
