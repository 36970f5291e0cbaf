"""Settings and where they come from: flag > environment > task > project > user > default.

Each source is a layer of nested settings, shaped like a task file. The user's and the project's
`conveyor.toml` may hold all of a task but its name and prompt; the environment names settings in
capitals, levels separated by two underscores: `CONVEYOR_MODEL__ID=…`, `CONVEYOR_MODE=…`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs
import yaml
from pydantic import ValidationError

from conveyor_cli.errors import UsageError
from conveyor_cli.task import LONGEST_NAME, Task, task_paths
from conveyor_cli.views.text import safe
from conveyor_tools.home import expanded
from conveyor_tools.wording import wording

Path_ = tuple[str, ...]
_PREFIX = "CONVEYOR_"
_LARGEST = 1024 * 1024
"""Characters of a file of settings: `/dev/zero` has no end."""
_NOT_SETTINGS = ("CONVEYOR_CACHE",)
"""Variables with our prefix that are read elsewhere."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings from one source.

    `lines` says where each stands, if the source has lines; `names` what it is called there, if
    that is something else than its path.
    """

    source: str
    settings: dict[str, Any]
    lines: Mapping[Path_, int] = field(default_factory=dict)
    names: Mapping[Path_, str] = field(default_factory=dict)
    own: bool = False
    """Whether nobody but the user can have written it."""
    folder: Path | None = None
    """What paths in it are relative to; None: the current folder."""

    def place(self, path: Path_) -> str:
        """Where a setting stands, as `file:line` or `source NAME`."""
        while path:
            if path in self.lines:
                return f"{self.source}:{self.lines[path]}"
            if path in self.names:
                return f"{self.source} {self.names[path]}"
            path = path[:-1]
        return self.source


class Settings:
    """Layers on top of each other, the strongest first."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._layers = list(layers)
        self.merged: dict[str, Any] = {}
        self._origins: dict[Path_, Layer] = {}
        for layer in reversed(self._layers):
            self._lay(layer, layer.settings, self.merged, ())

    def put(self, layer: Layer) -> None:
        """Lay one more on top."""
        self._layers.insert(0, layer)
        self._lay(layer, layer.settings, self.merged, ())

    def _lay(
        self, layer: Layer, settings: Mapping[str, Any], target: dict[str, Any], path: Path_
    ) -> None:
        for key, value in settings.items():
            here = (*path, str(key))
            self._origins[here] = layer
            if isinstance(value, Mapping):
                below = target.get(key)
                target[key] = below = below if isinstance(below, dict) else {}
                self._lay(layer, value, below, here)
            else:
                target[key] = value

    def origin(self, path: Path_) -> str:
        """Where a setting comes from: a file and line, the environment, a flag, or the default."""
        layer = self._layer(path)
        return layer.place(path) if layer is not None else "default"

    def _layer(self, path: Path_) -> Layer | None:
        while path and path not in self._origins:
            path = path[:-1]
        return self._origins[path] if path else None

    def is_users_own(self, path: Path_) -> bool:
        """Whether the user set it: not a task file, nor the project's configuration."""
        layer = self._origins.get(path)
        return layer is not None and layer.own

    def task(self) -> Task:
        """The settings as a task. Raises UsageError, naming file, line and field."""
        try:
            task = Task.model_validate(self.merged)
        except ValidationError as error:
            raise UsageError(self._explain(error)) from None
        kind = ("sandbox", "kind")
        if task.sandbox.kind == "unsafe" and not self.is_users_own(kind):
            raise UsageError(
                f"{self.origin(kind)}: sandbox.kind: unsafe is no task's to choose: say "
                "--sandbox unsafe yourself"
            )
        layer = self._layer(("tools",))
        base = layer.folder if layer is not None else None
        tools = [
            choice.at(self.origin(("tools", str(index))), base)
            for index, choice in enumerate(task.tools)
        ]
        return task.model_copy(update={"tools": tuple(tools)})

    def _explain(self, error: ValidationError) -> str:
        """The first problem, on one line."""
        # A field that is not known comes first: it may be the one that is missing, misspelt.
        problems = sorted(error.errors(include_url=False), key=lambda it: it["type"] == "missing")
        first = problems[0]
        path = tuple(str(part) for part in first["loc"] if part != "[key]")
        where = self.origin(path)
        if first["type"] == "missing":  # it stands nowhere: say which file lacks it
            where = next((layer.source for layer in self._layers if layer.lines), "task")
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return f"{where}: {'.'.join(path) or 'task'}: {wording(first)}{more}"


