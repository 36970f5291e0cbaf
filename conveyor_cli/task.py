"""The task file: what a run is asked to do, and with what."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)

from conveyor_cli.backends.base import Sampling
from conveyor_cli.dialects.speech import DialectName
from conveyor_cli.engine.approval import Approve
from conveyor_cli.engine.policy import Mode
from conveyor_cli.tool_choice import ToolChoice, read_choice
from conveyor_sandbox.rooms import least_memory
from conveyor_sandbox.sandbox import MIB, Limits

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)i?b?", re.IGNORECASE)
_LONGEST_PART = 255
"""Bytes of a file's name."""
LONGEST_NAME = 100
"""Characters of a task's name."""


def _size(value: object) -> object:
    """A size in bytes from `512m`, `1g` or a plain number."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        if not match:
            raise ValueError(f"not a size: {value!r} (write 512m or 1g)")
        return int(
            float(match[1]) * {"": 1, "k": 1024, "m": MIB, "g": 1024 * MIB}[match[2].lower()]
        )
    return value


def _said(prompt: str) -> str:
    if not prompt.strip():
        raise ValueError("is empty: say what to do")
    return prompt


def _web_address(text: str) -> str:
    parts = urlsplit(text)  # raises ValueError for one that is none
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError(f"not a web address: {text!r} (write http://localhost:8000/v1)")
    return text


def _inside(path: str) -> str:
    """A path that stays in the workspace."""
    pure = PurePosixPath(path)
    odd = pure.is_absolute() or ".." in pure.parts or "\0" in path or "\\" in path
    if not pure.parts or odd or any(len(os.fsencode(it)) > _LONGEST_PART for it in pure.parts):
        raise ValueError(f"not a path inside the workspace: {path!r}")
    return str(pure)


def _module(name: str) -> str:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"not the name of a module: {name!r}")
    return name


Size = Annotated[int, BeforeValidator(_size), Field(gt=0)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
ModuleName = Annotated[str, AfterValidator(_module)]
Choice = Annotated[
    ToolChoice, BeforeValidator(read_choice), PlainSerializer(lambda choice: choice.written)
]
WorkspacePath = Annotated[str, AfterValidator(_inside)]
Seconds = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
"""About twelve days at most: clocks and system calls count no further."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelOptions(_Section):
    """Which model decodes, and how."""

    backend: Literal["transformers", "openai", "scripted"] = "transformers"
    id: str = "smollm2-135m"
    quantization: Literal["none", "int8", "nf4", "fp4"] = "none"
    dialect: DialectName = "auto"
    dtype: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    max_new_tokens: int = Field(1024, ge=1)
    temperature: float = Field(0.0, ge=0, allow_inf_nan=False)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=1)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0)
    seed: int | None = None
    base_url: WebAddress | None = None
    timeout: Seconds = 300.0
    script: Path | None = None
    rate: float = Field(60.0, gt=0, allow_inf_nan=False)
    chunk: int = Field(4, ge=1)

    def sampling(self) -> Sampling:
        """What the backend needs to know to choose tokens."""
        return Sampling(
            self.max_new_tokens,
            self.temperature,
            self.top_p,
            self.top_k,
            self.min_p,
            self.repetition_penalty,
            self.seed,
        )

    @model_validator(mode="after")
    def _script_for_scripted(self) -> ModelOptions:
        if self.backend == "scripted" and self.script is None:
            raise ValueError("backend scripted needs a script: name a file with --script")
        return self

    @model_validator(mode="after")
    def _address_for_openai(self) -> ModelOptions:
        if self.backend == "openai" and self.base_url is None:
            raise ValueError("backend openai needs the server's address: give it with --base-url")
        if self.dialect == "native" and self.backend != "openai":
            raise ValueError("dialect native is what servers write: it needs backend openai")
        return self


class PoolOptions(_Section):
    """Sandboxes that are held ready. `size` None: what suits the command."""

    size: int | None = Field(None, ge=0, le=64)


