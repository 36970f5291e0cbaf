"""What can be searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Hit:
    """One place that was found."""

    title: str
    where: str
    """A file and the line in it (`guide.md:12`), or a URL."""
    text: str
    """What stands there, shortened."""


class Engine(Protocol):
    """Something that finds places for words."""

    async def prepare(self) -> None:
        """Get ready: connect, or read what has changed. Nothing is asked yet."""

    async def find(self, query: str, limit: int) -> list[Hit]:
        """The best places, best first.

        Raises:
            ToolError: it cannot be searched, or not for that.
        """

    async def close(self) -> None:
        """Give back what it holds."""
