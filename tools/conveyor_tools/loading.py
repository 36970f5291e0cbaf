"""Tools of the user's own: a function in a file, or in an installed module.

To load one is to run its code on this machine, so who calls `load` has asked the user first. What
was asked about is what runs: a file is read once, and `Code` is both what is trusted and what is
executed. Not covered: a module's code can change between the two, as all that is installed can.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import sys
import traceback
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conveyor_tools.errors import ToolLoadError
from conveyor_tools.function import FunctionTool, function_tool
from conveyor_tools.printing import aside

_LARGEST = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a tool is: `file.py:attribute` or `package.module:attribute`."""

    source: str
    attribute: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read one. Raises ValueError."""
        source, _, attribute = text.rpartition(":")
        dotted = all(part.isidentifier() for part in source.split("."))
        if not attribute.isidentifier() or not (dotted or source.endswith(".py")):
            raise ValueError(f"not a tool: {text!r} (write file.py:name or package.module:name)")
        return cls(source, attribute)

    @property
    def is_file(self) -> bool:
        """Whether the source is a file, not a module."""
        return self.source.endswith(".py")

    def __str__(self) -> str:
        return f"{self.source}:{self.attribute}"


@dataclass(frozen=True, slots=True)
class Code:
    """The code behind a reference. `digest` is what it is trusted by."""

    path: Path | None
    """None for a module that no file holds."""
    text: bytes
    digest: str


def read(reference: Reference) -> Code:
    """The code of a reference, nothing of it run.

    Raises:
        ToolLoadError: it cannot be found or read.
    """
    path = Path(reference.source) if reference.is_file else _find(reference)
    if path is None:
        return Code(None, b"", _digest(reference.source.encode()))
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise ToolLoadError(f"{reference}: there is no such file") from None
    except OSError as error:
        raise ToolLoadError(f"{reference}: cannot be read: {error.strerror}") from None
    if len(text) > _LARGEST:
        raise ToolLoadError(f"{reference}: too large for a file of tools")
    return Code(path, text, _digest(text))


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _find(reference: Reference) -> Path | None:
    """The file of a module. Not `importlib.util.find_spec`, which runs the packages above it."""
    where: list[str] | None = None
    spec = None
    name = ""
    for part in reference.source.split("."):
        name = f"{name}.{part}".lstrip(".")
        if name in sys.builtin_module_names:
            return None
        finders = (finder.find_spec(name, where) for finder in sys.meta_path)
        spec = next(filter(None, finders), None)
        if spec is None:
            raise ToolLoadError(f"{reference}: no module is called {name!r}")
        where = list(spec.submodule_search_locations or [])
    if spec is None or spec.origin is None or not spec.has_location:
        return None  # it is part of the interpreter
    return Path(spec.origin)


def load(
    reference: Reference,
    code: Code,
    options: Mapping[str, Any] | None = None,
    base: Path | None = None,
) -> FunctionTool:
    """Run the code, and make a tool of its attribute, a function or a class that takes the options.

    Paths among the options are relative to `base`.

    Raises:
        ToolLoadError: it fails, lacks the attribute, or that is no typed function, or the options
            are not what it takes.
    """
    try:
        with aside():
            file = reference.is_file
            module = _execute(code) if file else importlib.import_module(reference.source)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ToolLoadError(f"{reference}: cannot be run: {_reason(error, code)}") from error
    target: Any = getattr(module, reference.attribute, None)
    if target is None:
        raise ToolLoadError(f"{reference}: {reference.source} has no {reference.attribute!r}")
    if not callable(target):
        raise ToolLoadError(f"{reference}: it is no function, but of type {type(target).__name__}")
    try:
        return function_tool(target, reference.attribute, options, base)
    except ValueError as error:
        raise ToolLoadError(f"{reference}: {error}") from None
    except Exception as error:  # a class whose instance cannot be made
        raise ToolLoadError(f"{reference}: cannot be made: {_reason(error, code)}") from error


def _execute(code: Code) -> types.ModuleType:
    """A file as a module, once, however many tools are in it."""
    name = f"conveyor_user_tools_{code.digest[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    module = types.ModuleType(name)
    module.__file__ = str(code.path)
    compiled = compile(code.text, str(code.path), "exec", dont_inherit=True)
    sys.modules[name] = module  # dataclasses and pickle look there
    try:
        exec(compiled, module.__dict__)  # noqa: S102 - the user trusts it
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _reason(error: BaseException, code: Code) -> str:
    """On one line, with the line of the file that it comes from."""
    lines = [
        it.lineno
        for it in traceback.extract_tb(error.__traceback__)
        if it.filename == str(code.path)
    ]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    where = f"line {line}: " if line else ""
    return f"{where}{type(error).__name__}: {error}"
