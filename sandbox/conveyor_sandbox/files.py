"""The host's side of the workspace's files. A guest is not believed to send what it should.

Counts, sizes and lengths are checked here, whatever the guest says; the paths and contents are the
model's code's own and hostile to whoever writes them anywhere.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from conveyor_sandbox.errors import SandboxDied
from conveyor_sandbox.sandbox import Entry

Kind = Literal["file", "folder", "link", "fifo", "socket", "device", "unreadable"]

_CHUNK = 512 * 1024
"""Bytes of a file in one frame."""
_MOST_ENTRIES = 20_000
_LONGEST_PATH = 4096
"""Bytes of a path or of a link's target."""
_PATIENCE = 20.0
"""Seconds that the guest may be silent while it is asked for files."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What the guest says of something in the workspace.

    `path` is relative, with `/` between its parts; bytes that are not UTF-8 are surrogates in it,
    as `os.fsdecode` has it. `digest` is the SHA-256 of a file's content in hexadecimal digits, or
    empty; `target` is a link's.
    """

    path: str
    kind: Kind
    size: int
    executable: bool
    target: str
    digest: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies in the workspace, by path. `why` says why that is not all; else it is empty."""

    entries: dict[str, FileInfo]
    why: str


class FileRefused(Exception):  # noqa: N818 - reads as what it is
    """A file cannot be had; the message says why."""


def put_frames(path: str, entry: Entry) -> Iterator[dict[str, Any]]:
    """The frames that put an entry into the workspace."""
    for start in range(0, max(1, len(entry.content)), _CHUNK):
        yield {
            "op": "put",
            "path": path,
            "data": base64.b64encode(entry.content[start : start + _CHUNK]).decode(),
            "append": start > 0,
            "executable": entry.executable,
            "link": entry.link,
        }


class Files:
    """Asks a guest for files, one question at a time."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._asking = asyncio.Lock()
        self._answers: asyncio.Queue[dict[str, Any] | None] | None = None
        """None: nothing was asked."""
        self._closed = False

    def take(self, frame: dict[str, Any]) -> bool:
        """Take a frame of the guest if it is about files.

        Raises:
            ValueError: it was not asked for.
        """
        if frame.get("ev") not in ("listing", "content"):
            return False
        if self._answers is None:
            raise ValueError("files that were not asked for")
        self._answers.put_nowait(frame)
        return True

    def close(self) -> None:
        """The guest is gone."""
        self._closed = True
        if self._answers is not None:
            self._answers.put_nowait(None)

    async def list(self, budget: int) -> Listing:
        """What lies in the workspace; of files up to so many bytes in all, with their digests.

        Raises:
            SandboxDied: it is gone, does not answer, or breaks the protocol.
        """
        entries: dict[str, FileInfo] = {}
        async with self._asking:
            frame = await self._ask({"op": "list", "budget": budget})
            while True:
                for entry in _checked(frame.get("entries"), list):
                    info = _info(entry)
                    entries[info.path] = info
                if len(entries) > _MOST_ENTRIES:
                    raise SandboxDied("the sandbox broke the protocol: too many files")
                if frame.get("more") is not True:
                    self._answers = None
                    return Listing(entries, str(_checked(frame.get("why"), str))[:200])
                frame = await self._next()

    async def read(self, info: FileInfo) -> bytes:
        """The content of a file that was listed.

        Raises:
            FileRefused: it has changed since, or cannot be read.
            SandboxDied: as for `list`.
        """
        content = bytearray()
        async with self._asking:
            while len(content) < info.size:
                size = min(_CHUNK, info.size - len(content))
                question = {"op": "get", "path": info.path, "offset": len(content), "size": size}
                frame = await self._ask(question)
                self._answers = None
                if frame.get("why"):
                    raise FileRefused(str(frame["why"])[:200])
                try:
                    part = base64.b64decode(_checked(frame.get("data"), str), validate=True)
                except ValueError:
                    raise SandboxDied("the sandbox broke the protocol: no content") from None
                if not part or len(part) > size:
                    raise FileRefused("it changed while it was read")
                content += part
        if info.digest and hashlib.sha256(content).hexdigest() != info.digest:
            raise FileRefused("it changed while it was read")
        return bytes(content)

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        if self._closed:
            raise SandboxDied("the sandbox is gone")
        self._answers = asyncio.Queue()
        self._send(question)
        return await self._next()

    async def _next(self) -> dict[str, Any]:
        assert self._answers is not None
        try:
            frame = await asyncio.wait_for(self._answers.get(), _PATIENCE)
        except TimeoutError:
            raise SandboxDied("the sandbox does not answer") from None
        if frame is None:
            raise SandboxDied("the sandbox is gone")
        return frame


def _info(entry: object) -> FileInfo:
    fields = _checked(entry, dict)
    path, target = _text(fields, "path"), _text(fields, "target")
    kind, size = fields.get("kind"), fields.get("size")
    parts = path.split("/")
    sound = all(part not in ("", ".", "..") for part in parts)
    sound = sound or (kind == "unreadable" and not path)  # the workspace itself
    if kind not in get_args(Kind) or type(size) is not int or size < 0 or not sound:
        raise SandboxDied("the sandbox broke the protocol: no file looks like that")
    executable = fields.get("executable") is True
    return FileInfo(path, kind, size, executable, target, _text(fields, "digest"))


def _text(fields: dict[str, Any], name: str) -> str:
    """A text that names bytes. Raises SandboxDied."""
    text: str = _checked(fields.get(name), str)
    try:
        fits = len(text.encode("utf-8", "surrogateescape")) <= _LONGEST_PATH
    except UnicodeEncodeError:
        fits = False
    if not fits or "\0" in text:
        raise SandboxDied(f"the sandbox broke the protocol: {name} is no path")
    return text


def _checked(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise SandboxDied("the sandbox broke the protocol: it answered with something else")
    return value
