"""The image that sandboxes are made from: found, fetched or built.

`progress` is called at least twice a second while an engine works on a build or a pull; what it
raises breaks the work off. Nothing half done gets a name: an engine tags what is complete.
"""

from __future__ import annotations

import errno
import io
import os
import platform
import sys
import tarfile
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conveyor_sandbox import from_host
from conveyor_sandbox.engine_log import BuildLog, PullLog, messages, plain
from conveyor_sandbox.errors import SandboxImageError, SandboxUnavailable
from conveyor_sandbox.labels import (
    CONTENT_LABEL,
    SOURCE_LABEL,
    ImageInfo,
    dockerfile_labels,
    from_host_labels,
    image_files,
    read_labels,
)
from conveyor_sandbox.packages import fetch

if TYPE_CHECKING:
    # Slow to import, and this module is reached by commands that need no engine: functions import
    # what they need of it.
    from collections.abc import Iterator, Mapping, Sequence

    import docker

    from conveyor_sandbox.sandbox import Progress

__all__ = [
    "CONTENT_LABEL",
    "DEFAULT_BASE",
    "DEFAULT_IMAGE",
    "SOURCE_LABEL",
    "ImageInfo",
    "build",
    "build_from_host",
    "built",
    "ensure",
    "find",
    "prune_replaced",
    "pull",
]

DEFAULT_IMAGE = "conveyor-sandbox"
DEFAULT_BASE = "python:3.12-slim"

_PATIENCE = 20.0
"""Seconds a registry has for its first word; the engine by itself would try for minutes."""


def ensure(client: docker.DockerClient, image: str, progress: Progress) -> ImageInfo:
    """The image, after building (the default one) or pulling it where it is missing.

    One call of the engine when it is there: every run begins with this. One of ours that is out of
    date is told of, and used: a rebuild takes away what somebody may count on.

    Raises SandboxImageError when it cannot be had.
    """
    found = find(client, image)
    if found is not None:
        if found.out_of_date:
            advice = f"rebuild it with: {found.how_to_build}"
            progress(f"image {image} is out of date ({found.out_of_date}); {advice}", None)
        return found
    if _with_tag(image) != _with_tag(DEFAULT_IMAGE):
        return _pull_or_advise(client, image, progress)
    try:
        return build(client, image, DEFAULT_BASE, progress)
    except SandboxImageError as error:
        progress(f"{error}; packing this machine's Python instead (no pandas in it)", None)
        return build_from_host(client, image, progress)


def _pull_or_advise(client: docker.DockerClient, image: str, progress: Progress) -> ImageInfo:
    try:
        return pull(client, image, progress)
    except SandboxImageError as error:
        advice = f"check its name, or build it: conveyor sandbox build --name {image}"
        raise SandboxImageError(f"{error}: {advice}") from error


def find(client: docker.DockerClient, image: str) -> ImageInfo | None:
    """The image, if the engine has it."""
    from docker.errors import NotFound  # noqa: PLC0415

    with _engine_errors(f"image {image}"):
        try:
            found = client.images.get(image)
        except NotFound:
            return None
    return read_labels(image, found.attrs, found.labels)


def built(client: docker.DockerClient) -> list[ImageInfo]:
    """The images that Conveyor built, by name."""
    with _engine_errors("images"):
        found = client.api.images(filters={"label": SOURCE_LABEL})
    infos = [read_labels(name, it, it["Labels"]) for it in found for name in it["RepoTags"] or ()]
    return sorted((it for it in infos if it.name != "<none>:<none>"), key=lambda it: it.name)


def pull(
    client: docker.DockerClient, image: str, progress: Progress, patience: float = _PATIENCE
) -> ImageInfo:
    """Fetch an image from its registry, which has `patience` seconds for its first word.

    Raises SandboxImageError when that fails.
    """
    repository, _, tag = _with_tag(image).rpartition(":")
    reference = (image, None) if "@" in image else (repository, tag)
    began = time.monotonic()
    log = PullLog()
    fraction = None
    heard = False
    with _engine_errors(f"image {image} is not on this machine and could not be fetched"):
        for message in messages(
            lambda: client.api.pull(reference[0], tag=reference[1], stream=True, decode=True)
        ):
            if message is not None:
                heard = True
                _check(message)
                fraction = log.feed(message)
            elif not heard and time.monotonic() - began > patience:
                raise _EngineSaysError(f"its registry did not answer within {patience:g} s")
            progress(f"fetching image {image}", fraction)
    return _found(client, image)


def build(client: docker.DockerClient, name: str, base: str, progress: Progress) -> ImageInfo:
    """Build the Dockerfile that comes with Conveyor, on top of `base`.

    Raises SandboxImageError when the base cannot be had or a step fails.
    """
    if find(client, base) is None:
        pull(client, base, progress)
    replaced = find(client, name)
    log = BuildLog()
    with _engine_errors(f"image {name} could not be built"):
        for message in messages(
            lambda: client.api.build(
                fileobj=_tar(image_files()),
                custom_context=True,
                tag=name,
                buildargs={"BASE": base},
                labels=dockerfile_labels(base),
                rm=True,
                forcerm=True,
                decode=True,
            )
        ):
            if message is not None:
                _check(message, log.last_line)
                log.feed(message)
            progress(f"building image {name}: {log.step}", log.fraction)
    return _replace(client, name, replaced)


