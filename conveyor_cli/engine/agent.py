"""The agent loop: the model responds, its calls are run, it is told what came of it, and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from conveyor_cli.backends.base import Backend, Message, Role, Sampling
from conveyor_cli.dialects.speech import Speech
from conveyor_cli.engine.approval import Approval
from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.events import Emit, RunStatus, StopReason
from conveyor_cli.engine.opening import Opener
from conveyor_cli.engine.policy import Mode
from conveyor_cli.engine.turn import Turn
from conveyor_cli.engine.workplace import Workplace
from conveyor_cli.errors import ModelError
from conveyor_cli.messages import system_prompt
from conveyor_sandbox.reports import FileMade
from conveyor_sandbox.sandbox import Progress
from conveyor_tools.tool import Tool

_MOST_KEPT = 128 * 1024 * 1024
"""Bytes of files that tools made on this side of the sandbox."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the agent works. Limits: turns and tokens for one prompt, all responses together."""

    mode: Mode
    sampling: Sampling
    early_stop: bool = True
    turns: int = 8
    tokens: int = 2048


@dataclass(frozen=True, slots=True)
class Ending:
    """How a prompt ended. `answer` is the response without a call, if it came to one."""

    status: RunStatus
    answer: str | None
    reason: str


class Agent:
    """One conversation with one model and one workplace.

    `speech` is asked when the model is loaded: what the model knows may decide it. `system` is the
    task's own system text.
    """

    def __init__(
        self,
        backend: Backend,
        workplace: Workplace,
        tools: Mapping[str, Tool],
        approval: Approval,
        speech: Callable[[], Speech],
        settings: Settings,
        system: str | None,
        progress: Progress,
    ) -> None:
        self.settings = settings
        self.messages: list[Message] = []
        self.files: dict[str, bytes] = {}
        """What tools made on this side of the sandbox, by name."""
        self._backend = backend
        self._workplace = workplace
        self._opener = Opener(workplace, tools, approval)
        self._find_speech = speech
        self._speech: Speech | None = None
        self._system = system
        self._progress = progress
        self._turns = 0
        self._turn: Turn | None = None
        self._halted: StopReason | None = None

    @property
    def busy(self) -> bool:
        """Whether a turn is under way."""
        return self._turn is not None

    @property
    def halted(self) -> StopReason | None:
        """Why the prompt was told to end, if it was."""
        return self._halted

    def halt(self, reason: StopReason) -> None:
        """Stop decoding and take back the open call; the prompt ends. Returns at once."""
        if self._halted is None:
            self._halted = reason
        if self._turn is not None:
            self._turn.halt(reason)

    def forget(self) -> None:
        """Forget the conversation, but for what the model was told at first."""
        self.messages = [it for it in self.messages[:1] if it.role is Role.SYSTEM]

    async def ask(self, prompt: str, emit: Emit, clock: RunClock) -> Ending:
        """Answer a prompt. One that comes to no ending leaves nothing in the conversation.

        Raises:
            ModelError, SandboxError: what it could not be answered for.
        """
        self._halted = None
        speech = self._begin()
        before = list(self.messages)
        self._add(Message(Role.USER, prompt))
        try:
            return await self._run_turns(speech, emit, clock)
        except BaseException:
            self.messages = before
            raise

    def _begin(self) -> Speech:
        """How to talk with the model, which is loaded by now; it is told so first of all."""
        if self._speech is None:
            self._speech = self._find_speech()
            system = system_prompt(self._system, self._speech.instructions)
            self.messages = [Message(Role.SYSTEM, system)] if system else []
        return self._speech

    async def _run_turns(self, speech: Speech, emit: Emit, clock: RunClock) -> Ending:
        tokens = 0
        for number in range(self.settings.turns):
            if number:
                await self._workplace.replace_dead(self._progress, emit, clock)
            turn = await self._run_turn(speech, self.settings.tokens - tokens, emit, clock)
            tokens += turn.tokens
            if self.halted is not None:
                return _halted(self.halted)
            if not turn.calls:
                return self._answer(turn)
            if tokens >= self.settings.tokens:
                reason = f"limit reached: {self.settings.tokens} tokens"
                return Ending(RunStatus.LIMIT, None, reason)
        return Ending(RunStatus.LIMIT, None, f"limit reached: {self.settings.turns} turns")

    async def _run_turn(self, speech: Speech, tokens: int, emit: Emit, clock: RunClock) -> Turn:
        self._turns += 1
        sampling = self.settings.sampling
        sampling = replace(sampling, max_new_tokens=min(sampling.max_new_tokens, tokens))
        response = self._backend.respond(self.messages, sampling, speech.offered)
        turn = self._turn = Turn(
            self._turns,
            response,
            speech.dialect(),
            self._opener,
            self.settings.mode,
            speech.answers,
            emit,
            clock,
            early_stop=self.settings.early_stop,
        )
        if self._halted is not None:
            turn.halt(self._halted)
        try:
            for message in await turn.run():
                self._add(message)
            for file in turn.files:
                self._keep(file)
        finally:
            response.stop()
            self._turn = None
        return turn

    def _keep(self, file: FileMade) -> None:
        """Keep a file, if there is room for it."""
        if sum(map(len, self.files.values())) + len(file.content) <= _MOST_KEPT:
            self.files[file.name] = file.content

    def _add(self, message: Message) -> None:
        """Add to the conversation. Chat templates want its sides to take turns."""
        last = self.messages[-1] if self.messages else None
        if last is not None and message.role is last.role and message.role is not Role.TOOL:
            self.messages[-1] = replace(
                last,
                content=f"{last.content}\n\n{message.content}",
                calls=(*last.calls, *message.calls),
            )
        else:
            self.messages.append(message)

    def _answer(self, turn: Turn) -> Ending:
        if turn.stopped is StopReason.DROPPED:
            raise ModelError("the connection to the model ended in the middle of its answer")
        answer = "".join(turn.prose).strip()
        if turn.stopped is StopReason.LENGTH:
            return Ending(RunStatus.LIMIT, answer, "the answer was cut off at the token limit")
        return Ending(RunStatus.DONE, answer, "")


def _halted(reason: StopReason) -> Ending:
    if reason is StopReason.LIMIT:
        return Ending(RunStatus.LIMIT, None, "limit reached: the run's time")
    return Ending(RunStatus.INTERRUPTED, None, "interrupted")
