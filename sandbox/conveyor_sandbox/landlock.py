"""Landlock: a second lock on writing, which holds even where a mount is writable by mistake."""

from __future__ import annotations

import os
import struct

from conveyor_sandbox.syscalls import call

_EXISTING = 1 << 1  # WRITE_FILE
_TREE = sum(1 << bit for bit in range(4, 13))  # remove and make entries of every type
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_REFER_SINCE, _TRUNCATE_SINCE = 2, 3
_VERSION_FLAG = 1
_PATH_BENEATH = 1


def version() -> int:
    """The kernel's Landlock ABI, from 1. Raises Refused where it has none."""
    return call("Landlock", "landlock_create_ruleset", None, 0, _VERSION_FLAG)


def allow_writing(trees: tuple[str, ...], existing: tuple[str, ...]) -> None:
    """From now on this process and its children write only there. Raises Refused.

    In `trees` they may do everything, in `existing` only write to files that are there.
    """
    abi = version()
    write = _EXISTING | (_TRUNCATE if abi >= _TRUNCATE_SINCE else 0)
    tree = write | _TREE | (_REFER if abi >= _REFER_SINCE else 0)
    rules = [(path, tree) for path in trees] + [(path, write) for path in existing]
    ruleset = call("a Landlock ruleset", "landlock_create_ruleset", struct.pack("=Q", tree), 8, 0)
    for path, rights in rules:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = struct.pack("=Qi", rights, folder)
        call(f"a Landlock rule for {path}", "landlock_add_rule", ruleset, _PATH_BENEATH, rule, 0)
        os.close(folder)
    call("the Landlock ruleset in force", "landlock_restrict_self", ruleset, 0)
    os.close(ruleset)
