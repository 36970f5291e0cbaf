"""Settings of the interpreter that the model's code changes for itself, not for the worker."""

from __future__ import annotations

# Not `signal`: it wraps its functions in enums, which takes ten times as long.
import _signal  # type: ignore[import-not-found]
import sys

from .aio import in_machinery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

_ENOUGH = 1000
"""Depth of recursion that the worker needs at most."""
_NUMBERS = range(1, _signal.NSIG)


class Settings:
    """What the code has set, which holds while it runs and is laid aside between units.

    Signal handlers: a signal that comes between units is handled when the next one begins, but
    for SIGINT, which then interrupts nothing but a task that runs. Trace and profile functions.
    The recursion limit.
    """

    def __init__(self) -> None:
        self._handlers: Dict[int, Any] = {_signal.SIGINT: _signal.default_int_handler}
        self._missed: List[int] = []
        self._limit = sys.getrecursionlimit()
        self._trace: Any = None
        self._profile: Any = None
        self._traces = False
        """Whether these two are on."""
        self.code_runs = False
        """Whether tasks of the code run though no unit does."""
        _signal.signal(_signal.SIGINT, self._miss)

    def begin(self) -> None:
        """A unit begins: an interrupt that came before was not meant for it."""
        self._missed = [number for number in self._missed if number != _signal.SIGINT]

    def restore(self) -> None:
        """The code runs. What its handler of a missed signal raises is raised here."""
        for number, handler in self._handlers.items():
            _signal.signal(number, handler)
        missed = [number for number in self._missed if not self._is_asyncios(number)]
        self._missed.clear()
        _restore_limit(self._limit)
        for number in missed:
            _signal.raise_signal(number)

    def trace(self) -> None:
        """The last thing before the code runs: its trace function is not to see calls of ours."""
        self._traces = True
        sys.setprofile(self._profile)
        sys.settrace(self._trace)

    def lay_aside(self, trace: Any) -> None:
        """The code has run. Its trace function is off already: it is not to see this call."""
        interrupt = _signal.getsignal(_signal.SIGINT)
        _signal.signal(_signal.SIGINT, self._miss)
        self._handlers = {_signal.SIGINT: interrupt}
        self._limit = sys.getrecursionlimit()
        if self._limit < _ENOUGH:
            sys.setrecursionlimit(_ENOUGH)
        if self._traces:
            self._trace, self._profile = trace, sys.getprofile()
            sys.setprofile(None)
            self._traces = False
        for number in _NUMBERS:
            handler = _signal.getsignal(number)
            if callable(handler) and handler != self._miss:
                self._handlers[number] = handler
                _signal.signal(number, self._miss)

    def _miss(self, number: int, frame: Any) -> None:
        if number == _signal.SIGINT and self.code_runs and not in_machinery(frame):
            raise KeyboardInterrupt
        self._missed.append(number)

    def _is_asyncios(self, number: int) -> bool:
        """Whether a loop handles the signal, which it is told of in a way that misses none."""
        return getattr(self._handlers.get(number), "__name__", "") == "_sighandler_noop"


def _restore_limit(limit: int) -> None:
    try:
        sys.setrecursionlimit(limit)
    except RecursionError:  # it was set from deeper down in 3.8 to 3.11 than they let us now
        sys.setrecursionlimit(_ENOUGH)
