"""What this machine's kernel offers to the local sandbox, asked by doing it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from conveyor_sandbox import cgroup, landlock
from conveyor_sandbox.local import REMEDY, UNLIMITED, isolated, make_plan
from conveyor_sandbox.sandbox import SandboxSpec

_PATIENCE = 30.0
"""Seconds for a question to be answered."""

# setting: the value that forbids user namespaces, how to change it
_SETTINGS = {
    "kernel/unprivileged_userns_clone": ("0", "sysctl kernel.unprivileged_userns_clone=1"),
    "kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0 (or an AppArmor profile)",
    ),
    "user/max_user_namespaces": ("0", "sysctl user.max_user_namespaces=10000"),
}
_ELSEWHERE = "in a container, allow it there (or run outside); otherwise use --sandbox docker"
_REMEDIES = {
    "landlock": "boot with a kernel that has it (5.13 or later; `landlock` in its `lsm=` list)",
    "seccomp": "boot with a kernel that has CONFIG_SECCOMP_FILTER",
}


@dataclass(frozen=True, slots=True)
class Ability:
    """One thing that the kernel offers or not.

    Without a `required` one there is no local sandbox; without another it is weaker in a way that
    `detail` names. `remedy` says how to get it, and is empty where it is available.
    """

    name: str
    available: bool
    required: bool
    detail: str
    remedy: str


def abilities() -> list[Ability]:
    """Ask for each ability, and start a whole sandbox to see that they do together."""
    if sys.platform != "linux":
        detail = f"this is {sys.platform}"
        return [Ability("linux", False, True, detail, "use --sandbox docker")]  # noqa: FBT003
    asked = subprocess.run(isolated("probe"), capture_output=True, timeout=_PATIENCE, check=True)
    answers: dict[str, str | None] = json.loads(asked.stdout)
    found = [_kernel_ability(name, refusal) for name, refusal in answers.items()]
    return [*found, _whole(), _memory_group()]


def _kernel_ability(name: str, refusal: str | None) -> Ability:
    if refusal is None:
        detail = f"ABI {landlock.version()}" if name == "landlock" else "available"
        return Ability(name, available=True, required=True, detail=detail, remedy="")
    remedy = _REMEDIES.get(name) or _namespace_remedy()
    return Ability(name, available=False, required=True, detail=refusal, remedy=remedy)


def _namespace_remedy() -> str:
    for setting, (forbidding, remedy) in _SETTINGS.items():
        path = Path("/proc/sys", setting)
        if path.exists() and path.read_text().strip() == forbidding:
            return remedy
    return _ELSEWHERE


def _whole() -> Ability:
    """Start the jail with a program that does nothing."""
    name = "local sandbox"
    began = time.monotonic()
    plan = make_plan(SandboxSpec(), "")
    ended = subprocess.run(
        isolated("jail", *plan.to_arguments()),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_PATIENCE,
        check=False,
        env={},
        cwd="/",
    )
    if ended.returncode:
        words = ended.stderr.decode(errors="replace").strip() or f"exit code {ended.returncode}"
        detail = words.splitlines()[-1]
        return Ability(name, available=False, required=True, detail=detail, remedy=_ELSEWHERE)
    took = (time.monotonic() - began) * 1000
    detail = f"starts and ends in {took:.0f} ms"
    return Ability(name, available=True, required=True, detail=detail, remedy="")


def _memory_group() -> Ability:
    """Whether a control group could limit the memory of all processes together."""
    name = "control group for memory"
    if not cgroup.is_there():
        return Ability(name, available=False, required=False, detail=UNLIMITED, remedy=REMEDY)
    detail = "it limits the memory of all processes together"
    return Ability(name, available=True, required=False, detail=detail, remedy="")
