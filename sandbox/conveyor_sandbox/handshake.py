"""The first words with a guest: our archive and its limits, its hello."""

from __future__ import annotations

from dataclasses import dataclass

from conveyor_sandbox.bundle import archive
from conveyor_sandbox.channel import Channel
from conveyor_sandbox.errors import SandboxDied
from conveyor_sandbox.guest.frames import FrameDecoder, encode
from conveyor_sandbox.sandbox import Limits


@dataclass(frozen=True, slots=True)
class SocketOffer:
    """A Unix socket on which the host listens: where the guest finds it, what it says first."""

    path: str
    token: str


@dataclass(frozen=True, slots=True)
class Hello:
    """The guest's Python version, and whether it took the offered socket."""

    python: tuple[int, int, int]
    took_socket: bool


async def greet(channel: Channel, limits: Limits, offer: SocketOffer | None = None) -> Hello:
    """Send the guest to the program that `boot` runs. Raises SandboxDied if none answers."""
    opening = {
        "limits": {"unit_timeout": limits.unit_timeout, "output": limits.output},
        "socket": offer.path if offer else None,
        "token": offer.token if offer else None,
    }
    channel.write(archive() + encode(opening))
    decoder = FrameDecoder()
    frames: list[dict[str, object]] = []
    while not frames:
        data = await channel.read()
        if not data:
            raise SandboxDied("the sandbox ended before it said hello")
        try:
            frames = decoder.feed(data)
        except ValueError as error:
            raise SandboxDied(f"the sandbox answered with something else: {data[:80]!r}") from error
    version = frames[0]["python"]
    assert isinstance(version, list)
    major, minor, micro = version
    return Hello((major, minor, micro), frames[0]["channel"] == "socket")
