"""The composition root: builds a run's parts from a task."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from conveyor_cli.backends.base import Backend, Progress
from conveyor_cli.backends.models import ModelStore
from conveyor_cli.backends.openai import OpenAIBackend
from conveyor_cli.backends.precision import Device, Dtype, Quantization
from conveyor_cli.backends.scripted import ScriptedBackend, split_script
from conveyor_cli.backends.transformers import TransformersBackend
from conveyor_cli.dialects.speech import find_speech
from conveyor_cli.engine.agent import Agent, Settings
from conveyor_cli.engine.approval import Approval
from conveyor_cli.engine.events import Emit
from conveyor_cli.engine.run import Identity, Run
from conveyor_cli.engine.workplace import Workplace
from conveyor_cli.errors import UsageError
from conveyor_cli.files.aftermath import Brought
from conveyor_cli.files.project import read_project
from conveyor_cli.task import ModelOptions, SandboxOptions, Task
from conveyor_cli.toolbox import Toolbox, open_toolbox
from conveyor_sandbox.pool import Pool
from conveyor_sandbox.sandbox import HostFunction, Sandbox, SandboxSpec

_FILES_SHARE = 0.75
"""How much of the workspace the task's files may fill: file systems need room for themselves."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run is made of."""

    backend: Backend
    workplace: Workplace
    agent: Agent
    approval: Approval
    brought: Brought
    pool: Pool


def make_parts(
    task: Task,
    progress: Progress,
    backend: Backend | None = None,
    pool: Pool | None = None,
    spares: int = 0,
    toolbox: Toolbox | None = None,
) -> Parts:
    """The parts of a run of the task, none of them started. Backend, pool, tools may be given.

    `spares`: how many sandboxes a new pool holds where the task does not say.

    Raises:
        UsageError: a script, a file or a tool that the task names cannot be had.
    """
    backend = backend or make_backend(task.model)
    toolbox = toolbox or open_toolbox(task.tools)
    approval = Approval(task.approve)
    if not toolbox.needs_sandbox:
        _require_no_files(task, may_save=toolbox.has_servers)
    offered = tuple(function.offer() for function in toolbox.functions.values())
    brought = bring(task)
    if pool is None:
        size = spares if task.sandbox.pool.size is None else task.sandbox.pool.size
        maker = sandbox_maker(task.sandbox, offered, brought)
        pool = Pool(maker, size if toolbox.needs_sandbox else 0)
    workplace = Workplace(
        pool,
        task.sandbox.image,
        toolbox.tools,
        toolbox.functions,
        approval,
        toolbox,
        keeps_files=task.save_files is not None,
    )
    settings = Settings(
        task.mode, task.model.sampling(), task.early_stop, task.limits.turns, task.limits.tokens
    )
    agent = Agent(
        backend,
        workplace,
        toolbox.tools,
        approval,
        lambda: find_speech(
            task.model.dialect,
            toolbox.tools,
            toolbox.from_code,
            toolbox.functions_told,
            backend.template,
            native=task.model.backend == "openai",
        ),
        settings,
        task.system,
        progress,
    )
    return Parts(backend, workplace, agent, approval, brought, pool)


def _require_no_files(task: Task, *, may_save: bool) -> None:
    """Without a sandbox there is no workspace; tools may make files all the same.

    Raises:
        UsageError: the task wants some, or brings some.
    """
    wanted = {
        "workspace": task.workspace is not None,
        "sandbox.files": bool(task.sandbox.files),
        "save_files": task.save_files is not None and not may_save,
    }
    for name, given in wanted.items():
        if given:
            raise UsageError(f"{name}: none of the tools works on files: add python, say")


def make_run(task: Task, run_id: str, parts: Parts, emit: Emit, progress: Progress) -> Run:
    """A run of the task with these parts."""
    identity = Identity(run_id, task.name, task.mode.value, task.model.backend)
    return Run(identity, parts.agent, parts.backend, parts.workplace, emit, progress)


