"""The local sandbox: Linux namespaces and filters, no engine needed.

Isolation: see `jail` (users, namespaces, limits, capabilities), `newroot` (files), `landlock` and
`seccomp`. What the kernel refuses is a SandboxUnavailable that names it, never a weaker sandbox.
Not covered: flaws of the kernel; and where no control group can be had, the memory of all processes
together is only looked at, which `weaknesses` says.

It dies with us: our end of its standard input closes, and the kernel kills it with its parent.
Nothing of it is on the host's disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from conveyor_sandbox import cgroup
from conveyor_sandbox.bundle import boot_program
from conveyor_sandbox.cgroup import Group
from conveyor_sandbox.channel import StreamChannel
from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.errors import SandboxDied, SandboxUnavailable
from conveyor_sandbox.handshake import greet
from conveyor_sandbox.jail import REFUSED, Plan
from conveyor_sandbox.rooms import with_room
from conveyor_sandbox.sandbox import MIB

if TYPE_CHECKING:
    from conveyor_sandbox.sandbox import Progress, SandboxSpec

_ENTRY = (
    "import sys; sys.path.append(sys.argv.pop(1)); from conveyor_sandbox.{0} import main; main()"
)
_START = 30.0
"""Seconds the guest has to say hello."""
_STOP = 3.0
"""Seconds it has to end after it was told to."""
BESIDE = 48 * MIB
"""Bytes beside the code's `memory`: for the supervisor, and an empty interpreter."""
UNLIMITED = (
    "the memory of all processes together is looked at four times a second, not limited: "
    "there is no control group to do that"
)
"""What is weaker where no control group can be had."""
REMEDY = "run as root, or by `systemd-run --user --scope conveyor …`, or use --sandbox docker"
_COMPLAINT = 4096
"""Bytes kept of what it says on standard error."""


def isolated(module: str, *arguments: str) -> list[str]:
    """The command line for the `main` of one of our modules in a fresh, bare interpreter."""
    packages = str(Path(__file__).resolve().parents[1])
    return [sys.executable, "-I", "-S", "-c", _ENTRY.format(module), packages, *arguments]


def make_plan(spec: SandboxSpec, program: str, group: Group | None = None) -> Plan:
    """What to lock in to run a Python program in a sandbox of this process."""
    return Plan(
        host=os.getpid(),
        python=sys.executable,
        prefixes=tuple(dict.fromkeys((sys.prefix, sys.exec_prefix, sys.base_prefix))),
        program=program,
        memory=spec.limits.memory,
        workspace_size=spec.limits.workspace_size,
        pids=spec.limits.pids,
        cpus=math.ceil(spec.limits.cpus),
        group=group,
    )


class LocalSandbox:
    """A jailed process tree that serves one run."""

    kind = "local"

    def __init__(self, spec: SandboxSpec) -> None:
        self._spec = spec
        self._process: asyncio.subprocess.Process | None = None
        self._complaint: asyncio.Task[str] | None = None
        self._guest: GuestClient | None = None
        self._stopped = False
        self._group: Group | None = None
        self.weaknesses: tuple[str, ...] = ()

    async def start(self, progress: Progress) -> GuestClient:
        """Start the jail, and the guest in it. Raises SandboxError, leaving nothing behind."""
        if sys.platform != "linux":
            raise SandboxUnavailable("the local sandbox needs Linux: use --sandbox docker")
        progress("starting the sandbox", None)
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> GuestClient:
        self._group = group = cgroup.make(self._spec.limits.memory + BESIDE)
        if group is None:
            self.weaknesses = (UNLIMITED,)
            if self._spec.strict:
                raise SandboxUnavailable(f"no local sandbox (strict): {UNLIMITED}; {REMEDY}")
        plan = make_plan(self._spec, boot_program(), group)
        pipe = asyncio.subprocess.PIPE
        self._process = process = await asyncio.create_subprocess_exec(
            *isolated("jail", *plan.to_arguments()),
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env={},
            cwd="/",
            start_new_session=True,  # Ctrl-C is for us alone
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._complaint = asyncio.create_task(_last_words(process.stderr))
        if self._stopped:
            raise SandboxDied("the local sandbox was stopped while it started")
        channel = StreamChannel(process.stdout, process.stdin)
        try:
            hello = await asyncio.wait_for(
                greet(
                    channel,
                    with_room(self._spec.limits),
                    functions=self._spec.functions,
                    preload=self._spec.preload,
                    watched=None if group else self._spec.limits.memory + BESIDE,
                ),
                _START,
            )
            if hello.unguarded is not None:
                raise SandboxUnavailable(f"no local sandbox: {hello.unguarded}")
            self._guest = GuestClient(channel, hello.python, self._spec.limits.unit_timeout)
            await self._guest.prepare(self._spec.entries())
        except TimeoutError as error:
            raise SandboxDied(f"the local sandbox said nothing within {_START:g} s") from error
        except SandboxDied as error:
            raise await self._why(process, error) from error
        return self._guest

    async def _why(
        self, process: asyncio.subprocess.Process, error: SandboxDied
    ) -> SandboxUnavailable | SandboxDied:
        """The reason for an end during start-up, from the jail's last words."""
        assert self._complaint is not None
        *_, last = (await self._complaint).strip().splitlines() or [""]
        if await process.wait() == REFUSED:
            return SandboxUnavailable(
                f"no local sandbox: the kernel refused {last or 'to start it'}; "
                "`conveyor doctor` says how to mend it, or use --sandbox docker"
            )
        return SandboxDied(f"{error}: {last}") if last else error

    async def stop(self) -> None:
        """End everything in it. May be called more than once, at any time."""
        self._stopped = True
        try:
            if self._guest is not None:
                await self._guest.close()
        finally:
            await self._end()

    async def _end(self) -> None:
        try:
            await self._end_process()
        finally:
            if self._group is not None:
                self._group.remove()  # where the jail itself has not

    async def _end_process(self) -> None:
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        _signal(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _STOP)
        except TimeoutError:
            _signal(process, signal.SIGKILL)  # the kernel kills what is inside along with it
            await process.wait()
        if self._complaint is not None:
            await self._complaint
        with contextlib.suppress(ConnectionError):
            await process.stdin.wait_closed()


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    """Signal a process that may have ended.

    Not by its own methods: they look whether it has ended and, if so, take its exit status away
    from the event loop, which then complains of an unknown child.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


async def _last_words(stream: asyncio.StreamReader) -> str:
    kept = b""
    while data := await stream.read(_COMPLAINT):
        kept = (kept + data)[-_COMPLAINT:]
    return kept.decode(errors="replace")
