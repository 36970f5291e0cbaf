"""The scripted backend: given responses, decoded at a given rate.

For demonstrations, tests of one's own tools, and controlled measurements: token number k of a
response (from 1) comes k / rate seconds after the response was asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence

from conveyor_cli.backends.base import Delta, Finish, Message, Progress, Sampling, ToolOffer
from conveyor_cli.errors import ModelError

SEPARATOR = "<<<turn>>>"
"""The line between two responses of a script."""


def split_script(text: str) -> list[str]:
    """The responses of a script, without the line breaks around the separators."""
    responses: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.rstrip("\r") == SEPARATOR:
            responses.append([])
        else:
            responses[-1].append(line)
    return ["\n".join(lines) for lines in responses]


class ScriptedBackend:
    """Gives the responses of a script, one after another.

    Args:
        responses: one text a turn.
        rate: tokens a second; None: as fast as they are taken.
        chunk: characters a token.
    """

    def __init__(
        self, responses: Sequence[str], *, rate: float | None = 60.0, chunk: int = 4
    ) -> None:
        self._responses = list(responses)
        self._next = 0
        self._rate = rate
        self._chunk = chunk

    @property
    def label(self) -> str:
        """What to show the user."""
        pace = "at full speed" if self._rate is None else f"{self._rate:g} tokens/s"
        return f"scripted, {pace}"

    @property
    def template(self) -> str | None:
        """A script has none."""
        return None

    async def load(self, progress: Progress) -> None:
        """Nothing to load."""

    def respond(
        self,
        messages: Sequence[Message],  # noqa: ARG002
        sampling: Sampling,
        tools: Sequence[ToolOffer] = (),  # noqa: ARG002
    ) -> ScriptedResponse:
        """The next response of the script. Raises ModelError when there is none left."""
        if self._next == len(self._responses):
            raise ModelError(
                f"the script ended: it has {self._next} responses and another one is asked for "
                f"(separate responses with lines that are exactly {SEPARATOR})"
            )
        text = self._responses[self._next]
        self._next += 1
        return ScriptedResponse(text, self._rate, self._chunk, sampling.max_new_tokens)

    async def forget(self) -> None:
        """Begin the script again."""
        self._next = 0

    async def close(self) -> None:
        """Nothing to give back."""


class ScriptedResponse:
    """One response of a script, at its rate."""

    def __init__(self, text: str, rate: float | None, chunk: int, max_new_tokens: int) -> None:
        self.finish: Finish | None = None
        self._text = text
        self._interval = 1 / rate if rate else 0.0
        self._chunk = chunk
        self._limit = max_new_tokens
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self._stopped.set()

    async def __aiter__(self) -> AsyncIterator[Delta]:
        began = time.monotonic()
        for token, start in enumerate(range(0, len(self._text), self._chunk), 1):
            if token > self._limit:
                self.finish = Finish.LENGTH
                return
            await self._wait_until(began + token * self._interval)
            if self._stopped.is_set():
                self.finish = Finish.STOPPED
                return
            yield Delta(self._text[start : start + self._chunk], 1, time.monotonic())
            if self._stopped.is_set():
                self.finish = Finish.STOPPED
                return
        self.finish = Finish.EOS

    async def _wait_until(self, due: float) -> None:
        """Until a monotonic time, or until we are stopped. Absolute times: no drift."""
        delay = due - time.monotonic()
        if delay <= 0:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._stopped.wait()
