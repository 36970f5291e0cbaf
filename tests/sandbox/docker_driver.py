"""A host process for tests, to be killed: starts a Docker sandbox, runs a program, stays.

Says `ready` when the program printed something. With the argument `created` it instead stops, as if
killed there, between the making of the container and its start.
"""

from __future__ import annotations

import asyncio
import sys

import docker

from conveyor_sandbox.docker import DockerSandbox
from conveyor_sandbox.reports import Output, Report, UnitKey
from conveyor_sandbox.sandbox import SandboxSpec


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def stop_before_the_start() -> None:
    """From here on, a container is never started: this process waits to be killed."""

    def wait(*_: object) -> None:
        say("ready")
        sys.stdin.read()

    docker.APIClient.start = wait


async def main() -> None:
    sandbox = DockerSandbox(SandboxSpec())
    guest = await sandbox.start(lambda _text, _fraction: None)
    printed = asyncio.Event()

    def hear(report: Report) -> None:
        if isinstance(report, Output):
            printed.set()

    guest.listen(hear)
    guest.run(UnitKey(1, 0), "print('ready')\nimport time; time.sleep(1000)\n", 1)
    await printed.wait()
    say("ready")
    await asyncio.sleep(1000)


if sys.argv[1:] == ["created"]:
    stop_before_the_start()
asyncio.run(main())
