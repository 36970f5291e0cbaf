"""What shell completion offers for values. Nothing here imports more than the standard library."""

from __future__ import annotations

from collections.abc import Callable

Offer = Callable[[str], list[str]]


def words(*offered: str) -> Offer:
    """Offers these words."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in offered if word.startswith(incomplete)]

    return complete


def tool_names(incomplete: str) -> list[str]:
    """Offers the tools that tasks can name."""
    from conveyor_tools.registry import tool_names as names

    return [name for name in names() if name.startswith(incomplete)]


def model_names(incomplete: str) -> list[str]:
    """Offers the models known by name."""
    from conveyor_cli.backends.models import KNOWN

    return [name for name in KNOWN if name.startswith(incomplete)]
