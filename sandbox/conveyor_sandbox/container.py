"""The container of a Docker sandbox: what it may and what it is given, in the engine's words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from conveyor_sandbox.bundle import boot_program
from conveyor_sandbox.capacity import OPEN_FILES, most_files
from conveyor_sandbox.owner import OWNER_LABEL, owner_label
from conveyor_sandbox.rooms import share_out

if TYPE_CHECKING:
    import docker

    from conveyor_sandbox.sandbox import SandboxSpec

MEETING = "/run/conveyor"
"""Where the folder with our socket is seen in the container."""
_USER = 1000


def create(
    client: docker.DockerClient, spec: SandboxSpec, image: str, meeting: Path | None, cpus: int
) -> str:
    """Create one, not started, on a machine with so many processors; its id.

    `meeting`: our folder that it sees at MEETING, if the engine sees it at all (its socket may lead
    to another machine). Raises what the engine does.
    """
    from docker.errors import APIError  # noqa: PLC0415 - slow to import

    try:
        return _create(client, spec, image, meeting, cpus)
    except APIError as error:
        if meeting is None or "bind source path does not exist" not in str(error.explanation):
            raise
        return _create(client, spec, image, None, cpus)


def _create(
    client: docker.DockerClient, spec: SandboxSpec, image: str, meeting: Path | None, cpus: int
) -> str:
    created = client.api.create_container(
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
        stop_signal="SIGKILL",  # the guest heeds no other: an engine that stops need not wait
        host_config=_host_config(client, spec, meeting, cpus),
    )
    return str(created["Id"])


def _host_config(
    client: docker.DockerClient, spec: SandboxSpec, meeting: Path | None, cpus: int
) -> dict[str, Any]:
    from docker.types import LogConfig, Mount, Ulimit  # noqa: PLC0415

    limits = spec.limits
    rooms = share_out(limits)
    return client.api.create_host_config(
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
        # Not `binds`: an engine that has no such folder would make one.
        mounts=[Mount(MEETING, str(meeting), "bind", read_only=True)] if meeting else [],
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit=limits.memory,
        memswap_limit=limits.memory,
        mem_swappiness=0,
        nano_cpus=int(min(limits.cpus, cpus) * 1e9),
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
        runtime=spec.runtime,
    )


def _in_memory(size: int, mode: str) -> str:
    """The options of a writable place."""
    most = f"size={size},nr_inodes={most_files(size)}"
    return f"rw,nosuid,nodev,exec,uid={_USER},gid={_USER},mode={mode},{most}"
