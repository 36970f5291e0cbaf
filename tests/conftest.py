"""What a test run needs: an engine with the sandbox image, and the default model.

In CI a missing engine is a failure. Elsewhere the tests that need one are left out, named and
counted at the end of the run.
"""

from __future__ import annotations

import os
import signal

import hypothesis
import pytest

from conveyor_sandbox import image
from conveyor_sandbox.engine import connect
from conveyor_sandbox.errors import SandboxUnavailable

_LEFT_OUT = pytest.StashKey[list[str]]()

# Machines may be slow: no example has a deadline.
hypothesis.settings.register_profile("conveyor", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("conveyor")


def pytest_configure() -> None:
    """Have Ctrl-C mean what it does on a terminal.

    What a shell's script starts in the background ignores it, and so would all that tests start.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that need an engine where there is none; else see to the image."""
    needing = [item for item in items if item.get_closest_marker("docker")]
    config.stash[_LEFT_OUT] = []
    if not needing:
        return
    try:
        client = connect()
    except SandboxUnavailable as error:
        if os.environ.get("CI"):
            raise pytest.UsageError(f"CI needs a Docker engine: {error}") from None
        config.stash[_LEFT_OUT] = [item.nodeid for item in needing]
        items[:] = [item for item in items if item not in needing]
        config.hook.pytest_deselected(items=needing)
        return
    try:
        if image.find(client, image.DEFAULT_IMAGE) is None:
            image.build_from_host(client, image.DEFAULT_IMAGE, lambda *_: None)
    finally:
        client.close()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Name and count what was left out."""
    left_out = config.stash.get(_LEFT_OUT, [])
    if left_out:
        terminalreporter.section("no Docker engine answers")
        for name in left_out:
            terminalreporter.line(name)
        terminalreporter.line(f"{len(left_out)} tests that need one were left out")
