"""What can go wrong with a sandbox, other than the code in it.

SandboxError
├── SandboxUnavailable   this kind cannot be had here (no engine, a kernel feature missing)
├── SandboxImageError    the image is missing, cannot be built, or has no python3
└── SandboxDied          it ended while it was in use
"""

from __future__ import annotations


class SandboxError(Exception):
    """A sandbox could not be had or kept. The message is one line that says what to do."""


class SandboxUnavailable(SandboxError):  # noqa: N818 - reads as what it is
    """This kind of sandbox cannot be had on this machine."""


class SandboxImageError(SandboxError):
    """The image is missing, cannot be built, or has no usable `python3`."""


class SandboxDied(SandboxError):  # noqa: N818
    """The sandbox ended while it was in use."""
