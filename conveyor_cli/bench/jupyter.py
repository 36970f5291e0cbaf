"""A round trip to a Jupyter kernel, to compare with: `x = 1` until the kernel is idle again.

Either an ordinary process on this machine, reached over loopback TCP; or one in a container of the
sandbox's own image and limits, without a network, reached over Unix sockets in a mounted folder.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conveyor_cli.errors import UsageError
from conveyor_sandbox.owner import OWNER_LABEL, owned_tempdir, owner_label

if TYPE_CHECKING:
    from conveyor_sandbox.sandbox import Limits

WARM_UP = 20
"""Round trips that are made first and not counted."""
_PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
_SEEN_AT = "/kernel"
_START = 60.0
"""Seconds a kernel has to be ready."""


def is_installed(*, kernel: bool) -> bool:
    """Whether there is what talks to a kernel, and a kernel on this machine."""
    wanted = ("jupyter_client", "ipykernel") if kernel else ("jupyter_client",)
    return all(map(importlib.util.find_spec, wanted))


def measure_kernel(rounds: int) -> tuple[float, list[float]]:
    """Seconds until a kernel on this machine is ready, and of each round trip to it.

    It is no sandbox: an ordinary process of this user, reached over loopback TCP.
    """
    from jupyter_client.manager import start_new_kernel  # noqa: PLC0415 - optional

    began = time.perf_counter()
    manager, client = start_new_kernel(kernel_name="python3")
    ready = time.perf_counter() - began
    try:
        return ready, _round_trips(client, rounds)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def measure_contained_kernel(image: str, limits: Limits, rounds: int) -> tuple[float, list[float]]:
    """The same of a kernel in a container of the image, which must have ipykernel.

    Raises:
        UsageError: it does not start there.
        SandboxError: no engine answers.
    """
    from jupyter_client.blocking.client import BlockingKernelClient  # noqa: PLC0415 - optional

    with _folder() as folder:
        here = {
            **{name: number for number, name in enumerate(_PORTS, 1)},
            "transport": "ipc",
            "ip": str(folder / "kernel"),
            "key": secrets.token_hex(16),
            "signature_scheme": "hmac-sha256",
        }
        there = {**here, "ip": f"{_SEEN_AT}/kernel"}
        (folder / "connection.json").write_text(json.dumps(there))
        began = time.perf_counter()
        with _container(image, limits, folder):
            _await_sockets(folder, image)
            client = BlockingKernelClient()
            client.load_connection_info(here)
            client.start_channels()
            try:
                client.wait_for_ready(timeout=_START)
                ready = time.perf_counter() - began
                return ready, _round_trips(client, rounds)
            finally:
                client.stop_channels()


def _await_sockets(folder: Path, image: str) -> None:
    """A client that comes before them takes the kernel for dead."""
    until = time.monotonic() + _START
    while not all((folder / f"kernel-{number}").exists() for number in range(1, len(_PORTS) + 1)):
        if time.monotonic() > until:
            raise UsageError(
                f"no Jupyter kernel starts in image {image}: build one by `conveyor sandbox build "
                "--from-host --with ipykernel --name NAME`"
            )
        time.sleep(0.005)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Where its sockets are; it is another user there."""
    folder = owned_tempdir()
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def _container(image: str, limits: Limits, folder: Path) -> Iterator[None]:
    from conveyor_sandbox.engine import connect  # noqa: PLC0415 - slow

    with contextlib.closing(connect()) as engine:
        container = engine.containers.run(
            image,
            ["-m", "ipykernel_launcher", "-f", f"{_SEEN_AT}/connection.json"],
            entrypoint=["python3"],
            detach=True,
            labels={OWNER_LABEL: owner_label()},  # `sandbox prune` finds it if we are killed
            user="1000:1000",
            environment={"HOME": "/tmp"},  # noqa: S108 - the container's
            network_mode="none",
            read_only=True,
            tmpfs={"/tmp": "mode=1777"},  # noqa: S108
            volumes={str(folder): {"bind": _SEEN_AT, "mode": "rw"}},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit=limits.memory,
            pids_limit=limits.pids,
        )
        try:
            yield
        finally:
            container.remove(force=True)


def _round_trips(client: Any, rounds: int) -> list[float]:
    return [_round_trip(client) for _ in range(WARM_UP + rounds)][WARM_UP:]


def _round_trip(client: Any) -> float:
    time.sleep(0.005)  # like the statements of `bench start`: the kernel's process is asleep
    sent = time.perf_counter()
    number = client.execute("x = 1\n", store_history=False)
    while True:
        message = client.get_iopub_msg(timeout=10)
        about = message["parent_header"].get("msg_id") == number
        if about and message["content"].get("execution_state") == "idle":
            return time.perf_counter() - sent
