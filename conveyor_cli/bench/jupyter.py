"""A round trip to a Jupyter kernel, to compare with: `x = 1` until the kernel is idle again."""

from __future__ import annotations

import importlib.util
import time
from typing import Any

WARM_UP = 20
"""Round trips that are made first and not counted."""


def is_installed() -> bool:
    """Whether there is a kernel to compare with."""
    return all(map(importlib.util.find_spec, ("jupyter_client", "ipykernel")))


def measure_kernel(rounds: int) -> tuple[float, list[float]]:
    """Seconds until a kernel on this machine is ready, and of each round trip to it.

    It is no sandbox: an ordinary process of this user, reached over loopback TCP.
    """
    from jupyter_client.manager import start_new_kernel  # noqa: PLC0415 - optional

    began = time.perf_counter()
    manager, client = start_new_kernel(kernel_name="python3")
    ready = time.perf_counter() - began
    try:
        return ready, [_round_trip(client) for _ in range(WARM_UP + rounds)][WARM_UP:]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _round_trip(client: Any) -> float:
    time.sleep(0.005)  # like the statements of `bench start`: the kernel's process is asleep
    sent = time.perf_counter()
    number = client.execute("x = 1\n", store_history=False)
    while True:
        message = client.get_iopub_msg(timeout=10)
        about = message["parent_header"].get("msg_id") == number
        if about and message["content"].get("execution_state") == "idle":
            return time.perf_counter() - sent
