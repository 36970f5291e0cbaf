"""What both sandboxes allow of things that are cheap one by one."""

from __future__ import annotations

OPEN_FILES = 1024
"""Descriptors that a process can have."""

_A_FILE = 12 * 1024
"""Bytes of a file system for each file in it: empty files take memory too."""
_FEWEST_FILES = 1024


def most_files(size: int) -> int:
    """How many files a writable place of a size in bytes may hold."""
    return max(_FEWEST_FILES, size // _A_FILE)
