"""From the chunks of a streamed chat completion, as OpenAI documents them, to deltas.

Servers differ: some leave out a call's index or repeat its name, some put every call at index 0
with an id of its own, and reasoning has two names. What none of them promises is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from conveyor_cli.backends.base import CallPiece, Delta, Finish
from conveyor_cli.errors import ModelError

_FINISHES = {
    **dict.fromkeys(("stop", "tool_calls", "function_call", "eos", "eos_token"), Finish.EOS),
    **dict.fromkeys(("stop_sequence", "end_turn", "tool_use"), Finish.EOS),
    **dict.fromkeys(("length", "max_tokens", "model_length"), Finish.LENGTH),
}
_REASONING = ("reasoning_content", "reasoning")
_THINK, _THOUGHT = "<think>\n", "\n</think>\n\n"
_SHOWN = 120
"""Characters that an error repeats of what the server sent."""


@dataclass(slots=True)
class _Call:
    """A call as the server marks it, from its first chunk on."""

    number: int
    id: str
    name: str = ""
    given: bool = False
    """Whether its first piece was given out: that waits for its name."""
    held: str = ""
    """Arguments that came before the name."""


class ChunkReader:
    """Reads the chunks of one response, in the order in which they come."""

    def __init__(self) -> None:
        self.finish: Finish | None = None
        self.done = False
        """Whether the server said that nothing more comes."""
        self._counted = 0
        self._usage = 0
        self._thinking = False
        self._last = ""
        """The end of the response as it is shown."""
        self._writing: _Call | None = None
        """The call that the response, as it is shown, is in."""
        self._calls: list[_Call] = []
        self._at_index: dict[int, _Call] = {}

    def feed(self, data: str, at: float) -> list[Delta]:
        """Take the data of one server-sent event. Raises ModelError."""
        if data.strip() == "[DONE]":
            self.done = True
            return []
        chunk = _object(data)
        if chunk.get("error"):
            raise ModelError(f"the server ended the response: {error_text(chunk)}")
        usage = chunk.get("usage")
        if isinstance(usage, dict) and isinstance(usage.get("completion_tokens"), int):
            self._usage = usage["completion_tokens"]
        choices = chunk.get("choices") or []
        if not isinstance(choices, list) or not all(isinstance(it, dict) for it in choices):
            raise _no_chunk(data)
        deltas: list[Delta] = []
        for choice in choices:
            if choice.get("index") in (0, None):
                deltas += self._choice(choice, data, at)
        return deltas

    def end(self, at: float) -> list[Delta]:
        """The stream is over: what is still held, and tokens that no delta counted."""
        if self.finish is None:
            self.finish = Finish.EOS if self.done else Finish.DROPPED
        deltas = [self._piece(call, at) for call in self._calls if not call.given]
        if self._usage > self._counted + len(deltas):
            deltas.append(Delta("", self._usage - self._counted - len(deltas), at))
        return deltas

    def _choice(self, choice: dict[str, Any], data: str, at: float) -> list[Delta]:
        delta = choice.get("delta") or {}
        if not isinstance(delta, dict):
            raise _no_chunk(data)
        texts = [*self._reasoning(delta), *self._content(delta.get("content"), data)]
        deltas = [Delta(text, 0, at) for text in filter(None, texts)]
        self._last = deltas[-1].text if deltas else self._last
        for part in delta.get("tool_calls") or []:
            if not isinstance(part, dict):
                raise _no_chunk(data)
            deltas += self._call(part, data, at)
        reason = choice.get("finish_reason")
        if reason is not None and self.finish is None:
            if reason not in _FINISHES:
                raise ModelError(f"the server ended the response: {str(reason)[:_SHOWN]}")
            self.finish = _FINISHES[reason]
        for i, it in enumerate(deltas):  # a chunk is a token, as far as anybody says
            deltas[i] = Delta(it.text, int(i == 0), it.at, it.piece)
        self._counted += bool(deltas)
        return deltas

    # Text

    def _reasoning(self, delta: dict[str, Any]) -> list[str]:
        text = next((delta[key] for key in _REASONING if isinstance(delta.get(key), str)), "")
        return self._thought(text) if text else []

    def _thought(self, text: str) -> list[str]:
        begins, self._thinking = not self._thinking, True
        return [_THINK + text if begins else text]

    def _content(self, content: Any, data: str) -> list[str]:
        """The text of the answer; Mistral's own server gives a list where it reasons."""
        if content is None or content == "":
            return []
        if isinstance(content, str):
            self._writing = None
            return [self._end_of_thought() + content]
        if not isinstance(content, list):
            raise _no_chunk(data)
        texts: list[str] = []
        for part in content:
            if not isinstance(part, dict):
                raise _no_chunk(data)
            if part.get("type") == "thinking":
                inner = part.get("thinking") or []
                said = (it.get("text") for it in inner if isinstance(it, dict))
                texts += self._thought("".join(filter(None, said)))
            else:
                texts += self._content(part.get("text"), data)
        return texts

    def _end_of_thought(self) -> str:
        thinking, self._thinking = self._thinking, False
        return _THOUGHT if thinking else ""

    # Calls

    def _call(self, part: dict[str, Any], data: str, at: float) -> list[Delta]:
        function = part.get("function") or {}
        if not isinstance(function, dict):
            raise _no_chunk(data)
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments)
        if not isinstance(name, str) or not isinstance(arguments, str):
            raise _no_chunk(data)
        call = self._which(part, name)
        call.name = call.name or name
        call.held += arguments
        if not call.name or (call.given and not arguments):
            return []
        ended = self._end_of_thought()
        return [*([Delta(ended, 0, at)] if ended else []), self._piece(call, at)]

    def _which(self, part: dict[str, Any], name: str) -> _Call:
        """The call that a chunk goes on with, or a new one."""
        index, id_ = part.get("index"), part.get("id") or ""
        if not isinstance(index, int):
            index = len(self._calls) if name or not self._calls else self._calls[-1].number
        call = self._at_index.get(index)
        if call is None or (name and id_ and id_ != call.id):
            call = self._at_index[index] = _Call(len(self._calls), str(id_))
            self._calls.append(call)
        return call

    def _piece(self, call: _Call, at: float) -> Delta:
        """What is held of a call, as a delta."""
        arguments, call.held = call.held, ""
        shown = arguments
        if call is not self._writing:
            gap = "" if self._last == "" or self._last.endswith("\n") else "\n"
            shown = f"{gap}{call.name} {arguments}"
            self._writing = call
        self._last = shown or self._last
        piece = CallPiece(call.number, arguments, None if call.given else call.name)
        call.given = True
        return Delta(shown, 0, at, piece)


def error_text(answer: dict[str, Any]) -> str:
    """What a server says is wrong, in whichever way it does; empty if it does not."""
    error = answer.get("error") or answer.get("message") or answer.get("detail") or ""
    if isinstance(error, dict):
        error = error.get("message") or error
    return error if isinstance(error, str) else json.dumps(error)


def _object(data: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise _no_chunk(data) from None
    if not isinstance(value, dict):
        raise _no_chunk(data)
    return value


def _no_chunk(data: str) -> ModelError:
    shown = data[:_SHOWN] + ("…" if len(data) > _SHOWN else "")
    return ModelError(f"the server sent what is no chunk of a chat completion: {shown!r}")
