"""The program that asks the kernel what it allows, one thing a process, and prints the answers.

One JSON object: each thing's name, and why it was refused or null.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from conveyor_sandbox import landlock, seccomp
from conveyor_sandbox.jail import (
    NAMESPACES,
    PID_NAMESPACE,
    enter_user_namespace,
    forbid_new_privileges,
    may_administer,
    unshare,
)
from conveyor_sandbox.syscalls import Refused

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Print the answers."""
    questions: dict[str, Callable[[], object]] = {
        "user namespace": enter_user_namespace,
        "pid namespace": partial(_namespace, "pid", PID_NAMESPACE),
    }
    for name, flag in NAMESPACES.items():
        questions[f"{name} namespace"] = partial(_namespace, name, flag)
    questions["landlock"] = landlock.version
    questions["seccomp"] = _filter
    sys.stdout.write(json.dumps({name: _ask(action) for name, action in questions.items()}))


def _namespace(name: str, flag: int) -> None:
    if not may_administer():
        enter_user_namespace()
    unshare(name, flag)


def _filter() -> None:
    forbid_new_privileges()
    seccomp.install()


def _ask(action: Callable[[], object]) -> str | None:
    """Do it in a child process, since it cannot be undone. Why it failed, or None."""
    answer, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            action()
        except (Refused, OSError) as error:
            os.write(tell, str(error).encode())
        finally:
            os._exit(0)
    os.close(tell)
    with os.fdopen(answer, "rb") as reader:
        refusal = reader.read().decode()
    os.waitpid(child, 0)
    return refusal or None
