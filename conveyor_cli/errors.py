"""What can go wrong, and the exit code of each.

ConveyorError
├── UsageError     a wrong flag, a wrong file, an invalid task                2
├── ModelError     a model that cannot be had, loaded or run                  4
├── Interrupted    the user has asked to stop                              130
└── Terminated     SIGTERM or SIGHUP ended it                              143
conveyor_sandbox.SandboxError   no sandbox, or it was lost                    3

A tool's failure is no exception: it is an `Outcome`, told to the model.
"""

from __future__ import annotations

from enum import IntEnum

from conveyor_sandbox.errors import SandboxError


class Exit(IntEnum):
    """Exit codes of the command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_SANDBOX = 3
    MODEL = 4
    LIMIT = 5
    INTERRUPTED = 130
    PIPE_CLOSED = 141
    TERMINATED = 143


class ConveyorError(Exception):
    """A mistake or a lack that the user can mend. The message is one line that says how."""

    code = Exit.FAILED


class UsageError(ConveyorError):
    """A wrong flag, a missing or invalid file."""

    code = Exit.USAGE


class ModelError(ConveyorError):
    """A model that cannot be found, fetched, loaded or run."""

    code = Exit.MODEL


class Interrupted(ConveyorError):  # noqa: N818 - what happened, nobody's error
    """The user asked to stop while something long was under way."""

    code = Exit.INTERRUPTED


class Terminated(ConveyorError):  # noqa: N818 - the same
    """The process was told to end, by SIGTERM or SIGHUP."""

    code = Exit.TERMINATED


def exit_code(error: ConveyorError | SandboxError) -> Exit:
    """The exit code for an error that ended the command."""
    return Exit.NO_SANDBOX if isinstance(error, SandboxError) else error.code