def make_backend(model: ModelOptions) -> Backend:
    """The backend that the options name. Raises UsageError."""
    if model.backend == "scripted":
        assert model.script is not None
        return ScriptedBackend(read_script(model.script), rate=model.rate, chunk=model.chunk)
    if model.backend == "openai":
        assert model.base_url is not None
        named = model.id if "id" in model.model_fields_set else None
        return OpenAIBackend(model.base_url, named, timeout=model.timeout)
    return TransformersBackend(
        model.id,
        store=ModelStore(),
        quantization=Quantization(model.quantization),
        dtype=Dtype(model.dtype),
        device=Device(model.device),
    )


def read_script(path: Path) -> list[str]:
    """The responses of a script file. Raises UsageError."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return split_script(file.read())
    except OSError as error:
        raise UsageError(f"script {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"script {path}: not a text file in UTF-8") from None


def bring(task: Task) -> Brought:
    """What the task puts into the workspace. Raises UsageError."""
    options = task.sandbox
    room = int(options.workspace_size * _FILES_SHARE)
    files = read_files(options.files, room)
    project = None
    if task.workspace is not None:
        room -= sum(map(len, files.values()))
        project = read_project(task.workspace.from_, room)
    return Brought(files, project, options.workspace_size)


def sandbox_maker(
    options: SandboxOptions,
    functions: tuple[HostFunction, ...] = (),
    brought: Brought | None = None,
) -> Callable[[], Sandbox]:
    """Makes sandboxes as the options ask; `auto` is Docker if an engine answers, else local.

    Code in them can call the functions; what is brought lies in their workspace.
    """
    brought = brought or Brought()
    spec = SandboxSpec(
        options.image,
        options.limits(),
        brought.files,
        options.runtime,
        functions,
        brought.project.entries if brought.project else {},
        _preload(options, brought),
        options.strict,
    )
    docker_only = options.kind == "docker" or options.runtime is not None

    def make() -> Sandbox:
        if docker_only or (options.kind == "auto" and _engine_answers()):
            from conveyor_sandbox.docker import DockerSandbox  # noqa: PLC0415 - slow

            return DockerSandbox(spec)
        if options.kind == "unsafe":
            from conveyor_sandbox.unsafe import UnsafeSandbox  # noqa: PLC0415

            return UnsafeSandbox(spec)
        from conveyor_sandbox.local import LocalSandbox  # noqa: PLC0415 - only on Linux

        return LocalSandbox(spec)

    return make


def _preload(options: SandboxOptions, brought: Brought) -> tuple[str, ...]:
    """The modules to import beforehand: not those that a file of the workspace stands before."""
    names = [*brought.files, *(brought.project.entries if brought.project else ())]
    tops = {name.partition("/")[0].removesuffix(".py") for name in names}
    return tuple(name for name in options.preload if name.partition(".")[0] not in tops)


def _engine_answers() -> bool:
    from conveyor_sandbox.engine import connect  # noqa: PLC0415 - slow
    from conveyor_sandbox.errors import SandboxUnavailable  # noqa: PLC0415

    try:
        connect().close()
    except SandboxUnavailable:
        return False
    return True


def read_files(files: dict[str, Path], room: int) -> dict[str, bytes]:
    """The files to be copied into the workspace, which has room for so many bytes.

    Raises:
        UsageError: one cannot be read, or they are too much.
    """
    contents = {}
    for name, path in files.items():
        where = f"sandbox.files.{name}: {path}"
        try:
            if path.exists() and not path.is_file():
                raise UsageError(f"{where}: not a file")
            if path.stat().st_size > room:
                raise UsageError(f"{where}: no room for it: raise sandbox.workspace_size")
            contents[name] = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{where}: {error.strerror}") from None
        room -= len(contents[name])
    return contents


def new_run_id() -> str:
    """A new run's name: when it began, and something that no other run has."""
    now = dt.datetime.now(dt.UTC)
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def journal_path(run_id: str) -> Path:
    """Where a run's journal lies, if the user names no other place."""
    return platformdirs.user_state_path("conveyor") / "runs" / f"{run_id}.jsonl"
