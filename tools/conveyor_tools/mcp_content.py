"""What an MCP server's answer is to a model: plain data, or an error in its own words."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from conveyor_tools.errors import ToolError
from conveyor_tools.hearing import one_line

Keep = Callable[[bytes, str], str | None]
"""Keeps a file of that suffix for the user; its name, or None where files are not kept."""

_LONGEST_STRUCTURE = 200_000
"""Characters of structured content as JSON; a longer one is text, which can be cut."""
_LARGEST_PICTURE = 10 * 1024 * 1024
_MOST_PICTURES = 20
"""Of one result, that are kept."""
_PICTURES = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif"}
"""How pictures begin, and what files of them are called: by what they are, not what they claim."""
_LONGEST_NAME = 300


def value_of(result: CallToolResult, keep: Keep | None = None) -> Any:
    """The result as plain data: its structure where it has one, else its text.

    Pictures are kept, if there is somebody who does; of them, of sound and other binary content, a
    line says what it is.

    Raises:
        ToolError: the server says that the tool failed.
    """
    content = _Content(keep)
    if result.is_error:
        raise ToolError(content.text(result.content) or "it failed")
    if result.structured_content is None:
        return content.text(result.content)
    pictures = content.text([it for it in result.content if isinstance(it, ImageContent)])
    text = json.dumps(result.structured_content, ensure_ascii=False)
    value = result.structured_content if len(text) <= _LONGEST_STRUCTURE else text
    return [value, pictures] if pictures else value


class _Content:
    """Says in words what a result's blocks are."""

    def __init__(self, keep: Keep | None) -> None:
        self._keep = keep
        self._kept = 0

    def text(self, blocks: list[ContentBlock]) -> str:
        """All of them, each from a new line on."""
        return "\n".join(map(self._said, blocks))

    def _said(self, block: ContentBlock) -> str:
        match block:
            case TextContent():
                return block.text
            case ImageContent():
                return self._picture(block)
            case AudioContent():
                content = _decoded(block.data)
                return f"[audio, {_described(block.mime_type, content)}: not shown]"
            case ResourceLink():
                kind = f", {_line(block.mime_type)}" if block.mime_type else ""
                return f"[link to {_line(block.name)}: {_line(str(block.uri))}{kind}]"
            case EmbeddedResource():
                return _resource(block.resource)

    def _picture(self, block: ImageContent) -> str:
        content = _decoded(block.data)
        described = f"[picture, {_described(block.mime_type, content)}"
        suffix = _suffix(content)
        if suffix is None:
            return f"{described}: not shown, and of no kind that is saved]"
        if len(content) > _LARGEST_PICTURE or self._kept >= _MOST_PICTURES:
            return f"{described}: not shown, and too much to be saved]"
        name = None if self._keep is None else self._keep(content, suffix)
        if name is None:
            return f"{described}: not shown]"
        self._kept += 1
        return f"{described}: not shown, saved as {name}]"


def _resource(resource: TextResourceContents | BlobResourceContents) -> str:
    where = f"[resource {_line(str(resource.uri))}"
    if isinstance(resource, TextResourceContents):
        return f"{where}]\n{resource.text}"
    described = _described(resource.mime_type or "binary", _decoded(resource.blob))
    return f"{where}, {described}: not shown]"


def _suffix(content: bytes) -> str | None:
    """What files of a picture are called that begins so; None if it is none of a known kind."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for mark, suffix in _PICTURES.items() if content.startswith(mark)), None)


def _decoded(data: str) -> bytes:
    """Nothing, where it is not what the protocol wants."""
    try:
        return base64.b64decode(data, validate=True)
    except ValueError:
        return b""


def _described(mime_type: str, content: bytes) -> str:
    return f"{_line(mime_type)}, {len(content)} bytes"


def _line(text: str) -> str:
    """A text of the server's on one line, which is not long."""
    text = one_line(text[: 2 * _LONGEST_NAME])
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"
