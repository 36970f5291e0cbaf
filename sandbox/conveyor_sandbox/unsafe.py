"""No sandbox: the guest as an ordinary process of the user, in a temporary folder.

For machines that can have no sandbox, and code that the user would run anyway. Nothing is kept
from the code but the limits on time and output. What it starts is ended with it, and its folder is
removed, even after `kill -9`. Not covered: everything else. It is never chosen by itself, nor by a
task file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING

from conveyor_sandbox.bundle import boot_program
from conveyor_sandbox.channel import StreamChannel
from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.errors import SandboxDied, SandboxUnavailable
from conveyor_sandbox.guest.supervisor import UNSAFE
from conveyor_sandbox.handshake import greet
from conveyor_sandbox.owner import owned_tempdir

if TYPE_CHECKING:
    from pathlib import Path

    from conveyor_sandbox.sandbox import Progress, SandboxSpec

NOTHING = "NO SANDBOX: code runs as you, and can read, change and send all that you can"
_KEPT = ("PATH", "LANG", "TERM", "HOME", "USER", "TMPDIR")
_START = 30.0
"""Seconds the guest has to say hello."""
_STOP = 3.0
"""Seconds it has to end all that it started."""


class UnsafeSandbox:
    """A process that serves one run, with all the rights of the user."""

    kind = "unsafe"
    weaknesses = (NOTHING,)

    def __init__(self, spec: SandboxSpec) -> None:
        self._spec = spec
        self._folder: Path | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._guest: GuestClient | None = None

    async def start(self, progress: Progress) -> GuestClient:
        """Start the guest. Raises SandboxError, leaving nothing behind."""
        if sys.platform != "linux":
            raise SandboxUnavailable("unsafe needs Linux: use --sandbox docker")
        if self._spec.strict:
            raise SandboxUnavailable(f"strict: {NOTHING}")
        progress(NOTHING, None)
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> GuestClient:
        self._folder = folder = owned_tempdir()
        pipe = asyncio.subprocess.PIPE
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", boot_program(),
            stdin=pipe, stdout=pipe, stderr=pipe,  # as in a sandbox; the guest itself says nothing
            env={name: os.environ[name] for name in _KEPT if name in os.environ} | {UNSAFE: "1"},
            cwd=folder,
            start_new_session=True,  # Ctrl-C is for us alone
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        channel = StreamChannel(process.stdout, process.stdin)
        spec = self._spec
        greeting = greet(channel, spec.limits, functions=spec.functions, preload=spec.preload)
        try:
            hello = await asyncio.wait_for(greeting, _START)
        except TimeoutError as error:
            raise SandboxDied(f"the guest said nothing within {_START:g} s") from error
        self._guest = GuestClient(channel, hello.python, spec.limits.unit_timeout)
        await self._guest.prepare(spec.entries())
        return self._guest

    async def stop(self) -> None:
        """End all that it started, and remove its folder. May be called more than once."""
        guest, self._guest = self._guest, None
        try:
            if guest is not None:
                await guest.close()
        finally:
            await self._end()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _STOP)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        with contextlib.suppress(ConnectionError):
            await process.stdin.wait_closed()
