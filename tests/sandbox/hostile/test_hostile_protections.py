"""With each protection switched off, a test of the corpus fails: none is there in vain.

A copy of the package is made without the protection, by changing a line of its source, and a test
that relies on it is run with that copy. What runs is a single program in an otherwise whole
sandbox; bombs whose limit is switched off are only looked at, never set off.

Not switched off: the mount, pid and uts namespaces of the local sandbox, without which it would
change this machine; and the limits of memory and processes, which are read instead.
"""

# ruff: noqa: E501 - a table

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import conveyor_sandbox

pytestmark = [pytest.mark.full, pytest.mark.docker]

ROOT = Path(__file__).parents[3]
HERE = "tests/sandbox/hostile/test_hostile_"
FLAGS = "tests/sandbox/test_docker.py::test_flags_as_the_engine_tells_them"


class Off(NamedTuple):
    """A line of a module, what to put in its place, and the test that must fail."""

    module: str
    line: str
    instead: str
    test: str
    because: str = "not stopped"


def program(kind: str, table: str, name: str) -> str:
    return f"{HERE}programs.py::test_is_stopped[{kind}-{table}-{name}]"


def bomb(kind: str, name: str) -> str:
    return f"{HERE}bombs.py::test_ends_in_time[{kind}-{name}]"


def flag(line: str, instead: str = "") -> Off:
    """A flag that others stand behind, or whose bomb is not to be set off: the engine tells it."""
    return Off("container.py", line, instead, FLAGS, "AssertionError|KeyError|TypeError")


def denied(name: str, test: str) -> Off:
    return Off("seccomp.py", f"{name} ", "", test)


def by_pid(name: str, row: str) -> Off:
    return Off("seccomp.py", name, "", program("docker", "supervisor", row))


NO_LIMIT = "        resource.RLIMIT_{}: "

