"""The program that becomes the local sandbox: it locks itself in, then runs the guest.

Two processes. The outer one waits, outside, and ends when the inner one ends or the host dies. The
inner one is the first process of a new pid namespace, so that everything dies with it; it changes
to a new root, gives up every right, and becomes `python3 -c BOOT` (the supervisor).

Where it may, it makes the namespaces with the rights it has (root), else with those that a user
namespace gives (ordinary user). In both cases it ends in a user namespace of its own, as an
ordinary user without capabilities, with no mapping of any other user of the host.

Standard input and output belong to the guest. What the kernel refuses is one line on standard
error and exit code REFUSED.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import select
import signal
import struct
import sys
from pathlib import Path
from typing import NamedTuple, NoReturn

from conveyor_sandbox import cgroup, landlock, newroot, seccomp
from conveyor_sandbox.capacity import OPEN_FILES
from conveyor_sandbox.syscalls import Refused, call

REFUSED = 77
"""Exit code: the kernel refused something. Standard error says what."""
USER = 1000
"""The user and group that code in the sandbox is."""
HOSTNAME = b"conveyor"

_NOBODY = 65534
_STACK = 8 * newroot.MIB
_OOM_SCORE = 500
"""If the whole machine runs out of memory, the sandbox goes before the user's programs."""

NAMESPACES = {
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "net": 0x40000000,
}
PID_NAMESPACE = 0x20000000
USER_NAMESPACE = 0x10000000

_SET_PDEATHSIG, _DROP_BOUNDING, _NO_NEW_PRIVS, _AMBIENT = 1, 24, 38, 47  # of prctl(2)
_AMBIENT_CLEAR = 4
_CAPABILITY_VERSION = 0x20080522
_LAST_CAPABILITY = "/proc/sys/kernel/cap_last_cap"
_CAP_SYS_ADMIN = 21


class Plan(NamedTuple):
    """What to lock in. `host` is the pid of the process that the jail dies with; sizes in bytes.

    A named tuple, since importing `dataclasses` takes longer than all that the jail does.
    """

    host: int
    python: str
    program: str
    memory: int
    workspace_size: int
    pids: int
    cpus: int
    group: cgroup.Group | None
    """Limits the memory of all processes together, where there is one; removed at the end."""
    prefixes: tuple[str, ...]

    def to_arguments(self) -> list[str]:
        """As arguments for the jail."""
        *fields, group, prefixes = self
        folder, version = group or ("", 0)
        return [*map(str, fields), str(folder), str(version), *prefixes]

    @staticmethod
    def from_arguments(arguments: list[str]) -> Plan:
        """What `to_arguments` made."""
        host, python, program, memory, workspace_size, pids, cpus, *rest = arguments
        folder, version, *prefixes = rest
        return Plan(
            host=int(host),
            python=python,
            program=program,
            memory=int(memory),
            workspace_size=int(workspace_size),
            pids=int(pids),
            cpus=int(cpus),
            group=cgroup.Group(Path(folder), int(version)) if folder else None,
            prefixes=tuple(prefixes),
        )


def main() -> NoReturn:
    """Run the plan given as arguments."""
    try:
        _run(Plan.from_arguments(sys.argv[1:]))
    except Refused as refusal:
        message = str(refusal)
    except OSError as error:
        message = f"{error.filename or 'its start'} ({error.strerror})"
    sys.stderr.write(message + "\n")
    sys.stderr.flush()
    os._exit(REFUSED)


def _run(plan: Plan) -> NoReturn:
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    _go_first_when_memory_is_out()
    available = sorted(os.sched_getaffinity(0))
    start = plan.host % len(available)  # two sandboxes should not crowd the same processors
    os.sched_setaffinity(0, (available[start:] + available[:start])[: plan.cpus])
    if not may_administer():
        enter_user_namespace()
    unshare("pid", PID_NAMESPACE)
    _die_with_parent()
    if os.getppid() != plan.host:
        os._exit(0)
    asked, ask = os.pipe()
    answered, answer = os.pipe()
    child = os.fork()
    if not child:
        os.close(asked)
        os.close(answer)
        _become_guest(plan, ask, answered)
    os.close(ask)
    os.close(answered)
    code = _watch(child, plan.host, asked, answer)
    if plan.group is not None:
        plan.group.remove()
    os._exit(code)


def _go_first_when_memory_is_out() -> None:
    score = Path("/proc/self/oom_score_adj")
    if int(score.read_text()) < _OOM_SCORE:  # going back needs rights
        score.write_text(str(_OOM_SCORE))


def may_administer() -> bool:
    """Whether this process may make namespaces without a user namespace of its own."""
    status = Path("/proc/self/status").read_text()
    effective = int(status.split("CapEff:")[1].split()[0], 16)
    return bool(effective >> _CAP_SYS_ADMIN & 1)


def unshare(name: str, flag: int) -> None:
    """Leave a namespace for a new one. Raises Refused."""
    call(f"a {name} namespace", "unshare", flag)


def enter_user_namespace() -> None:
    """Get all rights, but only in namespaces made from here on. Raises Refused."""
    uid, gid = os.geteuid(), os.getegid()
    unshare("user", USER_NAMESPACE)
    _map_user(os.getpid(), (uid, uid), (gid, gid))


