"""What can go wrong with a tool.

ToolLoadError       a task names a tool that cannot be had: its message is one line
ToolError           raised by a tool's own code, to tell the model what is wrong in its own words
├── ArgumentsError  the arguments are not what the tool takes
└── TemporaryError  it may work when it is tried again
"""

from __future__ import annotations


class ToolLoadError(Exception):
    """A tool cannot be had: no such file or attribute, not a typed function, wrong options."""


class ToolError(Exception):
    """A tool failed. The model is told the message as it is; of other exceptions, also the type."""


class ArgumentsError(ToolError):
    """The arguments are not what the tool takes."""


class TemporaryError(ToolError):
    """A server did not answer, or was busy: a tool that declares `retries` is tried again."""
