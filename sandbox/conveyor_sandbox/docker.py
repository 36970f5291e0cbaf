"""The Docker sandbox: a container for one run, made by the engine that `docker` finds.

Isolation: no network, read-only root, tmpfs for the workspace and `/tmp`, an ordinary user without
capabilities, no-new-privileges, the engine's seccomp profile, limits on memory (swap included),
cpus and processes, no log on the host's disk. Not covered: flaws of the kernel and the engine.

The container dies with us: it was created with stdin-once and auto-remove, so when our end of its
standard input closes, even by `kill -9`, the guest ends and the engine removes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conveyor_sandbox.bundle import boot_program
from conveyor_sandbox.channel import Channel, StreamChannel
from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.errors import SandboxDied, SandboxImageError, SandboxUnavailable
from conveyor_sandbox.handshake import Hello, SocketOffer, greet
from conveyor_sandbox.image import ensure
from conveyor_sandbox.owner import owned_tempdir, owner_label
from conveyor_sandbox.sandbox import MIB, Progress, SandboxSpec

if TYPE_CHECKING:
    import docker

_USER = 1000
_MEETING = "/run/conveyor"
"""Where the folder with our socket is seen in the container."""
_START = 30.0
"""Seconds a container has to say hello."""
_STOP = 5.0
"""Seconds it has to be gone after we hung up."""


def connect() -> docker.DockerClient:
    """The engine of the environment (`DOCKER_HOST`). Raises SandboxUnavailable, saying why."""
    import docker  # noqa: PLC0415 - slow to import, and not every run needs it
    from docker.errors import DockerException  # noqa: PLC0415

    try:
        client = docker.from_env(timeout=30)
        client.ping()
    except DockerException as error:
        reason = str(error).rsplit(": ", 1)[-1].strip("')\"")
        raise SandboxUnavailable(
            f"no Docker engine answers ({reason}): start one, or use --sandbox local"
        ) from error
    return client


class AttachChannel:
    """The attached standard streams of a container, with the engine's framing taken off."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.complaint = ""
        """What came over standard error: why the guest did not start."""

    async def read(self) -> bytes:
        try:
            while True:
                header = await self._reader.readexactly(8)
                data = await self._reader.readexactly(int.from_bytes(header[4:], "big"))
                if header[0] == 1:
                    return data
                self.complaint = (self.complaint + data.decode(errors="replace"))[-2000:]
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def close(self) -> None:
        self._writer.close()


