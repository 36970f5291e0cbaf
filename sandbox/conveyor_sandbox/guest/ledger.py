"""The calls that the host has begun: how they go, and what the host is told of them."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional, Set

    from .frames import Frame
    from .host import Host
    from .outputs import Outputs


class Ledger:
    """Tells the host how units and calls ended, and knows which calls nothing more may run of."""

    def __init__(self, host: Host, outputs: Outputs) -> None:
        self._host = host
        self._outputs = outputs
        self._call = 0
        """The call that was begun last."""
        self._ended: Set[int] = {0}
        """The calls that have ended: their numbers say nothing of their order."""
        self._over: Dict[int, Frame] = {}
        """Of calls not ended, those that nothing more may run of: how they failed, or left off."""

    @property
    def between_calls(self) -> bool:
        """Whether all that was begun has ended."""
        return self._call in self._ended

    def end_early(self, call: int, outcome: Frame) -> None:
        """Nothing more of a call may run, whose outcome this is, if it has none yet."""
        if call not in self._ended:
            self._over.setdefault(call, outcome)

    def end_current_early(self, outcome: Frame) -> None:
        """The same for the call that was begun last."""
        self.end_early(self._call, outcome)

    def may_be_cancelled(self, call: int) -> bool:
        """Whether a call has neither ended nor an outcome."""
        return call not in self._ended and call not in self._over

    def admit(self, frame: Frame) -> bool:
        """Whether the next unit or end of a call is for the worker; if not, it is answered here."""
        call = self._call = frame["call"]
        over: Optional[Frame] = self._over.get(call)
        if over is None:
            return True
        if frame["op"] == "run":
            self._send({"ev": "skipped", "call": call, "index": frame["index"]})
        else:
            self._end_call({**over, "result": None})
        return False

    def finish(self, done: Frame, answer: Frame) -> None:
        """The worker has done this, and so it went."""
        outcome = {name: answer[name] for name in ("status", "error")}
        if done["op"] == "end":
            self._end_call({**outcome, "result": answer["result"]})
            return
        if outcome["status"] != "ok" or answer["exited"]:
            self._over.setdefault(done["call"], outcome)
        unit = {"ev": "finished", "call": done["call"], "index": done["index"]}
        self._host.send({**unit, **outcome, "exited": answer["exited"], "t": answer["t"]})

    def _end_call(self, outcome: Frame) -> None:
        """The current call is over, and its output complete."""
        self._outputs.end_call()
        self._over.pop(self._call, None)
        self._ended.add(self._call)
        self._send({"ev": "ended", "call": self._call, **outcome})

    def _send(self, frame: Frame) -> None:
        self._host.send({**frame, "t": time.monotonic()})
