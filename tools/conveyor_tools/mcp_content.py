"""What an MCP server's answer is to a model: plain data, or an error in its own words."""

from __future__ import annotations

import base64
import json
from typing import Any

from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from conveyor_tools.errors import ToolError

_LONGEST_STRUCTURE = 200_000
"""Characters of structured content as JSON; a longer one is text, which can be cut."""


def value_of(result: CallToolResult) -> Any:
    """The result as plain data: its structure where it has one, else its text.

    Pictures, sound and other binary content are named, with type and size.

    Raises:
        ToolError: the server says that the tool failed.
    """
    if result.is_error:
        raise ToolError(_joined([_part(block) for block in result.content]) or "it failed")
    if result.structured_content is not None:
        text = json.dumps(result.structured_content, ensure_ascii=False)
        return result.structured_content if len(text) <= _LONGEST_STRUCTURE else text
    parts = [_part(block) for block in result.content]
    if all(isinstance(part, str) for part in parts):
        return _joined(parts)
    return parts


def _joined(parts: list[Any]) -> str:
    return "\n".join(part if isinstance(part, str) else json.dumps(part) for part in parts)


def _part(block: Any) -> Any:
    match block:
        case TextContent():
            return block.text
        case ImageContent() | AudioContent():
            return _binary(block.type, block.mime_type, block.data)
        case ResourceLink():
            return {"type": "link", "uri": str(block.uri), "name": block.name}
        case EmbeddedResource(resource=TextResourceContents() as resource):
            return {"type": "resource", "uri": str(resource.uri), "text": resource.text}
        case EmbeddedResource(resource=BlobResourceContents() as resource):
            described = _binary("resource", resource.mime_type or "", resource.blob)
            return described | {"uri": str(resource.uri)}
    return {"type": str(getattr(block, "type", "unknown"))[:60]}


def _binary(kind: str, mime_type: str, data: str) -> dict[str, Any]:
    try:
        size = len(base64.b64decode(data, validate=True))
    except ValueError:
        size = 0
    return {"type": kind, "mime_type": mime_type[:100], "bytes": size, "note": "not shown"}