class DockerSandbox:
    """A container that serves one run."""

    kind = "docker"

    def __init__(self, spec: SandboxSpec) -> None:
        self._spec = spec
        self._client: docker.DockerClient | None = None
        self._container: str | None = None
        self._guest: GuestClient | None = None
        self._attached: AttachChannel | None = None
        self._meeting: Path | None = None

    async def start(self, progress: Progress) -> GuestClient:
        """Create and start the container, and its guest. Raises SandboxError."""
        try:
            return await self._start(progress)
        except BaseException:
            await self.stop()
            raise

    async def _start(self, progress: Progress) -> GuestClient:
        self._client = client = await asyncio.to_thread(connect)
        image = await asyncio.to_thread(ensure, client, self._spec.image, progress)
        progress("starting the sandbox", None)
        self._meeting = owned_tempdir()
        self._meeting.chmod(0o711)
        offer = SocketOffer(f"{_MEETING}/{secrets.token_hex(8)}", secrets.token_hex(16))
        listener = _listen(self._meeting / Path(offer.path).name)
        try:
            attached = await self._run_container(image.id)
            hello = await self._greet(attached, offer)
            channel = await _accept(listener, offer) if hello.took_socket else attached
        finally:
            listener.close()
            shutil.rmtree(self._meeting, ignore_errors=True)
        self._guest = GuestClient(channel, hello.python)
        await self._guest.prepare(self._spec.files)
        return self._guest

    async def _run_container(self, image: str) -> AttachChannel:
        """Create, attach, start: in this order, so that no output is missed."""
        assert self._client is not None
        api = self._client.api
        self._container = await asyncio.to_thread(self._create, image)
        params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        attached = await asyncio.to_thread(api.attach_socket, self._container, params)
        raw: socket.socket = attached._sock  # noqa: SLF001 - the SDK offers no other way to it
        raw.settimeout(None)
        stream = await asyncio.open_unix_connection(sock=raw.dup())
        attached._response.close()  # noqa: SLF001 - nor to let go of it
        self._attached = AttachChannel(*stream)
        await asyncio.to_thread(self._start_container)
        return self._attached

    def _create(self, image: str) -> str:
        from docker.errors import APIError  # noqa: PLC0415

        assert self._client is not None
        api = self._client.api
        try:
            created = api.create_container(
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
                labels={"conveyor.owner": owner_label()},
                stdin_open=True,
                host_config=self._host_config(),
            )
        except APIError as error:
            raise SandboxUnavailable(f"the engine refused the container: {_why(error)}") from error
        return str(created["Id"])

    def _host_config(self) -> dict[str, Any]:
        assert self._client is not None
        limits = self._spec.limits
        owned = f"rw,nosuid,nodev,exec,uid={_USER},gid={_USER}"
        from docker.types import LogConfig  # noqa: PLC0415

        return self._client.api.create_host_config(
            auto_remove=True,
            network_mode="none",
            read_only=True,
            tmpfs={
                "/workspace": f"{owned},mode=0755,size={limits.workspace_size}",
                "/tmp": f"{owned},mode=1777,size={64 * MIB}",  # noqa: S108 - the container's
            },
            binds=[f"{self._meeting}:{_MEETING}:ro"],
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit=limits.memory,
            memswap_limit=limits.memory,
            nano_cpus=int(limits.cpus * 1e9),
            pids_limit=limits.pids,
            log_config=LogConfig(type="none"),
            ipc_mode="private",
            runtime=self._spec.runtime,
        )

    def _start_container(self) -> None:
        from docker.errors import APIError  # noqa: PLC0415

        assert self._client is not None
        assert self._container is not None
        try:
            self._client.api.start(self._container)
        except APIError as error:
            why = _why(error)
            if "python3" in why:
                raise self._no_python(why) from error
            raise SandboxUnavailable(f"the engine could not start the container: {why}") from error

    async def _greet(self, attached: AttachChannel, offer: SocketOffer) -> Hello:
        try:
            return await asyncio.wait_for(greet(attached, self._spec.limits, offer), _START)
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

    async def stop(self) -> None:
        if self._guest is not None:
            await self._guest.close()
        if self._attached is not None:
            self._attached.close()
        if self._client is not None:
            await asyncio.to_thread(self._remove)
            self._client = None

    def _remove(self) -> None:
        """Wait until the engine has removed the container; do it ourselves where it does not."""
        from docker.errors import APIError, NotFound  # noqa: PLC0415
        from requests import RequestException  # noqa: PLC0415

        assert self._client is not None
        container, self._container = self._container, None
        with contextlib.suppress(RequestException), contextlib.closing(self._client):
            if container is None:
                return
            try:
                self._client.api.remove_container(container, force=True)
            except NotFound:
                return
            except APIError:
                pass  # its removal is under way: wait for the end of it
            given_up = time.monotonic() + _STOP
            while time.monotonic() < given_up:
                try:
                    self._client.api.inspect_container(container)
                except NotFound:
                    return
                time.sleep(0.02)


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    os.chmod(path, 0o777)  # noqa: PTH101, S103 - who knows the token may speak
    listener.listen(1)
    listener.setblocking(False)  # noqa: FBT003 - its only signature
    return listener


async def _accept(listener: socket.socket, offer: SocketOffer) -> Channel:
    """The connection of the guest, which says the token first."""
    connection, _ = await asyncio.wait_for(asyncio.get_running_loop().sock_accept(listener), _START)
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    if await reader.readline() != offer.token.encode() + b"\n":
        writer.close()
        raise SandboxDied("someone else connected to the sandbox's socket")
    return StreamChannel(reader, writer)


def _why(error: Exception) -> str:
    """The engine's own words, on one line."""
    return str(getattr(error, "explanation", None) or error).replace("\n", " ")
