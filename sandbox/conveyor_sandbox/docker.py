"""The Docker sandbox: a container for one run, made by the engine that `docker` finds.

Isolation: no network, read-only root, tmpfs for the workspace and `/tmp`, an ordinary user without
capabilities, no-new-privileges, the engine's seccomp profile, limits on memory (swap included),
cpus and processes, no log on the host's disk. Not covered: flaws of the kernel and the engine.

The container dies with us: it was created with stdin-once and auto-remove, so when our end of its
standard input closes, even by `kill -9`, the guest ends and the engine removes it. What a kill in
the start-up window leaves (a container not yet started, a folder) is removed by the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from conveyor_sandbox.attach import AttachChannel, AttachError
from conveyor_sandbox.channel import Channel
from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.container import MEETING, create
from conveyor_sandbox.engine import Engine
from conveyor_sandbox.errors import SandboxDied, SandboxImageError, SandboxUnavailable
from conveyor_sandbox.handshake import Hello, greet
from conveyor_sandbox.image import ensure
from conveyor_sandbox.leftovers import prune
from conveyor_sandbox.meeting import Meeting
from conveyor_sandbox.rooms import with_room
from conveyor_sandbox.sandbox import Progress, SandboxSpec

if TYPE_CHECKING:
    import docker

_START = 30.0
"""Seconds a container has to say hello."""
_STOP = 10.0
"""Seconds it has to be gone after we hung up; an engine that comes back is slow at first."""

_T = TypeVar("_T")


class DockerSandbox:
    """A container that serves one run.

    Frames go over a Unix socket, or over the container's standard streams where the guest cannot
    reach it or `offer_socket` is false (an engine on another machine).
    """

    kind = "docker"

    def __init__(self, spec: SandboxSpec, *, offer_socket: bool = True) -> None:
        self._spec = spec
        self._offer_socket = offer_socket
        self._starting: asyncio.Task[GuestClient] | None = None
        self.weaknesses: tuple[str, ...] = ()
        self._stopped = threading.Event()
        self._cleaning = asyncio.Lock()
        # What has to be removed or closed, as soon as it is there:
        self._client: docker.DockerClient | None = None
        self._meeting: Meeting | None = None
        self._container: str | None = None
        self._engine: Engine | None = None
        self._attached: AttachChannel | None = None
        self._guest: GuestClient | None = None

    async def start(self, progress: Progress) -> GuestClient:
        """Create and start the container, and its guest. Raises SandboxError."""
        self._starting = asyncio.create_task(self._start(progress))
        try:
            return await self._starting
        except BaseException as error:
            await self._clean_up()
            caller = asyncio.current_task()
            ended = isinstance(error, asyncio.CancelledError | _StoppedError)
            if ended and caller is not None and not caller.cancelling():
                raise SandboxDied("the sandbox was stopped while it started") from None
            raise

    async def _start(self, progress: Progress) -> GuestClient:
        def tell(text: str, fraction: float | None) -> None:
            if self._stopped.is_set():
                raise _StoppedError  # a build is broken off
            progress(text, fraction)

        image = await self._step(self._find_image, tell)
        tell("starting the sandbox", None)
        assert self._engine is not None
        if self._offer_socket and self._engine.shares_files:
            with contextlib.suppress(OSError):  # e.g. too long a path: the streams will do
                self._meeting = Meeting(MEETING)
        try:
            attached = await self._run_container(image)
            hello = await self._greet(attached)
            if hello.unguarded is not None:
                weakness = f"code can end its own sandbox and speak for it: {hello.unguarded}"
                self.weaknesses = (weakness,)
                if self._spec.strict:
                    raise SandboxUnavailable(
                        f"no sandbox of {self._spec.image} (strict): {weakness}"
                    )
            channel: Channel = attached
            if hello.took_socket and self._meeting is not None:
                channel = await self._meeting.accept()
        finally:
            if self._meeting is not None:
                self._meeting.close()
        self._guest = GuestClient(channel, hello.python, self._spec.limits.unit_timeout)
        await self._guest.prepare(self._spec.entries())
        return self._guest

    async def _run_container(self, image: str) -> AttachChannel:
        """Create, attach, start: in this order, so that no output is missed."""
        assert self._engine is not None
        await self._step(self._create_container, image)
        assert self._container is not None
        try:
            async with asyncio.timeout(_START):
                self._attached = attached = AttachChannel(*await self._engine.stream())
                await attached.attach(self._container)
        except TimeoutError as error:
            raise SandboxUnavailable("the Docker engine stopped answering") from error
        except (AttachError, OSError) as error:
            raise SandboxUnavailable(f"the engine attaches no container: {error}") from error
        await self._step(self._start_container)
        return attached

    async def _step(self, blocking: Callable[..., _T], *arguments: object) -> _T:
        """Run it in a thread. A cancellation waits for its end: what it makes is not lost."""
        from requests import RequestException  # noqa: PLC0415 - slow to import

        running = asyncio.ensure_future(asyncio.to_thread(blocking, *arguments))
        cancelled = False
        while not running.done():
            try:
                await asyncio.wait({running})
            except asyncio.CancelledError:
                cancelled = True
                self._stopped.set()
        if cancelled:
            running.exception()  # whatever came of it, it has been told to stop
            raise asyncio.CancelledError
        try:
            return running.result()
        except RequestException as error:
            raise SandboxUnavailable(f"the Docker engine stopped answering: {error}") from error

    # Blocking steps

    def _find_image(self, progress: Progress) -> str:
        from docker.errors import DockerException  # noqa: PLC0415

        self._engine = Engine.find()
        self._client = self._engine.client()
        with contextlib.suppress(DockerException):  # others' remains do not keep us from starting
            prune(self._client)
        return ensure(self._client, self._spec.image, progress).id

    def _create_container(self, image: str) -> None:
        assert self._client is not None
        with self._refusals():
            folder = self._meeting.folder if self._meeting else None
            self._container = create(self._client, self._spec, image, folder, self._processors())

    def _processors(self) -> int:
        """How many the engine's machine has."""
        assert self._client is not None
        assert self._engine is not None
        if self._engine.shares_files and (here := os.cpu_count()):
            return here
        return int(self._client.info()["NCPU"])

    def _start_container(self) -> None:
        assert self._client is not None
        assert self._container is not None
        with self._refusals():
            self._client.api.start(self._container)

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        """What the engine refuses, as an error of ours."""
        from docker.errors import APIError  # noqa: PLC0415

        try:
            yield
        except APIError as error:
            why = str(error.explanation or error).replace("\n", " ")
            if 'exec: "python3"' in why:
                raise self._no_python("there is none") from error
            if "unknown runtime" in why.lower():
                have = ", ".join(sorted(self._client.info()["Runtimes"])) if self._client else ""
                raise SandboxUnavailable(
                    f"the engine has no runtime {self._spec.runtime} (it has {have}): "
                    "install it there, or leave sandbox.runtime out"
                ) from error
            raise SandboxUnavailable(f"the engine could not run the container: {why}") from error

    async def _greet(self, attached: AttachChannel) -> Hello:
        offer = self._meeting.offer if self._meeting else None
        try:
            return await asyncio.wait_for(
                greet(
                    attached,
                    with_room(self._spec.limits),
                    offer,
                    self._spec.functions,
                    self._spec.preload,
                ),
                _START,
            )
        except TimeoutError as error:
            raise SandboxDied(f"the sandbox said nothing within {_START:g} s") from error
        except SandboxDied as error:
            if attached.complaint:
                raise self._no_python(attached.complaint.strip().splitlines()[-1]) from error
            raise

    def _no_python(self, why: str) -> SandboxImageError:
        return SandboxImageError(
            f"image {self._spec.image} has no usable python3 ({why}): "
            "name another with sandbox.image, or run `conveyor sandbox build`"
        )

    # The end

    async def stop(self) -> None:
        """End everything in it and remove it. May be called more than once, at any time."""
        self._stopped.set()
        starting = self._starting
        if starting is not None and not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
        await self._clean_up()

    async def _clean_up(self) -> None:
        async with self._cleaning:
            guest, self._guest = self._guest, None
            attached, self._attached = self._attached, None
            try:
                if guest is not None:
                    await guest.close()
            finally:
                if attached is not None:
                    attached.close()
                await self._step(self._remove)

    def _remove(self) -> None:
        """Have the container removed, by the engine or by ourselves, and wait until it is gone.

        Again and again for a while: an engine that is just coming back may refuse, or be away.
        """
        from docker.errors import APIError, NotFound  # noqa: PLC0415
        from requests import RequestException  # noqa: PLC0415

        client, self._client = self._client, None
        container, self._container = self._container, None
        if client is None:
            return
        with contextlib.closing(client):
            given_up = time.monotonic() + _STOP
            while container is not None and time.monotonic() < given_up:
                try:
                    client.api.remove_container(container, force=True)
                except NotFound:
                    return
                except (APIError, RequestException):  # its removal is under way, mostly
                    time.sleep(0.02)


class _StoppedError(Exception):
    """The sandbox was stopped while it started."""
