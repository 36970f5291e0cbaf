"""Environment variables in a task's options, so that keys and tokens need not stand there."""

from __future__ import annotations

import os
import re

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def variables(text: str) -> list[str]:
    """The names in a text, each written `${NAME}`."""
    return _VARIABLE.findall(text)


def filled(text: str) -> str:
    """The text with each `${NAME}` replaced by that variable's value, without space around it.

    Raises:
        ValueError: one is not set.
    """

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} is not set")
        return os.environ[name].strip()

    return _VARIABLE.sub(fill, text)
