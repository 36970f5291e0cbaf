"""Streams of chat completions as servers send them, each in the shape that is its own."""

from __future__ import annotations

import json
from typing import Any

CODE = 'x = "é\u2028😀"\nprint(x)'


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> str:
    """An event as most servers send it."""
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        **more,
    }
    return event(whole)


def event(data: Any) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


def part(index: int | None, arguments: str, name: str | None = None, id_: str | None = None) -> Any:
    """An entry of `tool_calls`."""
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    entry: dict[str, Any] = {"index": index, "id": id_, "type": "function", "function": function}
    return {key: value for key, value in entry.items() if value is not None}


def usage(tokens: int) -> str:
    counts = {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": 9 + tokens}
    return event({"id": "chatcmpl-1", "choices": [], "usage": counts})


DONE = "data: [DONE]\n\n"
ARGS = json.dumps({"code": CODE})
A, B = ARGS[:11], ARGS[11:]

OPENAI = "".join(
    [
        chunk(
            {"role": "assistant", "content": None, "tool_calls": [part(0, "", "python", "call_a")]}
        ),
        chunk({"tool_calls": [part(0, A)]}),
        chunk({"tool_calls": [part(0, B)]}),
        chunk({"tool_calls": [part(1, "", "python", "call_b")]}),
        chunk({"tool_calls": [part(1, ARGS)]}),
        chunk({}, "tool_calls"),
        usage(12),
        DONE,
    ]
)
VLLM = "".join(
    [
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "Hm"}),
        chunk({"reasoning_content": "m."}),
        chunk({"content": "\n\nNow"}),
        chunk({"tool_calls": [part(0, "", "python", "chatcmpl-tool-1")]}),
        chunk({"tool_calls": [part(0, A)]}),
        chunk({"tool_calls": [part(0, B)]}),
        chunk({"content": ""}, "tool_calls", usage=None),
        DONE,
    ]
)
LLAMA_CPP = "".join(
    [
        chunk({"role": "assistant", "content": None}),
        chunk({"content": "Now"}),
        chunk({"tool_calls": [part(0, A, "python", "x1")]}),
        chunk({"tool_calls": [part(0, B)]}),
        chunk({}, "tool_calls", usage={"completion_tokens": 4}, timings={"predicted_n": 4}),
        DONE,
    ]
)
WHOLE_AT_ZERO = "".join(
    [
        chunk({"role": "assistant", "tool_calls": [part(0, ARGS, "python", "function-call-1")]}),
        chunk({"role": "assistant", "tool_calls": [part(0, ARGS, "python", "function-call-2")]}),
        chunk({"role": "assistant", "content": ""}, "stop"),
        DONE,
    ]
)
NAME_AGAIN = "".join(
    [
        chunk({"tool_calls": [part(None, A, "python", "c1")]}),
        chunk({"tool_calls": [part(0, B, "python", "c1")]}),
        chunk({}, "tool_calls"),
    ]
)
INTERLEAVED = "".join(
    [
        chunk({"tool_calls": [part(0, A, "python", "a"), part(1, A, "python", "b")]}),
        chunk({"tool_calls": [part(1, B)]}),
        chunk({"tool_calls": [part(0, B)]}),
        chunk({}, "tool_calls"),
        DONE,
    ]
)
MISTRAL = "".join(
    [
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hmm."}]}]}),
        chunk({"content": [{"type": "text", "text": "Now"}]}),
        chunk({"content": "", "tool_calls": [part(0, ARGS, "python", "a1b2c3d4e")]}, "tool_calls"),
        DONE,
    ]
)
WITH_CRLF = OPENAI.replace("\n", "\r\n").replace("data: [D", ": ping\r\n\r\nevent: x\r\ndata: [D")