def read_task(path: Path, text: str | None = None) -> Layer:
    """The layer of a task file (or of its given text). Raises UsageError."""
    source = str(path)
    if text is None:
        text = _read(path, "task file")
    lines: dict[Path_, int] = {}
    try:
        node = yaml.compose(text, Loader=_Loader)
        _note_lines(node, (), lines)
        settings = yaml.load(text, Loader=_Loader)  # noqa: S506 - it is a SafeLoader
    except yaml.YAMLError as error:
        raise UsageError(f"{source}{_line(error)}: not valid YAML: {_reason(error)}") from None
    except ValueError as error:  # a value that only looks like a date, say
        raise UsageError(f"{source}: not valid YAML: {error}") from None
    except RecursionError:
        raise UsageError(f"{source}: not valid YAML: nested too deeply") from None
    if settings is None:
        raise UsageError(f"{source}: the task file is empty: it needs at least a prompt")
    if not isinstance(settings, dict):
        raise UsageError(f"{source}:1: a task is a mapping of fields, such as prompt: …")
    _make_absolute(settings, path.parent)
    settings.setdefault("name", safe(path.stem)[:LONGEST_NAME])
    return Layer(source, settings, lines, folder=path.parent.absolute())


def _line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}" if mark else ""


def _reason(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        return "it holds control characters"
    context, problem = getattr(error, "context", None), getattr(error, "problem", None)
    return ", ".join(part for part in (context, problem) if part) or "cannot be read"


class _Loader(yaml.SafeLoader):
    """Safe YAML of plain values.

    Without aliases: a few lines of them can stand for billions. Without bytes, which would be taken
    for text by those who use a value, and by those who look at it before not.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed", mark)
        return super().compose_node(parent, index)


def _refuse(_loader: _Loader, node: yaml.Node) -> None:
    tag = f"!!{node.tag.rpartition(':')[2]}"
    raise yaml.constructor.ConstructorError(None, None, f"{tag} is not allowed", node.start_mark)


for _tag in ("binary", "set", "omap", "pairs"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _refuse)


def _note_lines(node: yaml.Node | None, path: Path_, lines: dict[Path_, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            if here in lines:
                mark = key.start_mark
                raise yaml.composer.ComposerError(
                    None, None, f"{'.'.join(here)} is there twice", mark
                )
            lines[here] = key.start_mark.line + 1
            _note_lines(value, here, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*path, str(index))] = value.start_mark.line + 1
            _note_lines(value, (*path, str(index)), lines)


def config_files() -> list[Path]:
    """The project's and the user's configuration file, the stronger first, if they exist."""
    files = [Path("conveyor.toml"), _users_config()]
    return [path for path in files if os.path.isfile(path)]  # noqa: PTH113 - never raises


def _users_config() -> Path:
    return platformdirs.user_config_path("conveyor") / "conveyor.toml"


def read_config(path: Path) -> Layer:
    """The layer of a `conveyor.toml`. Raises UsageError."""
    try:
        settings = tomllib.loads(_read(path, "configuration file"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None
    for name in ("name", "prompt"):
        if name in settings:
            raise UsageError(f"{path}: {name}: belongs in a task file")
    _make_absolute(settings, path.parent)
    own = path == _users_config()
    return Layer(str(path), settings, own=own, folder=path.parent.absolute())


def _read(path: Path, what: str) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such {what}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text file in UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    if len(text) > _LARGEST:
        raise UsageError(f"{path}: too large for a {what}")
    return text


def _make_absolute(settings: dict[str, Any], folder: Path) -> None:
    """Paths in a file are relative to that file."""
    for mapping, key in task_paths(settings):
        mapping[key] = str(folder.absolute() / expanded(mapping[key]))


def environment_layer(environment: Mapping[str, str] = os.environ) -> Layer:
    """The layer of the `CONVEYOR_…` variables. Values are YAML."""
    settings: dict[str, Any] = {}
    names: dict[Path_, str] = {}
    for name, text in sorted(environment.items()):
        if name.startswith(_PREFIX) and name not in _NOT_SETTINGS:
            path = tuple(name.removeprefix(_PREFIX).lower().split("__"))
            place(settings, path, parse_value(text, name))
            names[path] = name
    return Layer("environment", settings, names=names, own=True)


def parse_value(text: str, name: str) -> Any:
    """A setting's value, written as YAML. Raises UsageError."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise UsageError(f"{name}: not valid YAML: {text!r}") from None


def place(settings: dict[str, Any], path: Path_, value: Any) -> None:
    """Put a value at a path of nested settings."""
    for key in path[:-1]:
        below = settings.setdefault(key, {})
        if not isinstance(below, dict):
            raise UsageError(f"{'.'.join(path)}: {key} is set to a value already")
        settings = below
    settings[path[-1]] = value


def assignments_layer(assignments: Iterable[str]) -> dict[str, Any]:
    """The settings of `-c key=value` options; keys are dotted. Raises UsageError."""
    settings: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"-c {assignment}: write -c key=value, e.g. -c sandbox.memory=2g")
        place(settings, tuple(key.strip().split(".")), parse_value(text, f"-c {key}"))
    return settings
