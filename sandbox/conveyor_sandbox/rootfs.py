"""A root file system in the making, written out as one tar that does not depend on the day."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

_MTIME = 315_532_800  # 1980-01-01: `zip` refuses anything older


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: bytes
    mode: int = 0o755
    uid: int = 0
    content: Path | bytes = b""
    target: str = ""
    derived: bool = False


class RootFs:
    """Files, folders and links by absolute path. What is put first at a path stays."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    def folder(self, path: str, mode: int = 0o755, uid: int = 0) -> None:
        """Add a folder. Parents come by themselves."""
        self._entries.setdefault(path, _Entry(tarfile.DIRTYPE, mode, uid))

    def file(
        self,
        path: str,
        content: Path | bytes,
        *,
        executable: bool = False,
        derived: bool = False,
    ) -> None:
        """Add a file. `derived`: computed from other entries, so left out of the digest."""
        mode = 0o755 if executable else 0o644
        self._entries.setdefault(
            path, _Entry(tarfile.REGTYPE, mode, content=content, derived=derived)
        )

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self._entries.setdefault(path, _Entry(tarfile.SYMTYPE, 0o777, target=target))

    def write(self, out: IO[bytes]) -> str:
        """Write the tar, sorted by path; returns the SHA-256 of what is not derived.

        Raises OSError when a file cannot be read or `out` not be written.
        """
        self._add_parents()
        digest = hashlib.sha256()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for path in sorted(self._entries):
                entry = self._entries[path]
                content = entry.content
                octets = content if isinstance(content, bytes) else content.read_bytes()
                header = _header(path, entry, len(octets))
                if not entry.derived:
                    digest.update(header.tobuf(tarfile.GNU_FORMAT))
                    digest.update(octets)
                tar.addfile(header, io.BytesIO(octets))
        return digest.hexdigest()

    def _add_parents(self) -> None:
        for path in list(self._entries):
            for parent in list(PurePosixPath(path).parents)[:-1]:
                self.folder(str(parent))


def _header(path: str, entry: _Entry, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(path.removeprefix("/"))
    header.type = entry.kind
    header.mode = entry.mode
    header.uid = header.gid = entry.uid
    header.linkname = entry.target
    header.size = size
    header.mtime = _MTIME
    return header
