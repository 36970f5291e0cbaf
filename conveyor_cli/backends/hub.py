"""Fetching a model from the Hugging Face hub: weights in safetensors and their JSON, never code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import logging
from tqdm.auto import tqdm

from conveyor_cli.backends.base import Progress
from conveyor_cli.errors import ModelError

_WANTED = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
_ETAG_TIMEOUT_S = 10.0


def fetch(model: str, progress: Progress) -> Path:
    """The local folder of the hub's model `model` (`owner/name`), fetched unless it is there.

    Raises:
        ModelError: there is no such model, it may not be read, or the hub cannot be reached.
    """
    logging.set_verbosity_error()  # it would write of its retries to stderr
    progress(f"fetching {model} from the Hugging Face hub", None)
    try:
        return Path(
            snapshot_download(
                model,
                allow_patterns=_WANTED,
                ignore_patterns=["*/*"],  # other formats of the same weights lie in subfolders
                etag_timeout=_ETAG_TIMEOUT_S,
                tqdm_class=_reporting_to(progress),
            )
        )
    except GatedRepoError as error:
        raise ModelError(
            f"{model} asks for its terms to be accepted on the hub, and for a token (HF_TOKEN)"
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelError(f"there is no model {model!r}") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, httpx.TransportError) as error:
        raise ModelError("the Hugging Face hub cannot be reached") from error


def _reporting_to(progress: Progress) -> Any:
    """A progress bar that draws nothing and tells `progress` of the bytes fetched."""

    class Reporting(tqdm):  # type: ignore[misc]  # has no types
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            self.counts_bytes = kwargs.get("unit") == "B"
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            # A disabled bar counts nothing itself.
            self.n += n or 0
            if self.counts_bytes and self.total:
                progress("downloading the model", min(1.0, self.n / self.total))
            return None

    return Reporting
