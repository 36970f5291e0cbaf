"""Packages for an image: from the package index by pip, as wheels, for the Python that runs here.

Wheels only: what a source distribution does while it is built would run on this machine.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from conveyor_sandbox.engine_log import Message, messages, plain
from conveyor_sandbox.errors import SandboxImageError

if TYPE_CHECKING:
    from conveyor_sandbox.sandbox import Progress


def fetch(requirements: Sequence[str], folder: Path, progress: Progress) -> str:
    """Install packages and what they need into a folder; their names and versions.

    Raises:
        SandboxImageError: one cannot be had, in pip's words.
    """
    for requirement in requirements:
        if not requirement or not requirement[0].isalnum():
            raise SandboxImageError(f"{requirement!r} is not the name of a package")
    command = [sys.executable, "-m", "pip", "install", "--target", str(folder), "--no-compile",
               "--only-binary", ":all:", "--progress-bar", "off", "--no-input",
               "--no-warn-conflicts", "--disable-pip-version-check", *requirements]  # fmt: skip
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as pip:
        try:
            said = _follow(pip, progress)
        finally:
            pip.kill()  # only if the progress broke it off does it still run
    if pip.returncode:
        errors = [line for line in said if line.startswith("ERROR:")] or said[-1:]
        why = plain(errors[-1].removeprefix("ERROR:")) if errors else "pip ended"
        raise SandboxImageError(f"{', '.join(requirements)} could not be fetched: {why}")
    return _names(folder)


def _follow(pip: subprocess.Popen[str], progress: Progress) -> list[str]:
    """What pip says, shown as it comes."""
    said: list[str] = []
    text = "fetching packages"

    def lines() -> Iterator[Message]:
        assert pip.stdout is not None
        for line in pip.stdout:
            yield {"stream": line}
        pip.wait()

    for message in messages(lines):
        if message is not None:
            said.append(message["stream"].strip())
            if said[-1].startswith(("Collecting", "Downloading", "Installing")):
                text = f"fetching packages: {plain(said[-1])}"
        progress(text, None)
    return said


def _names(folder: Path) -> str:
    """`name==version` of what is installed there, in order."""
    infos = sorted(path.name.removesuffix(".dist-info") for path in folder.glob("*.dist-info"))
    return " ".join("==".join(info.rsplit("-", 1)) for info in infos)
