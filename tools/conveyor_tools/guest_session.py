"""What sessions have in common whose calls run in the sandbox."""

from __future__ import annotations

from collections.abc import Callable

from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.reports import Report


class GuestSession:
    """A session on the sandbox's workspace. All of one run share the guest, and so all undo.

    What is left to each: `run` and `end`.
    """

    def __init__(self, guest: GuestClient) -> None:
        self._guest = guest

    def listen(self, listener: Callable[[Report], None]) -> None:
        self._guest.listen(listener)

    def prepare(self, call: int) -> None:
        """What runs calls is there already."""

    def cancel(self, call: int) -> None:
        self._guest.cancel(call)

    def roll_back(self, call: int) -> None:
        self._guest.roll_back(call)

    def commit(self) -> None:
        self._guest.checkpoint()

    async def close(self) -> None:
        """It ends with its sandbox."""