class SandboxOptions(_Section):
    """Where code runs, and what it may use."""

    kind: Literal["auto", "docker", "local", "unsafe"] = "auto"
    image: str = Field("conveyor-sandbox", min_length=1)
    runtime: str | None = Field(None, min_length=1)
    strict: bool = False
    network: Literal["none"] = "none"
    memory: Size = 1024 * MIB
    cpus: float = Field(2.0, gt=0, le=4096)
    pids: int = Field(128, ge=8, le=4_194_304)
    unit_timeout: Seconds = 30.0
    workspace_size: Size = 256 * MIB
    undo: bool = True
    undo_limit: Size = 64 * MIB
    preload: tuple[ModuleName, ...] = ("numpy", "pandas")
    pool: PoolOptions = PoolOptions()
    files: dict[WorkspacePath, Path] = Field(default_factory=dict)

    def limits(self) -> Limits:
        """The limits, as the sandbox takes them."""
        return Limits(
            self.memory,
            self.cpus,
            self.pids,
            self.unit_timeout,
            self.workspace_size,
            undo=self.undo_limit if self.undo else None,
        )

    @field_validator("files")
    @classmethod
    def _files_are_no_folders(cls, files: dict[str, Path]) -> dict[str, Path]:
        for name in files:
            for above in PurePosixPath(name).parents:
                if str(above) in files:
                    raise ValueError(f"{above} cannot be both a file and a folder ({name})")
        return files

    @model_validator(mode="after")
    def _runtime_of_an_engine(self) -> SandboxOptions:
        if self.runtime is not None and self.kind in ("local", "unsafe"):
            raise ValueError(f"runtime is Docker's: {self.kind} cannot keep what it promises")
        return self

    @model_validator(mode="after")
    def _room_beside_the_workspace(self) -> SandboxOptions:
        least = least_memory(self.workspace_size)
        if self.memory < least:
            raise ValueError(
                "the workspace is memory too: for this workspace_size memory must be at least "
                f"{-(-least // MIB)}m"
            )
        return self


class WorkspaceOptions(_Section):
    """A folder that is copied in, and whether what the run changes is applied to it."""

    from_: Path = Field(alias="from")
    apply: Literal["never", "ask", "always"] = "ask"


class LimitOptions(_Section):
    """Where a run ends, done or not."""

    turns: int = Field(8, ge=1)
    tokens: int = Field(2048, ge=1)
    seconds: Seconds = 300.0


class Expectation(_Section):
    """What makes the task a check: all that is given must hold."""

    output_contains: str | None = None
    result_contains: str | None = None
    answer_contains: str | None = None


class Task(_Section):
    """A task, complete with the defaults of what it does not say."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    prompt: Annotated[str, AfterValidator(_said)]
    system: str | None = None
    model: ModelOptions = ModelOptions()
    tools: tuple[Choice, ...] = (ToolChoice("python"),)
    sandbox: SandboxOptions = SandboxOptions()
    workspace: WorkspaceOptions | None = None
    save_files: Path | None = None
    mode: Mode = Mode.PARTIAL
    early_stop: bool = True
    approve: Approve = Approve.EXTERNAL
    limits: LimitOptions = LimitOptions()
    expect: Expectation = Expectation()


def task_paths(settings: dict[str, Any]) -> list[tuple[Any, Any]]:
    """The places in a task's settings that hold paths of the host, as (mapping or list, key)."""
    places: list[tuple[Any, Any]] = []
    model, sandbox = settings.get("model"), settings.get("sandbox")
    if isinstance(model, dict) and isinstance(model.get("script"), str):
        places.append((model, "script"))
    workspace = settings.get("workspace")
    if isinstance(workspace, dict) and isinstance(workspace.get("from"), str):
        places.append((workspace, "from"))
    if isinstance(settings.get("save_files"), str):
        places.append((settings, "save_files"))
    if isinstance(sandbox, dict) and isinstance(sandbox.get("files"), dict):
        files = sandbox["files"]
        places += [(files, key) for key, value in files.items() if isinstance(value, str)]
    return places
