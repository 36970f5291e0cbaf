"""Passes events on: the one queue that journal, timeline and views are folds over."""

from __future__ import annotations

from collections.abc import Callable

from conveyor_cli.engine.events import Emit, Event, RunEnded


class Fanout:
    """Passes each event to its sinks, in their order: the journal comes first, `RunEnded` is last.

    A sink that raises is dropped and the others go on; `on_error` is told, so that it can end the
    run: an event is emitted deep inside the engine, where no one could handle the sink's error.
    """

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        self._sinks: list[Emit] = []
        self._on_error = on_error

    def add(self, sink: Emit) -> None:
        """Pass events to this one too, after the others."""
        self._sinks.append(sink)

    def close(self) -> None:
        """Pass nothing on any more: what happens in a sandbox after a run is no part of it."""
        self._sinks.clear()

    def emit(self, event: Event) -> None:
        """An event happened."""
        for sink in tuple(self._sinks):
            try:
                sink(event)
            except Exception as error:  # noqa: BLE001 - told to `on_error`, which raises it later
                self._sinks.remove(sink)
                self._on_error(error)
        if isinstance(event, RunEnded):
            self.close()
