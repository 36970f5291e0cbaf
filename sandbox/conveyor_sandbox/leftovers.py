"""What killed runs left behind: containers and temporary folders whose owner is gone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from conveyor_sandbox.owner import OWNER_LABEL, abandoned_tempdirs, is_gone

if TYPE_CHECKING:
    from pathlib import Path

    import docker

_CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Containers (full ids) and folders whose owner is gone."""

    containers: tuple[str, ...]
    folders: tuple[Path, ...]


def leftovers(client: docker.DockerClient) -> Leftovers:
    """What `prune` would remove."""
    # One call of the plain API: the client's own listing inspects each container.
    found = client.api.containers(all=True, filters={"label": OWNER_LABEL})
    return Leftovers(
        containers=tuple(it["Id"] for it in found if is_gone(it["Labels"][OWNER_LABEL])),
        folders=tuple(abandoned_tempdirs()),
    )


def prune(client: docker.DockerClient) -> list[str]:
    """Remove what dead owners left on this host; a line for each thing removed.

    What a living process or another host owns is never touched.
    """
    found = leftovers(client)
    removed = [f"container {it[:12]}" for it in found.containers if _remove(client, it)]
    for folder in found.folders:
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            removed.append(f"folder {folder}")
    return removed


def _remove(client: docker.DockerClient, container: str) -> bool:
    from docker.errors import APIError, NotFound  # noqa: PLC0415 - slow to import

    try:
        client.api.remove_container(container, force=True, v=True)
    except NotFound:
        return False
    except APIError as error:
        if error.status_code != _CONFLICT:
            raise
        return False  # its removal is under way already
    return True
