"""What can go wrong with a tool.

ToolLoadError   a task names a tool that cannot be had: its message is one line
ToolError       raised by a tool's own code, to tell the model what is wrong in words of its own
"""

from __future__ import annotations


class ToolLoadError(Exception):
    """A tool cannot be had: no such file or attribute, not a typed function."""


class ToolError(Exception):
    """A tool failed. The model is told the message as it is; of other exceptions, also the type."""


class TemporaryError(ToolError):
    """A tool failed for now: another try may go well."""