def build_from_host(
    client: docker.DockerClient,
    name: str,
    progress: Progress,
    requirements: Sequence[str] = (),
) -> ImageInfo:
    """Build an image of this machine's Python and core utilities. Needs no registry.

    With packages, if `requirements` names some, as pip does: these need the package index.

    Raises SandboxImageError where they cannot be packed, or do not fit the engine's machine.
    """
    _refuse_foreign_engine(client)
    replaced = find(client, name)
    text = "packing this machine's Python"
    repository, _, tag = _with_tag(name).rpartition(":")
    with (
        _engine_errors(f"image {name} could not be built"),
        tempfile.TemporaryDirectory(prefix="conveyor-packages-") as packages,
        tempfile.TemporaryFile(prefix="conveyor-image-") as spool,
    ):
        versions = fetch(requirements, Path(packages), progress) if requirements else ""
        root = from_host.pack(lambda fraction: progress(text, fraction), Path(packages))
        progress(f"writing image {name}", None)
        content = root.write(spool)
        spool.seek(0)
        progress(f"handing image {name} to the engine", None)
        # Not import_image_from_stream: that announces chunks, which an open file is not sent in.
        client.api.import_image(
            src=spool,
            repository=repository,
            tag=tag,
            changes=_changes(from_host_labels(content, versions)),
        )
    return _replace(client, name, replaced)


def prune_replaced(client: docker.DockerClient) -> list[str]:
    """Remove images that a later build took the name of; a line for each one removed.

    Not those of the last ten minutes: a build that is under way has no name either.
    """
    filters = {"dangling": True, "label": [SOURCE_LABEL], "until": "10m"}
    with _engine_errors("old images could not be removed"):
        deleted = client.images.prune(filters=filters)["ImagesDeleted"] or []
    return [f"image {it['Deleted'][7:19]}" for it in deleted if "Deleted" in it]


def _replace(client: docker.DockerClient, name: str, replaced: ImageInfo | None) -> ImageInfo:
    """The image just built, after removing the one that had its name, unless that is used."""
    from docker.errors import APIError  # noqa: PLC0415

    new = _found(client, name)
    if replaced is None or replaced.id == new.id:
        return new
    try:
        if not client.images.get(replaced.id).tags:
            client.api.remove_image(replaced.id)
    except APIError:
        pass  # a container still uses it, or another build was faster
    return new


def _found(client: docker.DockerClient, name: str) -> ImageInfo:
    image = find(client, name)
    if image is None:
        raise SandboxImageError(f"image {name} was removed while it was being made: try again")
    return image


def _refuse_foreign_engine(client: docker.DockerClient) -> None:
    with _engine_errors("the engine's machine"):
        engine = client.api.version()
    ours = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    if (sys.platform, ours) != (engine["Os"], engine["Arch"]):
        raise SandboxImageError(
            f"this machine's Python ({sys.platform}/{ours}) cannot run on the engine "
            f"({engine['Os']}/{engine['Arch']}): build from a base image, without --from-host"
        )


def _tar(files: Mapping[str, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    out.seek(0)
    return out


def _changes(labels: Mapping[str, str]) -> list[str]:
    """An imported image's configuration, as lines of a Dockerfile."""
    return [
        f"ENV PATH={from_host.PATH}",
        "ENV LANG=C.UTF-8",
        "WORKDIR /workspace",
        "USER 1000:1000",
        'CMD ["python3"]',
        *(f'LABEL {name}="{value}"' for name, value in labels.items()),
    ]


def _with_tag(image: str) -> str:
    """A port of the registry is no tag: `localhost:5000/mine`."""
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


class _EngineSaysError(Exception):
    """The engine gave up on a pull or a build, in its own words."""


def _check(message: Mapping[str, Any], last_line: str = "") -> None:
    if "error" in message:
        said = f"{last_line}: " if last_line else ""
        raise _EngineSaysError(f"{said}{message['error']}")


@contextmanager
def _engine_errors(what: str) -> Iterator[None]:
    """Say in one line what failed, and why."""
    from docker.errors import APIError, DockerException  # noqa: PLC0415
    from requests.exceptions import RequestException  # noqa: PLC0415

    try:
        yield
    except APIError as error:
        raise _one_line(what, str(error.explanation or error)) from error
    except RequestException as error:
        raise SandboxUnavailable(f"{what}: the Docker engine stopped answering") from error
    except (DockerException, _EngineSaysError, OSError) as error:
        raise _one_line(what, str(error)) from error


def _one_line(what: str, why: str) -> SandboxImageError:
    line = plain(f"{what} ({why})")
    # The engine's words, or the operating system's about the temporary folder.
    full = os.strerror(errno.ENOSPC).lower() in why.lower()
    return SandboxImageError(f"{line}: free some disk space first" if full else line)
