"""What the `http` tool makes of an answer: read within limits, shown as far as it is text."""

from __future__ import annotations

import codecs
import json
import re
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from conveyor_tools.errors import ToolError

_SHOWN = ("content-type", "last-modified", "etag", "location", "retry-after", "link", "allow")
"""Headers that a reader can do something with."""
_LONGEST_HEADER = 500
_TEXT = re.compile(
    r"text/.*|application/(.*[+])?(json|xml|yaml|x-yaml|toml|javascript|ecmascript|graphql|sql"
    r"|x-www-form-urlencoded|x-ndjson|jsonl|problem)|image/svg[+]xml"
)
_JSON = re.compile(r"(application|text)/(.*[+])?json")
_CHARSET = re.compile(
    r"utf-?(8|16|32)(-?[lb]e)?|us-ascii|ascii|latin-?1|iso-?8859-?\d+|windows-?125\d|cp125\d"
    r"|shift[-_]jis|euc-(jp|kr)|gbk|gb2312|gb18030|big5|koi8-[ru]"
)
"""Charsets that the web uses. Python knows others, some of them slow on hostile text."""
_WINDOW_BITS = {
    "gzip": 16 + zlib.MAX_WBITS,
    "x-gzip": 16 + zlib.MAX_WBITS,
    "deflate": zlib.MAX_WBITS,
}
_OTHER_ENCODINGS = ("br", "zstd", "compress", "x-compress")
_ZLIB_HEADERS = tuple(bytes([window << 4 | 8]) for window in range(8))
ENCODINGS = "gzip, deflate"
"""What servers are told that they may compress answers with."""
_SPARE = 64 * 1024
"""Bytes that may come over the limit: packed ones that unpack to nothing must end, too."""


class Secrets(Protocol):
    """What the task sends to the server, and nobody else may see."""

    def hide(self, text: str) -> str: ...

    def hide_in_piece(self, text: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Content:
    """The beginning of an answer's body, unpacked."""

    content: bytes
    whole: bool
    size: int | None
    """Bytes of all of it, where that is known."""


async def read(response: httpx.Response, limit: int) -> Content:
    """Read at most so many bytes of an answer, counted after unpacking.

    Raises:
        ToolError: it is packed in a way that was not asked for, or not packed as it says.
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", *_WINDOW_BITS):
        named = f" as {encoding}" if encoding in _OTHER_ENCODINGS else ""
        raise ToolError(f"the answer is encoded{named}, which was not asked for")
    packed = encoding in _WINDOW_BITS
    chunks = response.aiter_raw()
    if packed:
        chunks = _unpacked(chunks, encoding, limit)
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > limit:
            break
    whole = len(content) <= limit
    length = response.headers.get("content-length", "")
    size = int(length) if not packed and re.fullmatch(r"[0-9]{1,18}", length) else None
    return Content(bytes(content[:limit]), whole, len(content) if whole else size)


async def _unpacked(
    chunks: AsyncIterator[bytes], encoding: str, limit: int
) -> AsyncIterator[bytes]:
    """The chunks unpacked, each to no more than the limit: a few bytes can stand for gigabytes."""
    bits = _WINDOW_BITS[encoding]
    unpacker, taken = None, 0
    async for packed in chunks:
        taken += len(packed)
        if unpacker is None:
            if encoding == "deflate" and not packed.startswith(_ZLIB_HEADERS):
                bits = -zlib.MAX_WBITS  # some servers leave the header out
            unpacker = zlib.decompressobj(bits)
        try:
            yield unpacker.decompress(packed, limit + 1)
        except zlib.error as error:
            raise ToolError(f"the answer is not {encoding}, as it says: {error}") from None
        if unpacker.unconsumed_tail or unpacker.eof:
            return
        if taken > limit + _SPARE:
            raise ToolError(f"the answer is larger packed than unpacked: {taken} bytes and more")
    if unpacker is not None and not unpacker.eof:
        raise ToolError(f"the answer ends in the middle of its {encoding} data")


def shown(response: httpx.Response, content: Content, secrets: Secrets) -> dict[str, Any]:
    """An answer as the model and its code get it. What is cut here has no piece of a secret."""
    headers = {
        name: secrets.hide(response.headers[name])[:_LONGEST_HEADER]
        for name in _SHOWN
        if name in response.headers
    }
    answer: dict[str, Any] = {"status": response.status_code, "headers": headers}
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not content.content:
        return answer | {"body": ""}
    if not _is_text(kind, content.content):
        size = f"{content.size} bytes" if content.size is not None else "of unknown size"
        return answer | {
            "body": None,
            "note": f"{secrets.hide(kind)[:100] or 'binary'}, {size}: not shown",
        }
    text = _decoded(response, content)
    if response.status_code == httpx.codes.PARTIAL_CONTENT or not content.whole:
        text = secrets.hide_in_piece(text)
    if not content.whole:
        size = f" of {content.size}" if content.size is not None else ""
        cut = f"the body was cut: the first {len(content.content)}{size} bytes are shown"
        return answer | {"body": text, "note": cut}
    if _JSON.fullmatch(kind):
        try:
            return answer | {"body": json.loads(text)}
        except (ValueError, RecursionError):
            return answer | {"body": text, "note": "the body is not the JSON that it should be"}
    return answer | {"body": text}


def _is_text(kind: str, content: bytes) -> bool:
    return bool(_TEXT.fullmatch(kind)) if kind else b"\0" not in content


def _decoded(response: httpx.Response, content: Content) -> str:
    """The text. What is no character is replaced; half a one at the cut is left out."""
    charset = (response.charset_encoding or "utf-8").strip().lower()
    known = charset if _CHARSET.fullmatch(charset) else "utf-8"
    try:
        decoder = codecs.getincrementaldecoder(known)("replace")
    except LookupError:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return decoder.decode(content.content, final=content.whole).removeprefix("\ufeff")
