"""The first words with a guest: our archive and its limits, its hello."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from conveyor_sandbox.bundle import archive
from conveyor_sandbox.channel import Channel
from conveyor_sandbox.errors import SandboxDied
from conveyor_sandbox.guest.frames import LONGEST, FrameDecoder, encode
from conveyor_sandbox.sandbox import HostFunction, Limits
from conveyor_sandbox.seccomp import worker_program
from conveyor_sandbox.syscalls import PROCESSORS


@dataclass(frozen=True, slots=True)
class SocketOffer:
    """A Unix socket on which the host listens: where the guest finds it, what it says first."""

    path: str
    token: str


@dataclass(frozen=True, slots=True)
class Hello:
    """The guest's Python version, whether it took the offered socket, and what it lacks.

    `unguarded` says why code can reach the guest's own first process, where it can.
    """

    python: tuple[int, int, int]
    took_socket: bool
    unguarded: str | None


async def greet(
    channel: Channel,
    limits: Limits,
    offer: SocketOffer | None = None,
    functions: Sequence[HostFunction] = (),
    preload: Sequence[str] = (),
    watched: int | None = None,
) -> Hello:
    """Send the guest to the program that `boot` runs. Raises SandboxDied if none answers.

    `watched`: bytes that all processes may hold together, where only the guest sees to that.
    """
    opening = {
        "limits": {
            "unit_timeout": limits.unit_timeout,
            "output": limits.output,
            "memory": limits.memory,
            "undo": limits.undo,
            "watched": watched,
        },
        "socket": offer.path if offer else None,
        "token": offer.token if offer else None,
        "filters": {it: b64encode(worker_program(it)).decode() for it in PROCESSORS},
        "functions": [asdict(function) for function in functions],
        "preload": list(preload),
    }
    channel.write(archive() + encode(opening))
    decoder = FrameDecoder(LONGEST)
    while True:
        data = await channel.read()
        if not data:
            raise SandboxDied("the sandbox ended before it said hello")
        try:
            frames = decoder.feed(data)
            if frames:
                return _hello(frames[0])
        except ValueError as error:
            raise SandboxDied(f"the sandbox answered with something else: {data[:80]!r}") from error


def _hello(frame: dict[str, Any]) -> Hello:
    match frame:
        case {
            "ev": "hello",
            "python": [int(major), int(minor), int(micro)],
            "channel": "socket" | "stdio" as channel,
            "guard": str() | None as unguarded,
        }:
            return Hello((major, minor, micro), channel == "socket", unguarded)
    raise ValueError("not a hello")
