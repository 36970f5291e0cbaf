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
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from conveyor_sandbox.attach import AttachChannel, attach
from conveyor_sandbox.bundle import boot_program
from conveyor_sandbox.capacity import OPEN_FILES, most_files
from conveyor_sandbox.channel import Channel
from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.errors import SandboxDied, SandboxImageError, SandboxUnavailable
from conveyor_sandbox.handshake import Hello, greet
from conveyor_sandbox.image import ensure
from conveyor_sandbox.leftovers import prune
from conveyor_sandbox.meeting import Meeting
from conveyor_sandbox.owner import OWNER_LABEL, owner_label
from conveyor_sandbox.rooms import share_out, with_room
from conveyor_sandbox.sandbox import Progress, SandboxSpec

if TYPE_CHECKING:
    import docker

_USER = 1000
_MEETING = "/run/conveyor"
"""Where the folder with our socket is seen in the container."""
_START = 30.0
"""Seconds a container has to say hello."""
_STOP = 5.0
"""Seconds it has to be gone after we hung up."""

_T = TypeVar("_T")


def connect() -> docker.DockerClient:
    """The engine of the environment (`DOCKER_HOST`). Raises SandboxUnavailable, saying why."""
    import docker  # noqa: PLC0415 - slow to import, and not every run needs it
    from docker.errors import DockerException  # noqa: PLC0415

    try:
        return docker.from_env(timeout=30)  # asks the engine for its version
    except DockerException as error:
        raise SandboxUnavailable(
            f"no Docker engine answers ({_root_of(error)}): start one, or use --sandbox local"
        ) from error


def _root_of(error: BaseException) -> str:
    """What the system said, below the layers of libraries that repeat it."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, OSError) and below.strerror:
            return below.strerror
        below = below.__cause__ or below.__context__
    return str(error)


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
        self._stopped = threading.Event()
        self._cleaning = asyncio.Lock()
        # What has to be removed or closed, as soon as it is there:
        self._client: docker.DockerClient | None = None
        self._meeting: Meeting | None = None
        self._container: str | None = None
        self._stream: socket.socket | None = None
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
        if self._offer_socket:
            with contextlib.suppress(OSError):  # e.g. too long a path: the streams will do
                self._meeting = Meeting(_MEETING)
        try:
            await self._step(self._run_container, image)
            assert self._stream is not None
            attached = AttachChannel(*await asyncio.open_unix_connection(sock=self._stream))
            self._attached = attached
            hello = await self._greet(attached)
            if hello.unguarded is not None:
                image_name = self._spec.image
                tell(f"code in image {image_name} can end its own sandbox: {hello.unguarded}", None)
            channel: Channel = attached
            if hello.took_socket and self._meeting is not None:
                channel = await self._meeting.accept()
        finally:
            if self._meeting is not None:
                self._meeting.close()
        self._guest = GuestClient(channel, hello.python, self._spec.limits.unit_timeout)
        await self._guest.prepare(self._spec.entries())
        return self._guest

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

        self._client = connect()
        with contextlib.suppress(DockerException):  # others' remains do not keep us from starting
            prune(self._client)
        return ensure(self._client, self._spec.image, progress).id

    def _run_container(self, image: str) -> None:
        """Create, attach, start: in this order, so that no output is missed."""
        from docker.errors import APIError  # noqa: PLC0415

        assert self._client is not None
        api = self._client.api
        try:
            self._container = self._create(image)
            self._stream = attach(api, self._container)
            api.start(self._container)
        except APIError as error:
            why = str(error.explanation or error).replace("\n", " ")
            if 'exec: "python3"' in why:
                raise self._no_python("there is none") from error
            raise SandboxUnavailable(f"the engine could not run the container: {why}") from error

    def _create(self, image: str) -> str:
        assert self._client is not None
        created = self._client.api.create_container(
            image,
            command=["-c", boot_program()],
            entrypoint=["python3"],
            user=f"{_USER}:{_USER}",
            working_dir="/workspace",
            environment={
                "HOME": "/workspace",
                "LANG": "C.UTF-8",
                "PYTHONHASHSEED": "0",  # the order of a printed set does not change by the run
            },
            labels={OWNER_LABEL: owner_label()},
            stdin_open=True,  # once: the SDK adds it
            host_config=self._host_config(),
        )
        return str(created["Id"])

    def _host_config(self) -> dict[str, Any]:
        from docker.types import LogConfig, Ulimit  # noqa: PLC0415

        assert self._client is not None
        limits = self._spec.limits
        rooms = share_out(limits)
        return self._client.api.create_host_config(
            auto_remove=True,
            init=False,  # whatever the engine's default is: the guest is the first process
            network_mode="none",
            read_only=True,
            tmpfs={
                "/workspace": _in_memory(limits.workspace_size, "0755"),
                "/tmp": _in_memory(rooms.tmp, "1777"),  # noqa: S108 - the container's
                # The engine's own limits no number of files, which take memory too.
                "/dev/shm": _in_memory(rooms.shm, "1777"),  # noqa: S108
            },
            binds=[f"{self._meeting.folder}:{_MEETING}:ro"] if self._meeting else [],
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit=limits.memory,
            memswap_limit=limits.memory,
            mem_swappiness=0,
            nano_cpus=int(min(limits.cpus, os.cpu_count() or limits.cpus) * 1e9),
            pids_limit=limits.pids,
            ulimits=[
                Ulimit(name=name, soft=most, hard=most)
                for name, most in (
                    ("fsize", limits.workspace_size),  # also of files that are mostly holes
                    ("nofile", OPEN_FILES),
                    ("core", 0),
                )
            ],
            log_config=LogConfig(type="none"),
            ipc_mode="private",
            runtime=self._spec.runtime,
        )

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
            stream, self._stream = self._stream, None
            try:
                if guest is not None:
                    await guest.close()
            finally:
                if attached is not None:
                    attached.close()
                elif stream is not None:
                    stream.close()
                await self._step(self._remove)

    def _remove(self) -> None:
        """Wait until the engine has removed the container; do it ourselves where it does not."""
        from docker.errors import APIError, NotFound  # noqa: PLC0415
        from requests import RequestException  # noqa: PLC0415

        client, self._client = self._client, None
        container, self._container = self._container, None
        if client is None:
            return
        with contextlib.suppress(RequestException), contextlib.closing(client):
            if container is None:
                return
            try:
                client.api.remove_container(container, force=True)
            except NotFound:
                return
            except APIError:
                pass  # its removal is under way: wait for the end of it
            given_up = time.monotonic() + _STOP
            while time.monotonic() < given_up:
                try:
                    client.api.inspect_container(container)
                except NotFound:
                    return
                time.sleep(0.02)


def _in_memory(size: int, mode: str) -> str:
    """The options of a writable place."""
    most = f"size={size},nr_inodes={most_files(size)}"
    return f"rw,nosuid,nodev,exec,uid={_USER},gid={_USER},mode={mode},{most}"


class _StoppedError(Exception):
    """The sandbox was stopped while it started."""