OFF = {
    # Docker
    "no network": Off("container.py", '"none",\n        read', '"host",\n        read',
                      program("docker", "network", "TCP")),
    "an ordinary user": Off("container.py", "_USER = 1000", "_USER = 0", program("docker", "rights", "root")),
    "a read-only root": Off("container.py", "read_only=True,", "", program("docker", "files", "the root is not read-only")),
    "no capabilities": Off("container.py", 'cap_drop=["ALL"],', "", program("docker", "rights", "capabilities")),
    "no new privileges": flag('security_opt=["no-new-privileges"],'),
    "the engine's filter": Off("container.py", '"no-new-privileges"', '"no-new-privileges", "seccomp=unconfined"',
                               program("docker", "rights", "without the outer filter")),
    "memory": flag("mem_limit=limits.memory,\n        memswap_limit=limits.memory,"),
    "swap": flag("memswap_limit=limits.memory,", "memswap_limit=2 * limits.memory,"),
    "processors": flag("nano_cpus=", "cpu_shares=1024 or "),
    "processes": flag("pids_limit=limits.pids,"),
    "core dumps": flag('("core", 0),'),
    "open files": Off("container.py", '("nofile", OPEN_FILES),', "", program("docker", "rights", "more descriptors")),
    "size of files": Off("container.py", '("fsize", limits.workspace_size),', "", program("docker", "files", "a huge file of holes")),
    "no log on the disk": flag('log_config=LogConfig(type="none"),'),
    "memory shared with nobody": flag('ipc_mode="private",', 'ipc_mode="shareable",'),
    "our socket's folder": flag('"bind", read_only=True', '"bind", read_only=False'),
    "size of the workspace": Off("container.py", "size={size},", "", program("docker", "files", "a larger workspace")),
    "number of files": Off("container.py", "nr_inodes={most_files(size)}", "nr_inodes=0",
                           bomb("docker", "names of files")),
    # The local sandbox
    "read-only mounts": Off("newroot.py", '    _set(_HERE, b"/", 0, _SET_RDONLY)\n', "", program("local", "files", "the root is not read-only")),
    "Landlock": Off("landlock.py", '    call("the Landlock ruleset in force", "landlock_restrict_self", ruleset, 0)\n', "",
                    "tests/sandbox/test_local.py::test_root_is_read_only", "AssertionError"),
    "a network namespace": Off("jail.py", '    "net": 0x40000000,\n', "", program("local", "network", "TCP")),
    "an ipc namespace": Off("jail.py", '    "ipc": 0x08000000,\n', "", program("local", "rights", "the host's ipc namespace")),
    "a cgroup namespace": Off("jail.py", '    "cgroup": 0x02000000,\n', "", program("local", "rights", "the host's cgroup namespace")),
    "no capabilities, locally": Off("jail.py", "        _drop_capabilities()\n", "", program("local", "rights", "capabilities")),
    "no descriptors": Off("jail.py", '    os.closerange(3, os.sysconf("SC_OPEN_MAX"))\n', "",
                          "tests/sandbox/test_local.py::test_descriptors_of_the_host_are_closed", "AssertionError"),
    "processes, locally": Off("jail.py", NO_LIMIT.format("NPROC") + "plan.pids,\n", "", program("local", "rights", "more processes")),
    "memory, locally": Off("jail.py", NO_LIMIT.format("DATA") + "plan.memory,\n", "", program("local", "rights", "more memory of its own")),
    "size of files, locally": Off("jail.py", NO_LIMIT.format("FSIZE") + "plan.workspace_size,\n", "", program("local", "files", "a huge file of holes")),
    "open files, locally": Off("jail.py", NO_LIMIT.format("NOFILE") + "OPEN_FILES,\n", "", program("local", "rights", "more descriptors")),
    "core dumps, locally": Off("jail.py", NO_LIMIT.format("CORE") + "0,\n", "", program("local", "rights", "core dumps")),
    "size of the workspace, locally": Off("newroot.py", "size={size},nr", "nr", program("local", "files", "a larger workspace")),
    "the jail's filter": Off("jail.py", "        seccomp.install()\n", "", program("local", "rights", "memory outside of limits")),
    "its processors": Off("seccomp.py", 'JAIL_DENIED = ["sched_setaffinity"]', "JAIL_DENIED: list[str] = []",
                          program("local", "rights", "more processors")),
    # The guard, in both
    "a hidden supervisor": Off("guest/supervisor.py", "    hide()  #", "    #", program("docker", "supervisor", "its memory")),
    "a hidden supervisor, locally": Off("guest/supervisor.py", "    hide()  #", "    #", program("local", "supervisor", "its descriptors"), "hides no process"),
    "a hidden copy": Off("guest/checkpoint.py", "    hide()  #", "    #", program("docker", "supervisor", "its copy's memory")),
    "the worker's filter": Off("guest/guard.py", "if self._filters:", "if False:", program("local", "supervisor", "its limits")),
    "signals to everyone": Off("seccomp.py", "(_SUPERVISOR, _EVERYONE)", "(_SUPERVISOR,)", program("docker", "supervisor", "a signal to everyone")),
    "kill": by_pid('"kill ', "signal SIGCHLD")._replace(instead='"'),
    "tkill": by_pid(" tkill", "a signal to its thread"),
    "tgkill": by_pid(" tgkill", "a signal to a thread in its group"),
    "rt_sigqueueinfo": by_pid(" rt_sigqueueinfo", "a queued signal"),
    "rt_tgsigqueueinfo": by_pid(" rt_tgsigqueueinfo", "a queued signal to its thread"),
    "pidfd_open": by_pid(" pidfd_open", "a descriptor of it"),
    "prlimit64": by_pid(" prlimit64", "its memory's limit"),
    "sched_setparam": by_pid("sched_setparam ", "its scheduler's settings"),
    "sched_setscheduler": by_pid("sched_setscheduler ", "its scheduler"),
    "sched_setaffinity": by_pid("sched_setaffinity ", "its processors"),
    "sched_setattr": by_pid(" sched_setattr", "its scheduler's attributes"),
    "priority of process 1": Off("seccomp.py", "[*user, *one, allow]", "[*user, allow]", program("docker", "supervisor", "its priority")),
    "priority of the user": Off("seccomp.py", "[*user, *one, allow]", "[*one, allow]", program("docker", "supervisor", "the priority of its user")),
    "pidfd_send_signal": Off("seccomp.py", '    "pidfd_send_signal"', '    ""', program("docker", "supervisor", "a signal through /proc")),
    "ptrace": denied("ptrace", program("docker", "rights", "memory of a sibling, by tracing")),
    "process_vm_readv": denied("process_vm_readv", program("local", "rights", "memory of a sibling, by copying")),
    "ptrace, locally": denied("ptrace", program("local", "rights", "memory of a sibling, by tracing")),
    "keyctl": denied("keyctl", program("local", "rights", "keys of the user")),
    "add_key": denied("add_key", program("local", "rights", "a new key")),
    "io_uring": denied("io_uring_setup", program("local", "rights", "calls without calling")),
    "unshare": denied("unshare", program("local", "rights", "a user namespace")),
    "clone": Off("seccomp.py", "_NEW_NAMESPACES = 0x7E020000", "_NEW_NAMESPACES = 0", program("local", "rights", "a user namespace, by a child")),
    "personality": Off("seccomp.py", "(0, 0xFFFFFFFF)  #", "(0, 0x0040000, 0xFFFFFFFF)  #", program("local", "rights", "a plainer address space")),
    "typing": Off("seccomp.py", "(0x5412, 0x541C)", "(0x541C,)", program("docker", "rights", "typing into a terminal")),
    "families of sockets": Off("seccomp.py", "(1, 2, 10)", "(1, 2, 10, 17)", program("docker", "network", "packets of the link")),
    # The supervisor's own
    "the unit's limit": Off("guest/supervisor.py", "begin(frame, self._timeout)", "begin(frame, 1000)", bomb("local", "a processor")),
    "the worker's socket": Off("guest/contact.py", "answer = check(frame, self._current.sent_at, time.monotonic())",
                               'answer = {**frame, "status": "ok", "exited": False}',
                               "tests/sandbox/test_guest.py::test_forged_answer[local]", "Error|assert"),
    "the output's limit": Off("guest/capture.py", "data[: max(0, self._limit - self._kept)]", "data",
                              "tests/sandbox/test_guest.py::test_output_cap_holds_over_a_lost_interpreter[local]", "assert"),
    "links are no files": Off("guest/workspace.py", "        return False\n    return stat.S_ISREG(one", "        pass\n    return stat.S_ISREG(one",
                              f"{HERE}workspace.py::test_is_taken_back[local-a link in a folder's place]"),
}  # fmt: skip


@pytest.mark.parametrize("name", OFF)
def test_is_missed(tmp_path: Path, name: str) -> None:
    off = OFF[name]
    package = tmp_path / "conveyor_sandbox"
    source = Path(conveyor_sandbox.__file__).parent
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
    path = package / off.module
    text = path.read_text()
    assert off.line in text, "the source has changed: so must this table"
    path.write_text(text.replace(off.line, off.instead, 1))
    tmp_path.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", off.test],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path[1:]])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-1000:]
    reasons = off.because.split("|")
    assert any(reason in done.stdout for reason in reasons), done.stdout[-3000:]
