"""When the units of a call go to its session: at once, at the call's end, once approved, never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from conveyor_cli.engine.consent import Consent
from conveyor_cli.engine.gate import Gate
from conveyor_cli.engine.policy import Mode, may_start
from conveyor_sandbox.reports import UnitKey
from conveyor_tools.splitters.base import Unit


class Release:
    """Sends a call's units, each after those that it depends on, and then the call's end.

    `skip` is told of units that will not run, `refused` why the user does not want the call made.
    """

    def __init__(
        self,
        call: int,
        gate: Gate,
        mode: Mode,
        consent: Consent,
        skip: Callable[[UnitKey], None],
        refused: Callable[[str], None],
    ) -> None:
        self._call = call
        self._gate = gate
        self._mode = mode
        self._consent = consent
        self._skip = skip
        self._refused = refused
        self._held: list[Unit] = []
        self._running: set[int] = set()
        self._quiet = asyncio.Event()
        """Set when nothing that was sent is still to end."""
        self._quiet.set()
        self._failed = False
        self._over = False
        self._asking: asyncio.Task[None] | None = None

    def take(self, unit: Unit) -> bool:
        """Send a new unit, if it may start now. If not, it is held."""
        if may_start(self._mode, call_closed=False) and self._is_free(unit):
            self._send(unit)
            return True
        self._held.append(unit)
        return False

    def complete(self, text: str) -> None:
        """The call is closed, its text valid so far: all may run, some once it is approved."""
        self._send_free()
        if self._consent.asks(self._held):
            self._gate.when_open(partial(self._begin_to_ask, text))
        else:
            self._finish()

    def invalid(self) -> None:
        """The text is not valid: of its units only those run that need not wait for its end."""
        self._send_free()
        self.drop()

    def drop(self) -> None:
        """Nothing that is still held will run."""
        if self._asking is not None:
            self._asking.cancel()
        for unit in self._held:
            self._skip(UnitKey(self._call, unit.index))
        self._held.clear()
        self._finish()

    def ended(self, index: int, *, well: bool) -> None:
        """A unit that was sent has ended, or will not run."""
        self._running.discard(index)
        self._failed = self._failed or not well
        if not self._running:
            self._quiet.set()

    def _is_free(self, unit: Unit) -> bool:
        """Whether it need not wait for the end of the call."""
        held = {it.index for it in self._held}
        behind = bool(held) if unit.after is None else not held.isdisjoint(unit.after)
        return not (self._consent.waits(unit) or behind)

    def _send_free(self) -> None:
        waiting, self._held = self._held, []
        for unit in waiting:
            if self._is_free(unit):
                self._send(unit)
            else:
                self._held.append(unit)

    def _send(self, unit: Unit) -> None:
        self._running.add(unit.index)
        self._quiet.clear()
        self._gate.run(UnitKey(self._call, unit.index), unit)

    def _finish(self) -> None:
        held, self._held = self._held, []
        for unit in held:
            self._send(unit)
        if not self._over:
            self._over = True
            self._gate.end(self._call)

    def _begin_to_ask(self, text: str) -> None:
        if not self._over:
            self._asking = asyncio.create_task(self._ask(text))

    async def _ask(self, text: str) -> None:
        """Once all else has ended well: what failed in time would not have been asked about."""
        await self._quiet.wait()
        refusal = None if self._failed else await self._consent.refusal(self._held, text)
        self._asking = None
        if refusal is not None:
            self._refused(refusal)
        if self._failed or refusal is not None:
            self.drop()
        else:
            self._finish()
