"""What a model backend is: something that streams one response to a conversation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

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
class SaidCall:
    """A call in a message of the model's, where it stands apart from the message's text.

    `arguments` is the JSON text of an object; `id` has nine letters and digits, as Mistral's
    templates want it, and is unique in the conversation.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. Its content is plain text: control tokens in it are text.

    `calls` are those of the model's own message, unless they are written in its content; `answers`
    is the id of the call that a tool's message is about.
    """

    role: Role
    content: str
    calls: tuple[SaidCall, ...] = ()
    answers: str | None = None


ToolOffer = Mapping[str, Any]
"""A tool as chat templates and servers take it: `{"type": "function", "function": {…}}`."""


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
class CallPiece:
    """What a server that marks calls itself added to one of them.

    `call` counts the response's calls from 0; their pieces may alternate. `name` is in the first
    piece of each, and only there. `arguments` is the next of their JSON text.
    """

    call: int
    arguments: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """What one decoding step added.

    `text` is empty where a token completes no character (or ends the sequence). `tokens` is the
    number of tokens decoded for it. `at` is when it was decoded, in seconds of `time.monotonic`.
    Where it is a `piece` of a call, `text` is how that is shown: its end is `piece.arguments`.
    """

    text: str
    tokens: int
    at: float
    piece: CallPiece | None = None


class Finish(StrEnum):
    """Why a response ended."""

    EOS = "eos"
    """The model ended it."""
    LENGTH = "length"
    """The token limit cut it off."""
    DROPPED = "dropped"
    """The connection to the model ended in its middle."""
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

    def respond(
        self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[ToolOffer] = ()
    ) -> Response:
        """Start a response to the conversation. Returns at once.

        `tools` are those that the model is told of by its own chat template, or by its server.
        """

    async def forget(self) -> None:
        """Begin afresh: the next response owes nothing to earlier ones (no cache, no position)."""

    async def close(self) -> None:
        """Give everything back. A response still running is stopped."""
