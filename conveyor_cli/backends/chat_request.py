"""The body of a request for a chat completion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conveyor_cli.backends.base import Message, Role, Sampling, ToolOffer
from conveyor_cli.backends.roles import with_users_for_tools


def chat_request(
    model: str, messages: Sequence[Message], sampling: Sampling, tools: Sequence[ToolOffer]
) -> dict[str, Any]:
    """Ask the model for a streamed response.

    Where calls are written in the text, the server knows no tools: the user says what they would.
    """
    if any(message.role is Role.TOOL and message.answers is None for message in messages):
        messages = with_users_for_tools(messages)
    request = {
        "model": model,
        "messages": [_message(message) for message in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        # Beyond OpenAI's own, these are the names that vLLM, SGLang and llama.cpp agree on.
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
        "seed": sampling.seed,
        "tools": list(tools) or None,
    }
    return {key: value for key, value in request.items() if value is not None}


def _message(message: Message) -> dict[str, Any]:
    content = message.content.encode("utf-8", "replace").decode("utf-8")  # no half surrogate pairs
    said: dict[str, Any] = {"role": message.role.value, "content": content}
    if message.calls:
        said["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.calls
        ]
    if message.answers is not None:
        said["tool_call_id"] = message.answers
    return said