def _map_user(pid: int, uid: tuple[int, int], gid: tuple[int, int]) -> None:
    """Map one user and group (inside, outside) into the user namespace of a process."""
    Path(f"/proc/{pid}/setgroups").write_text("deny")
    for name, (inside, outside) in (("uid_map", uid), ("gid_map", gid)):
        try:
            Path(f"/proc/{pid}/{name}").write_text(f"{inside} {outside} 1\n")
        except OSError as error:
            what = f"user {outside} in a user namespace"
            raise Refused(what, error.errno or 0) from error


def _host_user() -> tuple[int, int]:
    """Who the guest is on the host: root becomes nobody, as limits do not hold for root."""
    if os.geteuid():
        return os.geteuid(), os.getegid()
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        first, _, count = map(int, line.split())
        if first <= _NOBODY < first + count:
            return _NOBODY, _NOBODY
    raise Refused(f"an ordinary user for root to become: {_NOBODY} is not mapped", errno.EINVAL)


# The outer process


def _watch(child: int, host: int, asked: int, answer: int) -> int:
    """Give the child its user namespace's map when asked; wait for its end, or cause it when told.

    The exit code.
    """
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    # From here on the host's death is not ours at once: there may be something to remove.
    call("a word of its parent's end", "prctl", _SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != host:
        os.kill(child, signal.SIGKILL)
    if os.read(asked, 1):
        uid, gid = _host_user()
        _map_user(child, (USER, uid), (USER, gid))
        os.write(answer, b"m")
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


# The inner process


def _become_guest(plan: Plan, ask: int, answered: int) -> NoReturn:
    try:
        if plan.group is not None:
            plan.group.join()
        for name, flag in NAMESPACES.items():
            unshare(name, flag)
        call("a host name", "sethostname", HOSTNAME, len(HOSTNAME))
        owner = newroot.Owner(*_host_user())
        prefixes = tuple(Path(prefix) for prefix in plan.prefixes)
        newroot.enter(Path(plan.python), prefixes, plan.workspace_size, owner, plan.group)
        _become_nobody(ask, answered)
        _set_limits(plan)
        _prove_process_limit()
        _drop_capabilities()
        forbid_new_privileges()
        landlock.allow_writing(
            trees=(newroot.WORKSPACE, newroot.TMP, newroot.SHM),
            existing=("/dev/null", "/dev/full", "/proc"),
        )
        # Not before: a change of user or capabilities takes it back.
        _die_with_parent()
        if select.select([answered], [], [], 0)[0]:
            os._exit(0)  # the outer process is gone already
        environment = _environment(plan)
        seccomp.install()
        os.execve(plan.python, [plan.python, "-c", plan.program], environment)  # noqa: S606 - its purpose
    except Refused as refusal:
        message = str(refusal)
    except OSError as error:
        message = f"{error.filename or 'its start'} ({error.strerror})"
    os.write(2, (message + "\n").encode())
    os._exit(REFUSED)


def _become_nobody(ask: int, answered: int) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
    unshare("user", USER_NAMESPACE)
    os.write(ask, b"u")
    if not os.read(answered, 1):
        os._exit(REFUSED)  # the outer process has said why
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)


def _set_limits(plan: Plan) -> None:
    """Per process, but for the number of processes.

    Address space may be more than memory: libraries reserve much that they never touch. Shared
    memory counts there only.
    """
    limits = {
        resource.RLIMIT_DATA: plan.memory,
        resource.RLIMIT_AS: 4 * plan.memory,
        resource.RLIMIT_NPROC: plan.pids,
        resource.RLIMIT_FSIZE: plan.workspace_size,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_STACK: _STACK,
        resource.RLIMIT_CORE: 0,
    }
    for name, value in limits.items():
        hard = resource.getrlimit(name)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (least, least))


def _prove_process_limit() -> None:
    """The kernel silently exempts some users from it: see that it holds. Raises Refused."""
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (1, hard))
    try:
        child = os.fork()
    except BlockingIOError:
        resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))
        return
    if not child:
        os._exit(0)
    raise Refused("a limit on processes: it does not hold for this user", errno.EPERM)


def _drop_capabilities() -> None:
    last = int(Path(_LAST_CAPABILITY).read_text())
    for capability in range(last + 1):
        call("capabilities out of reach", "prctl", _DROP_BOUNDING, capability, 0, 0, 0)
    call("no ambient capabilities", "prctl", _AMBIENT, _AMBIENT_CLEAR, 0, 0, 0)
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    call("no capabilities", "capset", header, ctypes.create_string_buffer(24))


def forbid_new_privileges() -> None:
    """No program that is run can have more rights than we. Raises Refused."""
    call("no new privileges", "prctl", _NO_NEW_PRIVS, 1, 0, 0, 0)


def _die_with_parent() -> None:
    call("an end with its parent", "prctl", _SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _environment(plan: Plan) -> dict[str, str]:
    """All that the guest is told; nothing of the host's own environment."""
    folders = [str(Path(plan.python).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    threads = str(plan.cpus)
    return {
        "PATH": ":".join(folders),
        "HOME": newroot.WORKSPACE,
        "TMPDIR": newroot.TMP,
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",  # the order of a printed set does not change by the run
        "OMP_NUM_THREADS": threads,  # libraries that start a thread a processor of the machine
        "OPENBLAS_NUM_THREADS": threads,
    }
