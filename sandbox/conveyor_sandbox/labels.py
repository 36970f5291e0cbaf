"""What an image says of itself, and whether it is out of date."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata, resources
from typing import Any

VERSION_LABEL = "conveyor.version"
SOURCE_LABEL = "conveyor.source"
CONTENT_LABEL = "conveyor.content"
BASE_LABEL = "conveyor.base"
PYTHON_LABEL = "conveyor.python"
PACKAGES_LABEL = "conveyor.packages"


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image of the engine; `size` in bytes.

    `source` is `dockerfile` or `from-host`, `version` the Conveyor that built it and `content` a
    hash of what it was built from; all three are "" for an image that Conveyor did not build.
    `base` is the image below a `dockerfile`'s; `python` and `packages` (names and versions) are
    what was packed `from-host`.
    """

    name: str
    id: str
    size: int
    source: str
    version: str
    content: str
    base: str = ""
    python: str = ""
    packages: str = ""

    @property
    def how_to_build(self) -> str:
        """The command that builds it anew."""
        command = f"conveyor sandbox build --name {self.name}"
        if self.source == "from-host":
            names = ",".join(it.partition("==")[0] for it in self.packages.split())
            return f"{command} --from-host" + (f" --with {names}" if names else "")
        return f"{command} --base {self.base}" if self.base else command

    @property
    def out_of_date(self) -> str | None:
        """What has changed since it was built, in words; None for one that is as built today.

        Not covered: a newer base image, newer packages in the index.
        """
        if not self.source:
            return None
        ours = own_version()
        if self.version != ours:
            return f"it was built by Conveyor {self.version}, this is {ours}"
        here = platform.python_version()
        if self.python and self.python != here:
            return f"it holds Python {self.python}, this machine has {here}"
        if self.source == "dockerfile" and self.content != dockerfile_digest(self.base):
            return "its Dockerfile or requirements.txt has changed"
        return None


def read_labels(name: str, found: Mapping[str, Any], labels: Mapping[str, str] | None) -> ImageInfo:
    """An image, from the engine's description and its labels."""
    labels = labels or {}
    return ImageInfo(
        name=name,
        id=found["Id"],
        size=found["Size"],
        source=labels.get(SOURCE_LABEL, ""),
        version=labels.get(VERSION_LABEL, ""),
        content=labels.get(CONTENT_LABEL, ""),
        base=labels.get(BASE_LABEL, ""),
        python=labels.get(PYTHON_LABEL, ""),
        packages=labels.get(PACKAGES_LABEL, ""),
    )


def dockerfile_labels(base: str) -> dict[str, str]:
    """The labels of an image that is built from our Dockerfile now."""
    return {**_labels("dockerfile", dockerfile_digest(base)), BASE_LABEL: base}


def from_host_labels(content: str, packages: str) -> dict[str, str]:
    """The labels of an image that is packed now; `packages` are names and versions."""
    labels = _labels("from-host", content)
    return {**labels, PYTHON_LABEL: platform.python_version(), PACKAGES_LABEL: packages}


def _labels(source: str, content: str) -> dict[str, str]:
    return {VERSION_LABEL: own_version(), SOURCE_LABEL: source, CONTENT_LABEL: content}


def own_version() -> str:
    """The version of Conveyor that is installed here."""
    return metadata.version("conveyor-cli")


def image_files() -> dict[str, bytes]:
    """What the default image is built from."""
    folder = resources.files("conveyor_sandbox").joinpath("image_files")
    return {name: folder.joinpath(name).read_bytes() for name in ("Dockerfile", "requirements.txt")}


def dockerfile_digest(base: str) -> str:
    """A hash of what the default image is built from, on top of `base`."""
    digest = hashlib.sha256()
    for name, content in sorted({**image_files(), "base": base.encode()}.items()):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
