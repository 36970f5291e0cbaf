"""Conversations for models that know no tools."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from conveyor_cli.backends.base import Message, Role


def with_calls_as_text(message: Message) -> Message:
    """The message with its calls in its text: each in JSON, on a line of its own."""
    written = [
        f'{{"name": {json.dumps(it.name)}, "arguments": {it.arguments}}}' for it in message.calls
    ]
    return replace(message, content="\n".join(filter(None, [message.content, *written])), calls=())


def with_users_for_tools(messages: Sequence[Message]) -> list[Message]:
    """Let the user say what tools would, in one message, with what else the user says."""
    known: list[Message] = []
    for message, before in zip(messages, [None, *messages], strict=False):
        role, said = message.role, message.content
        if role is Role.TOOL:
            role, said = Role.USER, f"<tool_response>\n{said}\n</tool_response>"
        if before is not None and before.role is Role.TOOL and role is Role.USER:
            gap = "\n" if message.role is Role.TOOL else "\n\n"
            said = f"{known.pop().content}{gap}{said}"
        known.append(replace(message, role=role, content=said, answers=None))
    return known
