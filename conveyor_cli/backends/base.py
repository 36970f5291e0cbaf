"""What a model backend is: something that streams one response to a conversation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

Progress = Callable[[str, float | None], None]
"""Told of long work: what is being done, and the fraction done (0 to 1) where it is known."""


class Role(StrEnum):
    """Who a message is from, in the words chat templates use."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    """What became of a call. Where a chat template knows no such role, the user says it."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. Its content is plain text: control tokens in it are text."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen.

    `temperature` 0 is greedy. `max_new_tokens` bounds one response. The same `seed` on the same
    machine, device and dtype gives the same text.
    """

    max_new_tokens: int = 1024
    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """What one decoding step added.

    `text` is empty where a token completes no character (or ends the sequence). `tokens` is the
    number of tokens decoded for it. `at` is when it was decoded, in seconds of `time.monotonic`.
    """

    text: str
    tokens: int
    at: float


class Finish(StrEnum):
    """Why a response ended."""

    EOS = "eos"
    """The model ended it."""
    LENGTH = "length"
    """The token limit cut it off."""
    STOPPED = "stopped"
    """We stopped it."""


class Response(Protocol):
    """One response while it is decoded: iterate it once for its deltas."""

    @property
    def finish(self) -> Finish | None:
        """Why it ended; None while it has not."""

    def __aiter__(self) -> AsyncIterator[Delta]:
        """The deltas, as they are decoded. Raises ModelError where decoding fails."""

    def stop(self) -> None:
        """Decode no further token. The iteration ends at once; deltas not yet taken are dropped.

        May be called at any time, more than once, from the event loop's thread.
        """


class Backend(Protocol):
    """A source of responses. `load` once, `respond` one at a time, `close` at the end."""

    @property
    def label(self) -> str:
        """What to show the user, e.g. `smollm2-135m bf16 cpu`."""

    @property
    def template(self) -> str | None:
        """The model's chat template, once it is loaded; None where it has none."""

    async def load(self, progress: Progress) -> None:
        """Get ready to decode; returns at once where that was done. Raises ModelError."""

    def respond(self, messages: Sequence[Message], sampling: Sampling) -> Response:
        """Start a response to the conversation. Returns at once."""

    async def forget(self) -> None:
        """Begin afresh: the next response owes nothing to earlier ones (no cache, no position)."""

    async def close(self) -> None:
        """Give everything back. A response still running is stopped."""
